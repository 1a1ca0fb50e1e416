// OBJECT, MEMORY and DEBUG OBJECT: what Redis tells of how a value is kept. A value here has one form; what is answered
// is what Redis would have made of it. And HELP of all commands that have subcommands.
#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"
#include "native/protocol/session.h"

namespace crabkv::protocol {

namespace {

constexpr size_t kEmbeddedBytesMax = 44;    // Redis' embstr
constexpr int64_t kSharedIntegers = 10000;  // that Redis keeps one object of each

bool IsInteger(std::string_view value, int64_t* number) {
  return value.size() <= kIntegerCharsMax && ParseInteger(value, number);
}

const char* EncodingOf(std::string_view value) {
  int64_t number = 0;
  if (IsInteger(value, &number)) return "int";
  return value.size() <= kEmbeddedBytesMax ? "embstr" : "raw";
}

int64_t ReferencesOf(std::string_view value) {
  int64_t number = 0;
  return IsInteger(value, &number) && number >= 0 && number < kSharedIntegers ? INT32_MAX : 1;
}

}  // namespace

// What is not known gets here when a hook wants to see it, and passes it on.
Run SubcommandHelp(Call& call) {
  const Command& command = *FindCommand(call[0]);
  if (!Is(call[1], "HELP")) return call.Error(UnknownSubcommand(command, call[1]));
  const std::vector<std::string> lines = HelpLines(command);
  call.reply.Array(lines.size());
  for (const std::string& line : lines) call.reply.Simple(line);
  return Run::kDone;
}

Run Object(Call& call) {
  const bool encoding = Is(call[1], "ENCODING");
  const bool frequency = Is(call[1], "FREQ");
  const bool idle_time = Is(call[1], "IDLETIME");
  if (!encoding && !frequency && !idle_time && !Is(call[1], "REFCOUNT")) return SubcommandHelp(call);
  KeyView view;
  if (!call.keys.Read(call[2], &view)) return Run::kStopped;
  call.session.CountLookup(view.found);  // nobody is notified, as in Redis
  if (!view.found) {
    call.reply.Null();
  } else if (encoding) {
    call.reply.Bulk(EncodingOf(view.value));
  } else if (frequency) {
    return call.Error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        "between policies at runtime LRU and LFU data will take some time to adjust.");
  } else if (idle_time) {
    return call.Error("ERR idle time not tracked");
  } else {
    call.reply.Integer(ReferencesOf(view.value));
  }
  return Run::kDone;
}

Run Debug(Call& call) {
  if (Is(call[1], "HELP")) return SubcommandHelp(call);
  KeyView view;
  if (!call.keys.Read(call[2], &view)) return Run::kStopped;
  if (!view.found) return call.Error("ERR no such key");
  call.reply.Simple("Value at:0x0 refcount:" + std::to_string(ReferencesOf(view.value)) +
                    " encoding:" + EncodingOf(view.value) + " serializedlength:" + std::to_string(view.value.size()) +
                    " lru:0 lru_seconds_idle:0");
  return Run::kDone;
}

Run Memory(Call& call) {
  if (Is(call[1], "DOCTOR")) {
    call.reply.Bulk(
        "Values are in the log, not in memory: there is nothing to diagnose here. INFO memory has the index.");
    return Run::kDone;
  }
  if (!Is(call[1], "USAGE")) return SubcommandHelp(call);
  int64_t samples = 0;
  for (size_t i = 3; i < call.size(); i += 2) {
    if (!Is(call[i], "SAMPLES") || i + 1 == call.size()) return call.SyntaxError();
    if (!ParseInteger(call[i + 1], &samples)) return call.Error(kNotAnInteger);
    if (samples < 0) return call.SyntaxError();
  }
  KeyView view;
  if (!call.keys.Read(call[2], &view)) return Run::kStopped;
  if (!view.found) {
    call.reply.Null();
    return Run::kDone;
  }
  // In the index, with a time to live and without; key and value are in the log.
  constexpr size_t kIndexBytes = 28;
  constexpr size_t kIndexBytesWithDeadline = 57;
  const size_t entry = view.expires_at_ms == 0 ? kIndexBytes : kIndexBytesWithDeadline;
  call.reply.Integer(static_cast<int64_t>(entry + call[2].size() + view.value.size()));
  return Run::kDone;
}

}  // namespace crabkv::protocol
