#include "native/protocol/deadlines.h"

#include <limits>
#include <string>

#include "native/protocol/numbers.h"

namespace crabkv::protocol {

TimeCheck ParseDeadline(std::string_view text, TimeForm form, uint64_t now_ms, uint64_t* deadline_ms) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  int64_t time = 0;
  if (!ParseInteger(text, &time)) return TimeCheck::kNoInteger;
  if (time <= 0 || (form.seconds && time > kMax / 1000)) return TimeCheck::kInvalid;
  if (form.seconds) time *= 1000;
  const int64_t base = form.absolute ? 0 : static_cast<int64_t>(now_ms);
  if (time > kMax - base) return TimeCheck::kInvalid;
  *deadline_ms = static_cast<uint64_t>(time + base);
  return TimeCheck::kGood;
}

Run AnswerTimeError(Call& call, TimeCheck check, std::string_view command) {
  if (check == TimeCheck::kNoInteger) return call.Error(kNotAnInteger);
  return call.Error("ERR invalid expire time in '" + std::string(command) + "' command");
}

}  // namespace crabkv::protocol
