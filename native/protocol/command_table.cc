// The one description of every command: arity, flags and keys are what the session checks and what COMMAND tells,
// syntax and summary are what HELP and the protocol document show, and the last column is what runs it (null:
// src/server).
#include <array>

#include "native/protocol/commands.h"

namespace crabkv::protocol {

namespace {

constexpr uint32_t kRead = kReadonly | kFast;
constexpr uint32_t kGrow = kWrite | kDenyOom;
constexpr uint32_t kTalk = kNoScript | kLoading | kStale | kFast;  // about the connection
constexpr uint32_t kSubscribe = kPubSub | kNoScript | kLoading | kStale | kSubscribed | kUp;
constexpr uint32_t kAboutMulti = kTalk | kAllowBusy | kNotQueued;
constexpr uint32_t kAsk = kLoading | kStale | kUp;  // about the server

constexpr Command kCommands[] = {
    // --- Strings.
    {"get", 2, kRead, 1, 1, 1, "string", "key", "the value of a key", Get},
    {"set", -3, kGrow, 1, 1, 1, "string", "key value [NX|XX] [GET] [EX seconds|PX ms|EXAT second|PXAT ms|KEEPTTL]",
     "store a value", Set},
    {"setex", 4, kGrow, 1, 1, 1, "string", "key seconds value", "store a value that expires", SetEx},
    {"psetex", 4, kGrow, 1, 1, 1, "string", "key milliseconds value", "store a value that expires", PSetEx},
    {"setnx", 3, kGrow | kFast, 1, 1, 1, "string", "key value", "store a value under a key that is not there", SetNx},
    {"getset", 3, kGrow | kFast, 1, 1, 1, "string", "key value", "store a value, answer the old one", GetSet},
    {"getdel", 2, kWrite | kFast, 1, 1, 1, "string", "key", "the value of a key, which is deleted", GetDel},
    {"getex", -2, kWrite | kFast, 1, 1, 1, "string", "key [EX seconds|PX ms|EXAT second|PXAT ms|PERSIST]",
     "the value of a key, whose time to live changes", GetEx},
    {"mget", -2, kRead, 1, -1, 1, "string", "key [key ...]", "the values of many keys, as of one moment", MGet},
    {"mset", -3, kGrow, 1, -1, 2, "string", "key value [key value ...]", "store many values, all or none", MSet},
    {"msetnx", -3, kGrow, 1, -1, 2, "string", "key value [key value ...]", "the same, if none of the keys is there",
     MSetNx},
    {"append", 3, kGrow | kFast, 1, 1, 1, "string", "key value", "add to the end of a value", Append},
    {"strlen", 2, kRead, 1, 1, 1, "string", "key", "the length of a value", StrLen},
    {"getrange", 4, kReadonly, 1, 1, 1, "string", "key start end", "a part of a value", GetRange},
    {"substr", 4, kReadonly, 1, 1, 1, "string", "key start end", "a part of a value", GetRange},
    {"setrange", 4, kGrow, 1, 1, 1, "string", "key offset value", "overwrite a part of a value", SetRange},
    {"incr", 2, kGrow | kFast, 1, 1, 1, "string", "key", "add one", Incr},
    {"incrby", 3, kGrow | kFast, 1, 1, 1, "string", "key increment", "add an integer", IncrBy},
    {"decr", 2, kGrow | kFast, 1, 1, 1, "string", "key", "subtract one", Decr},
    {"decrby", 3, kGrow | kFast, 1, 1, 1, "string", "key decrement", "subtract an integer", DecrBy},
    {"incrbyfloat", 3, kGrow | kFast, 1, 1, 1, "string", "key increment", "add a number", IncrByFloat},

    // --- Bits.
    {"setbit", 4, kGrow, 1, 1, 1, "bitmap", "key offset 0|1", "set a bit; what it was", SetBit},
    {"getbit", 3, kRead, 1, 1, 1, "bitmap", "key offset", "a bit", GetBit},
    {"bitcount", -2, kReadonly, 1, 1, 1, "bitmap", "key [start end [BYTE|BIT]]", "how many bits are one", BitCount},
    {"bitpos", -3, kReadonly, 1, 1, 1, "bitmap", "key 0|1 [start [end [BYTE|BIT]]]", "where the first such bit is",
     BitPos},
    {"bitop", -4, kGrow, 2, -1, 1, "bitmap", "AND|OR|XOR|NOT destination key [key ...]", "combine values bit by bit",
     BitOp},
    {"bitfield", -2, kGrow, 1, 1, 1, "bitmap",
     "key [GET type offset|[OVERFLOW WRAP|SAT|FAIL] SET type offset value|INCRBY type offset increment ...]",
     "integers of any width inside of a value", BitField},
    {"bitfield_ro", -2, kRead, 1, 1, 1, "bitmap", "key [GET type offset ...]", "the same, reading only", BitFieldRo},

    // --- Keys.
    {"del", -2, kWrite, 1, -1, 1, "generic", "key [key ...]", "delete keys; how many were there", Del},
    {"unlink", -2, kWrite | kFast, 1, -1, 1, "generic", "key [key ...]", "the same as DEL", Del},
    {"exists", -2, kRead, 1, -1, 1, "generic", "key [key ...]", "how many of the keys are there", Exists},
    {"touch", -2, kRead, 1, -1, 1, "generic", "key [key ...]", "the same as EXISTS", Exists},
    {"type", 2, kRead, 1, 1, 1, "generic", "key", "string or none", Type},
    {"dbsize", 1, kRead, 0, 0, 0, "server", "", "the number of keys", DbSize},
    {"object", -2, kReadonly | kContainer, 2, 2, 1, "generic", "ENCODING key|FREQ key|IDLETIME key|REFCOUNT key|HELP",
     "how Redis would keep a value", Object},
    {"memory", -2, kReadonly | kContainer, 2, 2, 1, "server", "USAGE key|DOCTOR|HELP", "the bytes that a key takes",
     Memory},
    {"rename", 3, kWrite, 1, 2, 1, "generic", "key newkey", "give a key another name", Rename},
    {"renamenx", 3, kWrite | kFast, 1, 2, 1, "generic", "key newkey", "the same, if the new name is free", RenameNx},
    {"copy", -3, kGrow, 1, 2, 1, "generic", "source destination [DB 0] [REPLACE]", "copy a key", Copy},

    {"keys", 2, kReadonly, 0, 0, 0, "generic", "pattern", "the keys that match", Keys},
    {"scan", -2, kReadonly, 0, 0, 0, "generic", "cursor [MATCH pattern] [COUNT n] [TYPE string]",
     "some of the keys, and where to go on", Scan},
    {"randomkey", 1, kReadonly, 0, 0, 0, "generic", "", "any key", RandomKey},
    {"flushdb", -1, kWrite, 0, 0, 0, "server", "[ASYNC|SYNC]", "delete all keys", FlushAll},
    {"flushall", -1, kWrite, 0, 0, 0, "server", "[ASYNC|SYNC]", "delete all keys", FlushAll},

    // --- Expiry.
    {"expire", -3, kWrite | kFast, 1, 1, 1, "generic", "key seconds [NX|XX|GT|LT]", "let a key expire", Expire},
    {"pexpire", -3, kWrite | kFast, 1, 1, 1, "generic", "key milliseconds [NX|XX|GT|LT]", "let a key expire", PExpire},
    {"expireat", -3, kWrite | kFast, 1, 1, 1, "generic", "key unix-second [NX|XX|GT|LT]", "let a key expire at a time",
     ExpireAt},
    {"pexpireat", -3, kWrite | kFast, 1, 1, 1, "generic", "key unix-ms [NX|XX|GT|LT]", "let a key expire at a time",
     PExpireAt},
    {"ttl", 2, kRead, 1, 1, 1, "generic", "key", "seconds left; -1 no expiry, -2 no key", Ttl},
    {"pttl", 2, kRead, 1, 1, 1, "generic", "key", "milliseconds left", PTtl},
    {"expiretime", 2, kRead, 1, 1, 1, "generic", "key", "the Unix second at which a key expires", ExpireTime},
    {"pexpiretime", 2, kRead, 1, 1, 1, "generic", "key", "the same in milliseconds", PExpireTime},
    {"persist", 2, kWrite | kFast, 1, 1, 1, "generic", "key", "let a key live for ever", Persist},

    // --- Transactions.
    {"multi", 1, kAboutMulti, 0, 0, 0, "transactions", "", "begin a transaction", Multi},
    {"exec", 1, kNoScript | kLoading | kStale | kNotQueued, 0, 0, 0, "transactions", "", "run it, as one write", Exec},
    {"discard", 1, kAboutMulti, 0, 0, 0, "transactions", "", "forget it", Discard},
    {"watch", -2, kAboutMulti, 1, -1, 1, "transactions", "key [key ...]", "EXEC only if the keys have not changed",
     Watch},
    {"unwatch", 1, kTalk | kAllowBusy, 0, 0, 0, "transactions", "", "forget what is watched", Unwatch},

    // --- Publish and subscribe.
    {"subscribe", -2, kSubscribe, 0, 0, 0, "pubsub", "channel [channel ...]", "get what is published on channels",
     nullptr},
    {"unsubscribe", -1, kSubscribe, 0, 0, 0, "pubsub", "[channel ...]", "no more, or of none", nullptr},
    {"psubscribe", -2, kSubscribe, 0, 0, 0, "pubsub", "pattern [pattern ...]",
     "get what is published on all channels that match", nullptr},
    {"punsubscribe", -1, kSubscribe, 0, 0, 0, "pubsub", "[pattern ...]", "no more, or of none", nullptr},
    {"publish", 3, kPubSub | kLoading | kStale | kFast | kUp, 0, 0, 0, "pubsub", "channel message",
     "send to whom it may concern; how many these are", nullptr},
    {"pubsub", -2, kUp | kContainer, 0, 0, 0, "pubsub", "CHANNELS [pattern]|NUMSUB [channel ...]|NUMPAT|HELP",
     "who has subscribed to what", SubcommandHelp},

    // --- Connection and server.
    {"ping", -1, kFast | kSubscribed, 0, 0, 0, "connection", "[message]", "PONG", Ping},
    {"echo", 2, kLoading | kStale | kFast, 0, 0, 0, "connection", "message", "the message", Echo},
    {"quit", -1, kTalk | kAllowBusy | kNoAuth | kNotQueued | kSubscribed, 0, 0, 0, "connection", "",
     "close the connection", Quit},
    {"time", 1, kLoading | kStale | kFast, 0, 0, 0, "server", "", "the server's clock: seconds and microseconds", Time},
    {"hello", -1, kTalk | kAllowBusy | kNoAuth | kUp, 0, 0, 0, "connection",
     "[2|3 [AUTH user password] [SETNAME name]]", "choose the protocol's version", nullptr},
    {"auth", -2, kTalk | kAllowBusy | kNoAuth | kUp, 0, 0, 0, "connection", "[user] password", "say who this is",
     nullptr},
    {"select", 2, kLoading | kStale | kFast | kUp, 0, 0, 0, "connection", "0", "choose the only database", nullptr},
    {"reset", 1, kTalk | kAllowBusy | kNoAuth | kNotQueued | kSubscribed | kUp, 0, 0, 0, "connection", "",
     "begin anew, as after connecting", nullptr},
    {"client", -2, kUp | kContainer, 0, 0, 0, "connection",
     "ID|INFO|LIST|GETNAME|SETNAME|SETINFO|KILL|PAUSE|UNPAUSE|REPLY|NO-EVICT|HELP ...",
     "about this connection and others", SubcommandHelp},
    {"command", -1, kAsk | kContainer, 0, 0, 0, "server", "[COUNT|DOCS|GETKEYS|GETKEYSANDFLAGS|INFO|LIST|HELP ...]",
     "about commands", SubcommandHelp},
    {"config", -2, kUp | kContainer, 0, 0, 0, "server", "GET|SET|RESETSTAT|HELP ...", "settings", SubcommandHelp},
    {"info", -1, kAsk, 0, 0, 0, "server", "[section ...]", "what the server counts", nullptr},
    {"bgrewriteaof", 1, kAdmin | kNoScript | kUp, 0, 0, 0, "server", "", "start a compaction; INFO tells how it goes",
     nullptr},
    {"compact", -1, kAdmin | kNoScript | kUp, 0, 0, 0, "server", "[JSON]", "give back the space of what is dead",
     nullptr},
    {"stats", 1, kAdmin | kAsk, 0, 0, 0, "server", "", "what the store counts, as JSON", nullptr},
    {"shutdown", -1, kAdmin | kNoScript | kNoMulti | kAsk | kAllowBusy, 0, 0, 0, "server",
     "[NOSAVE|SAVE] [NOW] [FORCE]", "finish what was begun and end the server", nullptr},
    {"monitor", 1, kAdmin | kNoScript | kAsk, 0, 0, 0, "server", "", "see the commands of all clients", nullptr},
    {"save", 1, kAdmin | kNoScript | kNoMulti | kUp, 0, 0, 0, "server", "", "make a backup, and wait for it", nullptr},
    {"bgsave", -1, kAdmin | kNoScript | kUp, 0, 0, 0, "server", "[SCHEDULE]", "start a backup; INFO tells how it goes",
     nullptr},
    {"lastsave", 1, kAsk | kFast, 0, 0, 0, "server", "", "when the last backup was made, or this server began",
     nullptr},
    {"wait", 3, kNoScript | kUp, 0, 0, 0, "generic", "replicas timeout", "the number of replicas, which is 0", nullptr},
    {"slowlog", -2, kUp | kContainer, 0, 0, 0, "server", "GET [count]|LEN|RESET|HELP", "commands that took long",
     SubcommandHelp},
    {"function", -2, kUp | kContainer, 0, 0, 0, "scripting", "FLUSH [ASYNC|SYNC]|HELP", "there are no functions",
     SubcommandHelp},
    {"debug", -2, kAdmin | kNoScript | kAsk, 0, 0, 0, "server", "SLEEP seconds|OBJECT key|SET-ACTIVE-EXPIRE 0|1",
     "for tests; off unless enabled", Debug},

    // --- The text protocol.
    {"put", -3, kGrow | kTextOnly, 1, 1, 1, "text", "key value [ttl=seconds]", "store a value", TextPut},
    {"delete", 2, kWrite | kTextOnly, 1, 1, 1, "text", "key", "delete a key: OK, or that there is none", TextDelete},
    {"ex", -2, kRead | kTextOnly, 1, -1, 1, "text", "key [key ...]", "how many of the keys are there", Exists},
    {"help", -1, kTextOnly | kNoAuth, 0, 0, 0, "text", "", "this list", TextHelp},
};
constexpr size_t kCount = sizeof(kCommands) / sizeof(kCommands[0]);

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// Open addressing over the hash of the name in lower case; made once, of plain memory.
struct Names {
  static constexpr size_t kCells = 1024;
  std::array<uint16_t, kCells> cells{};  // index + 1

