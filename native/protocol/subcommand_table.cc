// The one description of every subcommand: arity, flags and the key are what the session checks and what COMMAND tells,
// syntax and the lines about it are what HELP of its command shows, which are Redis' where they are so here.

#include "native/protocol/command.h"

namespace crabkv::protocol {

namespace {

constexpr uint32_t kAsk = kLoading | kStale;
constexpr uint32_t kOfClient = kNoScript | kAsk;
constexpr uint32_t kOfAdmin = kAdmin | kOfClient;
constexpr uint32_t kOfPubSub = kPubSub | kAsk;
constexpr uint32_t kOfSlowLog = kAdmin | kAsk;
constexpr char kHelp[] = "Prints this help.";

constexpr Subcommand kSubcommands[] = {
    {"client", "getname", 2, kOfClient, 0, "", "Return the name of the current connection."},
    {"client", "id", 2, kOfClient, 0, "", "Return the ID of the current connection."},
    {"client", "info", 2, kOfClient, 0, "", "Return information about the current client connection."},
    {"client", "kill", -3, kOfAdmin, 0, "(<ip:port>|<option> <value> [<option> <value> [...]])",
     "Kill the connection made from <ip:port>, or connections. Options are:\n"
     "* ID <id>\n"
     "* ADDR (<ip:port>|<unixsocket>:0)\n"
     "  Kill connections made from the specified address\n"
     "* LADDR (<ip:port>|<unixsocket>:0)\n"
     "  Kill connections made to specified local address\n"
     "* TYPE (NORMAL|MASTER|REPLICA|PUBSUB)\n"
     "  Kill connections by type.\n"
     "* USER <username>\n"
     "  Kill connections authenticated by <username>.\n"
     "* SKIPME (YES|NO)\n"
     "  Skip killing current connection (default: yes)."},
    {"client", "list", -2, kOfAdmin, 0, "[options ...]",
     "Return information about client connections. Options:\n"
     "* TYPE (NORMAL|MASTER|REPLICA|PUBSUB)\n"
     "  Return clients of specified type.\n"
     "* ID <id> [<id> ...]\n"
     "  Return clients of these IDs."},
    {"client", "unpause", 2, kOfAdmin, 0, "", "Stop the current client pause, resuming traffic."},
    {"client", "pause", -3, kOfAdmin, 0, "<timeout> [WRITE|ALL]",
     "Suspend all, or just write, clients for <timeout> milliseconds."},
    {"client", "reply", 3, kOfClient, 0, "(ON|OFF|SKIP)", "Control the replies sent to the current connection."},
    {"client", "setinfo", 4, kOfClient, 0, "(LIB-NAME|LIB-VER) <value>",
     "Say with what library the current connection was made."},
    {"client", "setname", 3, kOfClient, 0, "<name>", "Assign the name <name> to the current connection."},
    {"client", "no-evict", 3, kOfAdmin, 0, "(ON|OFF)", "Protect current client connection from eviction."},
    {"client", "help", 2, kAsk, 0, "", kHelp},

    {"command", "count", 2, kAsk, 0, "", "Return the total number of commands in this server."},
    {"command", "list", -2, kAsk, 0, "[FILTERBY (PATTERN <pattern>|ACLCAT <category>|MODULE <name>)]",
     "Return a list of all commands in this server, or of some."},
    {"command", "info", -2, kAsk, 0, "[<command-name> ...]",
     "Return details about multiple commands.\n"
     "If no command names are given, documentation details for all\n"
     "commands are returned."},
    {"command", "docs", -2, kAsk, 0, "[<command-name> ...]",
     "Return documentation details about multiple commands.\n"
     "If no command names are given, documentation details for all\n"
     "commands are returned."},
    {"command", "getkeys", -4, kAsk, 0, "<full-command>", "Return the keys from a full command."},
    {"command", "getkeysandflags", -4, kAsk, 0, "<full-command>",
     "Return the keys and the access flags from a full command."},
    {"command", "help", 2, kAsk, 0, "", kHelp},

    {"config", "get", -3, kOfAdmin, 0, "<pattern>",
     "Return parameters matching the glob-like <pattern> and their values."},
    {"config", "set", -4, kOfAdmin, 0, "<directive> <value>", "Set the configuration <directive> to <value>."},
    {"config", "resetstat", 2, kOfAdmin, 0, "", "Reset statistics reported by the INFO command."},
    {"config", "help", 2, kAsk, 0, "", kHelp},

    {"function", "flush", -2, kWrite | kNoScript, 0, "[ASYNC|SYNC]", "There are no functions, and no libraries."},
    {"function", "help", 2, kAsk, 0, "", kHelp},

    {"memory", "doctor", 2, 0, 0, "", "Return memory problems reports."},
    {"memory", "usage", -3, kReadonly, 2, "<key> [SAMPLES <count>]",
     "Return memory in bytes used by <key> and its value."},
    {"memory", "help", 2, kAsk, 0, "", kHelp},

    {"object", "encoding", 3, kReadonly, 2, "<key>",
     "Return the kind of internal representation used in order to store the value\n"
     "associated with a <key>."},
    {"object", "freq", 3, kReadonly, 2, "<key>", "An error: access frequencies are not tracked."},
    {"object", "idletime", 3, kReadonly, 2, "<key>", "An error: idle times are not tracked."},
    {"object", "refcount", 3, kReadonly, 2, "<key>",
     "Return the number of references of the value associated with the specified\n"
     "<key>."},
    {"object", "help", 2, kAsk, 0, "", kHelp},

    {"pubsub", "channels", -2, kOfPubSub, 0, "[<pattern>]",
     "Return the currently active channels matching a <pattern> (default: '*')."},
    {"pubsub", "numpat", 2, kOfPubSub, 0, "", "Return number of subscriptions to patterns."},
    {"pubsub", "numsub", -2, kOfPubSub, 0, "[<channel> ...]",
     "Return the number of subscribers for the specified channels, excluding\n"
     "pattern subscriptions(default: no channels)."},
    {"pubsub", "help", 2, kAsk, 0, "", kHelp},

    {"slowlog", "get", -2, kOfSlowLog, 0, "[<count>]",
     "Return top <count> entries from the slowlog (default: 10, -1 mean all).\n"
     "Entries are made of:\n"
     "id, timestamp, time in microseconds, arguments array, client IP and port,\n"
     "client name"},
    {"slowlog", "len", 2, kOfSlowLog, 0, "", "Return the length of the slowlog."},
    {"slowlog", "reset", 2, kOfSlowLog, 0, "", "Reset the slowlog."},
    {"slowlog", "help", 2, kAsk, 0, "", kHelp},

    // DEBUG is no container in Redis: it looks at its words itself, when it runs.
    {"debug", "object", 3, kOfAdmin, 2, "<key>", "Show low level info about `key` and associated value."},
    {"debug", "sleep", 3, kOfAdmin, 0, "<seconds>", "Stop the connection for <seconds>. Decimals allowed."},
    {"debug", "set-active-expire", 3, kOfAdmin, 0, "<0|1>",
     "Setting it to 0 leaves expired keys where they are, hidden."},
    {"debug", "help", 2, kAsk, 0, "", kHelp},
};

bool IsOf(const Subcommand& subcommand, const Command& command) { return subcommand.command == command.name; }

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  return upper;
}

}  // namespace

