// OBJECT, MEMORY and DEBUG OBJECT: what Redis tells of how a value is kept. A value here has one form; what is answered
// is what Redis would have made of it.
#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"

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

Run AnswerUnknown(Call& call, std::string_view command) {
  constexpr size_t kShown = 128;
  const std::string name(call[1].substr(0, kShown));
  return call.Error("ERR unknown subcommand '" + name + "'. Try " + std::string(command) + " HELP.");
}

Run AnswerArity(Call& call, std::string_view subcommand) {
  return call.Error("ERR wrong number of arguments for '" + std::string(subcommand) + "' command");
}

void AnswerHelp(Call& call, const std::vector<std::string_view>& lines) {
  call.reply.Array(lines.size());
  for (const std::string_view line : lines) call.reply.Simple(line);
}

}  // namespace

Run Object(Call& call) {
  if (Is(call[1], "HELP")) {
    if (call.size() != 2) return AnswerArity(call, "object|help");
    AnswerHelp(call, {"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "ENCODING <key>",
                      "    Return the kind of internal representation used in order to store the value",
                      "    associated with a <key>.", "REFCOUNT <key>",
                      "    Return the number of references of the value associated with the specified", "    <key>.",
                      "HELP", "    Prints this help."});
    return Run::kDone;
  }
  const bool encoding = Is(call[1], "ENCODING");
  if (!encoding && !Is(call[1], "REFCOUNT")) return AnswerUnknown(call, "OBJECT");
  if (call.size() != 3) return AnswerArity(call, encoding ? "object|encoding" : "object|refcount");
  KeyView view;
  if (!call.keys.Read(call[2], &view)) return Run::kStopped;
  if (!view.found) {
    call.reply.Null();
  } else if (encoding) {
    call.reply.Bulk(EncodingOf(view.value));
  } else {
    call.reply.Integer(ReferencesOf(view.value));
  }
  return Run::kDone;
}

Run DebugObject(Call& call) {
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
    if (call.size() != 2) return AnswerArity(call, "memory|doctor");
    call.reply.Bulk(
        "Values are in the log, not in memory: there is nothing to diagnose here. INFO memory has the index.");
    return Run::kDone;
  }
  if (Is(call[1], "HELP")) {
    if (call.size() != 2) return AnswerArity(call, "memory|help");
    AnswerHelp(call, {"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "DOCTOR",
                      "    Return memory problems reports.", "USAGE <key> [SAMPLES <count>]",
                      "    Return memory in bytes used by <key> and its value.", "HELP", "    Prints this help."});
    return Run::kDone;
  }
  if (!Is(call[1], "USAGE")) return AnswerUnknown(call, "MEMORY");
  if (call.size() < 3) return AnswerArity(call, "memory|usage");
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
