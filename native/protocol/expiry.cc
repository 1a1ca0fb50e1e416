// Deadlines of keys: EXPIRE, TTL and their variants.
#include <limits>
#include <string>

#include "native/protocol/commands.h"
#include "native/protocol/deadlines.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {

struct ExpireOptions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
};

// False with the error written.
bool ReadExpireOptions(Call& call, ExpireOptions* options) {
  for (size_t i = 3; i < call.size(); i++) {
    if (Is(call[i], "NX")) {
      options->nx = true;
    } else if (Is(call[i], "XX")) {
      options->xx = true;
    } else if (Is(call[i], "GT")) {
      options->gt = true;
    } else if (Is(call[i], "LT")) {
      options->lt = true;
    } else {
      call.reply.Error("ERR Unsupported option " + std::string(call[i]));
      return false;
    }
  }
  if (options->nx && (options->xx || options->gt || options->lt)) {
    call.reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (options->gt && options->lt) {
    call.reply.Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// Unlike SET's, the time may lie in the past, also far.
TimeCheck ParseMoment(std::string_view text, TimeForm form, uint64_t now_ms, int64_t* moment_ms) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  int64_t time = 0;
  if (!ParseInteger(text, &time)) return TimeCheck::kNoInteger;
  if (form.seconds && (time > kMax / 1000 || time < kMin / 1000)) return TimeCheck::kInvalid;
  if (form.seconds) time *= 1000;
  const int64_t base = form.absolute ? 0 : static_cast<int64_t>(now_ms);
  if (time > kMax - base) return TimeCheck::kInvalid;
  *moment_ms = time + base;
  return TimeCheck::kGood;
}

bool Applies(const ExpireOptions& options, uint64_t deadline_ms, int64_t moment_ms) {
  const bool has = deadline_ms != 0;
  const int64_t current = static_cast<int64_t>(deadline_ms);
  if (options.nx && has) return false;
  if (options.xx && !has) return false;
  if (options.gt && (!has || moment_ms <= current)) return false;
  return !(options.lt && has && moment_ms >= current);
}

Run ExpireIn(Call& call, TimeForm form, std::string_view name) {
  ExpireOptions options;
  if (!ReadExpireOptions(call, &options)) return Run::kDone;
  int64_t moment_ms = 0;
  const TimeCheck check = ParseMoment(call[2], form, call.now_ms(), &moment_ms);
  if (check != TimeCheck::kGood) return AnswerTimeError(call, check, name);
  KeyView view;
  if (!call.keys.Look(call[1], &view)) return Run::kStopped;
  const bool applies = view.found && Applies(options, view.expires_at_ms, moment_ms);
  if (applies && moment_ms <= static_cast<int64_t>(call.now_ms())) {
    call.Delete(call[1]);
  } else if (applies) {
    call.keys.SetDeadline(call[1], static_cast<uint64_t>(moment_ms));
    call.Notify(kNotifyGeneric, "expire", call[1]);
  }
  call.reply.Integer(applies ? 1 : 0);
  return Run::kDone;
}

Run AnswerDeadline(Call& call, TimeForm form) {
  KeyView view;
  if (!call.keys.Look(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  int64_t answer = view.found ? -1 : -2;
  if (view.found && view.expires_at_ms != 0) {
    answer = static_cast<int64_t>(view.expires_at_ms);
    if (!form.absolute) answer -= static_cast<int64_t>(call.now_ms());
    if (answer < 0) answer = 0;
    if (form.seconds) answer = answer / 1000 + (answer % 1000 >= 500 ? 1 : 0);
  }
  call.reply.Integer(answer);
  return Run::kDone;
}

}  // namespace

Run Expire(Call& call) { return ExpireIn(call, {true, false}, "expire"); }
Run PExpire(Call& call) { return ExpireIn(call, {false, false}, "pexpire"); }
Run ExpireAt(Call& call) { return ExpireIn(call, {true, true}, "expireat"); }
Run PExpireAt(Call& call) { return ExpireIn(call, {false, true}, "pexpireat"); }

Run Ttl(Call& call) { return AnswerDeadline(call, {true, false}); }
Run PTtl(Call& call) { return AnswerDeadline(call, {false, false}); }
Run ExpireTime(Call& call) { return AnswerDeadline(call, {true, true}); }
Run PExpireTime(Call& call) { return AnswerDeadline(call, {false, true}); }

Run Persist(Call& call) {
  KeyView view;
  if (!call.keys.Look(call[1], &view)) return Run::kStopped;
  const bool had = view.found && view.expires_at_ms != 0;
  if (had) {
    call.keys.SetDeadline(call[1], 0);
    call.Notify(kNotifyGeneric, "persist", call[1]);
  }
  call.reply.Integer(had ? 1 : 0);
  return Run::kDone;
}

}  // namespace crabkv::protocol
