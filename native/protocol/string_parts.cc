// Parts of values: APPEND, STRLEN, GETRANGE, SETRANGE.
#include <cstring>

#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {
constexpr char kTooLong[] = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
}  // namespace

Run Append(Call& call) {
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  const std::string_view more = call[2];
  const uint64_t bytes = old.value.size() + more.size();
  if (old.found && bytes > call.value_bytes_max) return call.Error(kTooLong);
  char* const value = call.keys.Allocate(bytes);
  old.value.copy(value, old.value.size());
  more.copy(value + old.value.size(), more.size());
  call.Put("append", call[1], std::string_view(value, bytes),
           old.found ? old.expires_at_ms : call.default_deadline_ms());
  call.reply.Integer(static_cast<int64_t>(bytes));
  return Run::kDone;
}

Run StrLen(Call& call) {
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  call.reply.Integer(static_cast<int64_t>(view.value.size()));
  return Run::kDone;
}

Run GetRange(Call& call) {
  int64_t start = 0;
  int64_t end = 0;
  if (!ParseInteger(call[2], &start) || !ParseInteger(call[3], &end)) return call.Error(kNotAnInteger);
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  const int64_t length = static_cast<int64_t>(view.value.size());
  const bool backwards = start < 0 && end < 0 && start > end;
  if (start < 0) start = start < -length ? 0 : start + length;
  if (end < 0) end = end < -length ? 0 : end + length;
  if (end >= length) end = length - 1;
  if (backwards || start > end || length == 0) {
    call.reply.Bulk("");
  } else {
    call.reply.Bulk(view.value.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
  }
  return Run::kDone;
}

Run SetRange(Call& call) {
  int64_t offset = 0;
  if (!ParseInteger(call[2], &offset)) return call.Error(kNotAnInteger);
  if (offset < 0) return call.Error("ERR offset is out of range");
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  const std::string_view part = call[3];
  if (part.empty()) {
    call.reply.Integer(static_cast<int64_t>(old.value.size()));
    return Run::kDone;
  }
  const uint64_t begin = static_cast<uint64_t>(offset);
  if (begin > call.value_bytes_max || begin + part.size() > call.value_bytes_max) return call.Error(kTooLong);
  const uint64_t bytes = begin + part.size() > old.value.size() ? begin + part.size() : old.value.size();
  char* const value = call.keys.Allocate(bytes);
  old.value.copy(value, old.value.size());
  std::memset(value + old.value.size(), 0, bytes - old.value.size());
  part.copy(value + begin, part.size());
  call.Put("setrange", call[1], std::string_view(value, bytes),
           old.found ? old.expires_at_ms : call.default_deadline_ms());
  call.reply.Integer(static_cast<int64_t>(bytes));
  return Run::kDone;
}

}  // namespace crabkv::protocol
