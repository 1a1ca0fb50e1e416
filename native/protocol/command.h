// What a command is: its description, from which everything that is said or checked about commands comes, and the call
// that its function gets. See command_table.cc for all of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/protocol/reply_writer.h"
#include "native/protocol/transaction.h"

namespace crabkv::protocol {

class Session;
struct Call;

// How a function ended. kStopped: the transaction's status says why; the command runs again once that is dealt with.
// kJob: the session has a job that must run first (Session::StartJob).
enum class Run : uint8_t { kDone, kStopped, kJob, kClose };

// Flags by Redis' names, as COMMAND tells them.
enum CommandFlag : uint32_t {
  kWrite = 1 << 0,
  kReadonly = 1 << 1,
  kDenyOom = 1 << 2,
  kAdmin = 1 << 3,
  kPubSub = 1 << 4,
  kNoScript = 1 << 5,
  kLoading = 1 << 6,
  kStale = 1 << 7,
  kFast = 1 << 8,
  kNoAuth = 1 << 9,
  kNoMulti = 1 << 10,  // not allowed, or never queued, inside of MULTI
  kAllowBusy = 1 << 11,
  // Ours:
  kTextOnly = 1 << 16,    // a verb of the text protocol
  kUp = 1 << 17,          // runs in TypeScript
  kNotQueued = 1 << 18,   // MULTI does not queue it: it is about the transaction itself
  kSubscribed = 1 << 19,  // runs on a connection of RESP2 that has subscribed
  kContainer = 1 << 20,   // its second word, if any, is one of its subcommands
};

struct Command {
  std::string_view name;  // lower case
  int arity;              // with the name; negative: at least so many
  uint32_t flags;
  int16_t first_key;  // 0: none
  int16_t last_key;   // negative: counted from the end
  int16_t key_step;
  const char* group;
  const char* syntax;  // arguments, for people
  const char* summary;
  Run (*run)(Call& call);  // null: kUp
};

struct Subcommand {
  const char* command;
  const char* name;  // both in lower case
  int arity;         // with both names; negative: at least so many
  uint32_t flags;
  int16_t key;         // 0: none
  const char* syntax;  // what follows its name
  const char* about;   // lines, for people
};

// Classes of keyspace notifications, by Redis' letters; a bit each.
enum NotificationClass : uint32_t {
  kNotifyGeneric = 1 << 0,  // g
  kNotifyString = 1 << 1,   // $
  kNotifyExpired = 1 << 2,  // x
  kNotifyNew = 1 << 3,      // n
  kNotifyMiss = 1 << 4,     // m
};

// One command on its way.
struct Call {
  const std::vector<std::string_view>& arguments;
  Transaction& keys;
  ReplyWriter& reply;
  Store& store;
  Session& session;
  uint64_t default_ttl_ms;
  uint64_t value_bytes_max;
  // Outside of EXEC, where one call of the store can do all that the command does.
  bool alone;
  uint64_t* group;                 // to be raised to the commit group of what was written to the store directly
  mutable uint64_t moment_ms = 0;  // see now_ms()

  std::string_view operator[](size_t index) const { return arguments[index]; }
  size_t size() const { return arguments.size(); }
  // The moment at which the command runs. Most never ask, and reading the clock takes as long as much of a command.
  uint64_t now_ms() const {
    if (moment_ms == 0) moment_ms = store.NowMs();
    return moment_ms;
  }
  // The deadline of a key that is put without one.
  uint64_t default_deadline_ms() const { return default_ttl_ms == 0 ? 0 : now_ms() + default_ttl_ms; }
  void Wrote(uint64_t written_group) const {
    if (written_group > *group) *group = written_group;
  }
  // A failure of the store's, for the transaction to tell.
  Run Stop(const Status& status);
  Run Error(std::string_view message) {
    reply.Error(message);
    return Run::kDone;
  }
  // Keyspace notifications (notifications.cc), which go out if the command is committed. Notify says what has happened
  // to a key; Put and Delete do it, too.
  bool Notifies(NotificationClass what) const;
  void Notify(NotificationClass what, std::string_view event, std::string_view key) const;
  void Put(std::string_view event, std::string_view key, std::string_view value, uint64_t expires_at_ms);
  void Delete(std::string_view key);
  // A key was looked up for its value, or for what is known of it: INFO counts whether it was there, and that it was
  // not is a notification.
  void LookedUp(std::string_view key, bool found) const;
  Run SyntaxError() { return Error("ERR syntax error"); }
};

inline constexpr char kNotAnInteger[] = "ERR value is not an integer or out of range";

// Case-insensitive, as all words of the protocols; `word` is in upper case.
bool Is(std::string_view argument, std::string_view word);

const Command* FindCommand(std::string_view name);
size_t CommandCount();
const Command& CommandAt(size_t index);
size_t IndexOf(const Command& command);
// All descriptions as JSON: what TypeScript makes COMMAND and the protocol document from.
std::string DescribeCommands();

// A JSON array of names.
std::string DescribeFlags(uint32_t flags);

// The text verbs and commands as HELP shows them.
std::string HelpText();

// --- subcommand_table.cc. `words` begin with the command's name.

bool FitsArity(int arity, size_t words);
// Null when the command is no container, or the words name none of its subcommands.
const Subcommand* FindSubcommand(const Command& command, const std::vector<std::string_view>& words);
bool IsUnknownSubcommand(const Command& command, const std::vector<std::string_view>& words);
// "get", "client|list".
std::string FullName(const Command& command, const std::vector<std::string_view>& words);
// What is wrong with the words, as an error: their number, or the subcommand. Empty: nothing.
std::string MisfitOf(const Command& command, const std::vector<std::string_view>& words, bool shows_syntax);
std::string UnknownSubcommand(const Command& command, std::string_view word);
std::string DescribeSubcommands(const Command& command);
// What the command's own HELP says.
std::vector<std::string> HelpLines(const Command& command);

}  // namespace crabkv::protocol