bool FitsArity(int arity, size_t words) {
  const int count = static_cast<int>(words);
  return arity >= 0 ? count == arity : count >= -arity;
}

const Subcommand* FindSubcommand(const Command& command, const std::vector<std::string_view>& words) {
  if ((command.flags & kContainer) == 0 || words.size() < 2) return nullptr;
  for (const Subcommand& subcommand : kSubcommands) {
    if (IsOf(subcommand, command) && Is(words[1], subcommand.name)) return &subcommand;
  }
  return nullptr;
}

std::string FullName(const Command& command, const std::vector<std::string_view>& words) {
  const Subcommand* const subcommand = FindSubcommand(command, words);
  const std::string name(command.name);
  return subcommand == nullptr ? name : name + "|" + subcommand->name;
}

bool IsUnknownSubcommand(const Command& command, const std::vector<std::string_view>& words) {
  return (command.flags & kContainer) != 0 && words.size() > 1 && FindSubcommand(command, words) == nullptr;
}

std::string MisfitOf(const Command& command, const std::vector<std::string_view>& words, bool shows_syntax) {
  const auto wrong_arity = [&](const char* syntax) {
    const std::string message = "ERR wrong number of arguments for '" + FullName(command, words) + "' command";
    return shows_syntax ? message + ", which takes: " + syntax : message;
  };
  if (!FitsArity(command.arity, words.size())) return wrong_arity(command.syntax);
  if (IsUnknownSubcommand(command, words)) return UnknownSubcommand(command, words[1]);
  const Subcommand* const subcommand = FindSubcommand(command, words);
  if (subcommand == nullptr || FitsArity(subcommand->arity, words.size())) return std::string();
  return wrong_arity(subcommand->syntax);
}

std::string UnknownSubcommand(const Command& command, std::string_view word) {
  constexpr size_t kShown = 128;
  const std::string shown(word.substr(0, word.find('\0')).substr(0, kShown));
  return "ERR unknown subcommand '" + shown + "'. Try " + Upper(command.name) + " HELP.";
}

// As DescribeCommands; only the lines' ends need escaping.
std::string DescribeSubcommands(const Command& command) {
  std::string json = "[";
  for (const Subcommand& subcommand : kSubcommands) {
    if (!IsOf(subcommand, command)) continue;
    if (json.size() > 1) json += ",";
    std::string about;
    for (const char* c = subcommand.about; *c != '\0'; c++) {
      if (*c == '\n') {
        about += "\\n";
      } else {
        about += *c;
      }
    }
    json += "{\"name\":\"" + std::string(command.name) + "|" + subcommand.name +
            "\",\"arity\":" + std::to_string(subcommand.arity) + ",\"flags\":" + DescribeFlags(subcommand.flags) +
            ",\"firstKey\":" + std::to_string(subcommand.key) + ",\"syntax\":\"" + subcommand.syntax +
            "\",\"about\":\"" + about + "\"}";
  }
  return json + "]";
}

std::vector<std::string> HelpLines(const Command& command) {
  std::vector<std::string> lines = {Upper(command.name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"};
  for (const Subcommand& subcommand : kSubcommands) {
    if (!IsOf(subcommand, command)) continue;
    const std::string syntax(subcommand.syntax);
    lines.push_back(Upper(subcommand.name) + (syntax.empty() ? syntax : " " + syntax));
    std::string_view about(subcommand.about);
    for (size_t end = about.find('\n'); end != std::string_view::npos; end = about.find('\n')) {
      lines.push_back("    " + std::string(about.substr(0, end)));
      about.remove_prefix(end + 1);
    }
    lines.push_back("    " + std::string(about));
  }
  return lines;
}

}  // namespace crabkv::protocol
