// Numbers in values: INCR and its variants.
#include <cmath>
#include <limits>

#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {

void PutNumber(Call& call, std::string_view event, const KeyView& old, std::string_view digits) {
  char* const value = call.keys.Allocate(digits.size());
  digits.copy(value, digits.size());
  const uint64_t deadline_ms = old.found ? old.expires_at_ms : call.default_deadline_ms();
  call.Put(event, call[1], std::string_view(value, digits.size()), deadline_ms);
}

Run AddTo(Call& call, int64_t by) {
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  int64_t number = 0;
  if (old.found && !ParseInteger(old.value, &number)) return call.Error(kNotAnInteger);
  int64_t sum = 0;
  if (__builtin_add_overflow(number, by, &sum)) return call.Error("ERR increment or decrement would overflow");
  char digits[kIntegerCharsMax];
  PutNumber(call, "incrby", old, std::string_view(digits, FormatInteger(sum, digits)));
  call.reply.Integer(sum);
  return Run::kDone;
}

}  // namespace

Run Incr(Call& call) { return AddTo(call, 1); }

Run Decr(Call& call) { return AddTo(call, -1); }

Run IncrBy(Call& call) {
  int64_t by = 0;
  if (!ParseInteger(call[2], &by)) return call.Error(kNotAnInteger);
  return AddTo(call, by);
}

Run DecrBy(Call& call) {
  int64_t by = 0;
  if (!ParseInteger(call[2], &by)) return call.Error(kNotAnInteger);
  if (by == std::numeric_limits<int64_t>::min()) return call.Error("ERR decrement would overflow");
  return AddTo(call, -by);
}

Run IncrByFloat(Call& call) {
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  long double number = 0;
  long double by = 0;
  if ((old.found && !ParseLongDouble(old.value, &number)) || !ParseLongDouble(call[2], &by)) {
    return call.Error("ERR value is not a valid float");
  }
  const long double sum = number + by;
  if (std::isnan(sum) || std::isinf(sum)) return call.Error("ERR increment would produce NaN or Infinity");
  const std::string digits = FormatLongDouble(sum);
  PutNumber(call, "incrbyfloat", old, digits);
  call.reply.Bulk(digits);
  return Run::kDone;
}

}  // namespace crabkv::protocol