  Names() {
    static_assert(kCount * 4 < kCells, "a look-up stays short");
    for (size_t i = 0; i < kCount; i++) {
      size_t cell = HashOf(kCommands[i].name);
      while (cells[cell] != 0) cell = (cell + 1) % kCells;
      cells[cell] = static_cast<uint16_t>(i + 1);
    }
  }
  static size_t HashOf(std::string_view name) {
    uint32_t hash = 2166136261;
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(Lower(c))) * 16777619;
    return (hash ^ (hash >> 15)) % kCells;
  }
};

constexpr struct {
  uint32_t flag;
  const char* name;
} kFlagNames[] = {{kWrite, "write"},   {kReadonly, "readonly"}, {kDenyOom, "denyoom"},  {kAdmin, "admin"},
                  {kPubSub, "pubsub"}, {kNoScript, "noscript"}, {kLoading, "loading"},  {kStale, "stale"},
                  {kFast, "fast"},     {kNoAuth, "no_auth"},    {kNoMulti, "no_multi"}, {kAllowBusy, "allow_busy"}};

}  // namespace

bool Is(std::string_view argument, std::string_view word) {
  if (argument.size() != word.size()) return false;
  for (size_t i = 0; i < word.size(); i++) {
    if (Lower(argument[i]) != Lower(word[i])) return false;
  }
  return true;
}

