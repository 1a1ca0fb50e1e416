// Verbs that only the text protocol has.
#include "native/protocol/commands.h"
#include "native/protocol/deadlines.h"

namespace crabkv::protocol {

namespace {
constexpr std::string_view kTtl = "ttl=";
}  // namespace

// PUT key value [ttl=seconds]
Run TextPut(Call& call) {
  if (call.size() > 4)
    return call.Error("ERR PUT takes a key, a value and ttl=<seconds>; quote a value that has spaces");
  uint64_t deadline_ms = call.default_deadline_ms();
  if (call.size() == 4) {
    const std::string_view option = call[3];
    const bool is_ttl = option.size() > kTtl.size() && Is(option.substr(0, kTtl.size()), "TTL=");
    const TimeCheck check = is_ttl
                                ? ParseDeadline(option.substr(kTtl.size()), {true, false}, call.now_ms(), &deadline_ms)
                                : TimeCheck::kNoInteger;
    if (check != TimeCheck::kGood) {
      return call.Error(
          "ERR behind the value PUT takes ttl=<seconds>, a positive integer; quote a value that has spaces");
    }
  }
  call.Put("set", call[1], call[2], deadline_ms);
  if (call.size() == 4) call.Notify(kNotifyGeneric, "expire", call[1]);
  call.reply.Ok();
  return Run::kDone;
}

// DELETE key: OK, or that there is none.
Run TextDelete(Call& call) {
  KeyView view;
  if (!call.keys.Look(call[1], &view)) return Run::kStopped;
  if (!view.found) {
    call.reply.Null();
    return Run::kDone;
  }
  call.Delete(call[1]);
  call.reply.Ok();
  return Run::kDone;
}

Run TextHelp(Call& call) {
  call.reply.Lines(HelpText());
  return Run::kDone;
}

}  // namespace crabkv::protocol