const Command* FindCommand(std::string_view name) {
  constexpr size_t kNameBytesMax = 32;
  static const Names names;
  if (name.size() > kNameBytesMax) return nullptr;
  for (size_t cell = Names::HashOf(name); names.cells[cell] != 0; cell = (cell + 1) % Names::kCells) {
    const Command& command = kCommands[names.cells[cell] - 1];
    if (Is(name, command.name)) return &command;
  }
  return nullptr;
}

size_t CommandCount() { return kCount; }
const Command& CommandAt(size_t index) { return kCommands[index]; }
size_t IndexOf(const Command& command) { return static_cast<size_t>(&command - kCommands); }

std::string DescribeFlags(uint32_t flags) {
  std::string json = "[";
  for (const auto& [flag, name] : kFlagNames) {
    if ((flags & flag) != 0) json += std::string(json.size() == 1 ? "\"" : ",\"") + name + "\"";
  }
  return json + "]";
}

// Names, syntax and summaries are plain ASCII without quotes or backslashes: they need no escaping.
std::string DescribeCommands() {
  std::string json = "[";
  for (const Command& command : kCommands) {
    if (json.size() > 1) json += ",";
    json += "{\"name\":\"" + std::string(command.name) + "\",\"arity\":" + std::to_string(command.arity) +
            ",\"flags\":" + DescribeFlags(command.flags) + ",\"firstKey\":" + std::to_string(command.first_key) +
            ",\"lastKey\":" + std::to_string(command.last_key) + ",\"keyStep\":" + std::to_string(command.key_step) +
            ",\"group\":\"" + command.group + "\",\"syntax\":\"" + command.syntax + "\",\"summary\":\"" +
            command.summary + "\",\"textOnly\":" + ((command.flags & kTextOnly) != 0 ? "true" : "false") +
            ",\"up\":" + ((command.flags & kUp) != 0 ? "true" : "false") +
            ",\"container\":" + ((command.flags & kContainer) != 0 ? "true" : "false") +
            ",\"subcommands\":" + DescribeSubcommands(command) + "}";
  }
  return json + "]";
}

std::string HelpText() {
  std::string text;
  const auto add = [&text](const Command& command) {
    std::string line(command.name);
    for (char& c : line) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    line += std::string(" ") + command.syntax;
    constexpr size_t kColumn = 36;
    line += line.size() < kColumn ? std::string(kColumn - line.size(), ' ') : "  ";
    text += line + command.summary + "\n";
  };
  for (const Command& command : kCommands) {
    if ((command.flags & kTextOnly) != 0) add(command);
  }
  for (const Command& command : kCommands) {
    if ((command.flags & kTextOnly) == 0) add(command);
  }
  return text;
}

}  // namespace crabkv::protocol
