// HELP of commands that have subcommands: what of Redis' own texts is so here.
import { Status } from "../replies.js";
import type { Reply } from "../replies.js";
import { wrongArity } from "./shared.js";

/** What a command's HELP says of each subcommand: how it is written, and lines about it. */
type Help = readonly (readonly [syntax: string, ...about: string[]])[];

export const CLIENT_HELP: Help = [
  ["GETNAME", "Return the name of the current connection."],
  ["ID", "Return the ID of the current connection."],
  ["INFO", "Return information about the current client connection."],
  ["KILL <ip:port>", "Kill connection made from <ip:port>."],
  [
    "KILL <option> <value> [<option> <value> [...]]",
    "Kill connections. Options are:",
    "* ID <id>",
    "* ADDR (<ip:port>|<unixsocket>:0)",
    "* LADDR (<ip:port>|<unixsocket>:0)",
    "* TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "* USER <username>",
    "* SKIPME (YES|NO)",
    "  Skip killing current connection (default: yes).",
  ],
  ["LIST [ID <id> [<id> ...]]", "Return information about client connections."],
  ["UNPAUSE", "Stop the current client pause, resuming traffic."],
  ["PAUSE <timeout> [WRITE|ALL]", "Suspend all, or just write, clients for <timeout> milliseconds."],
  ["REPLY (ON|OFF|SKIP)", "Control the replies sent to the current connection."],
  ["SETINFO (LIB-NAME|LIB-VER) <value>", "Say with what library the current connection was made."],
  ["SETNAME <name>", "Assign the name <name> to the current connection."],
  ["NO-EVICT (ON|OFF)", "Protect current client connection from eviction."],
];

export const SLOWLOG_HELP: Help = [
  [
    "GET [<count>]",
    "Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "Entries are made of:",
    "id, timestamp, time in microseconds, arguments array, client IP and port,",
    "client name",
  ],
  ["LEN", "Return the length of the slowlog."],
  ["RESET", "Reset the slowlog."],
];

export const CONFIG_HELP: Help = [
  ["GET <pattern>", "Return parameters matching the glob-like <pattern> and their values."],
  ["SET <directive> <value>", "Set the configuration <directive> to <value>."],
  ["RESETSTAT", "Reset statistics reported by the INFO command."],
];

export const DEBUG_HELP: Help = [
  ["OBJECT <key>", "Show low level info about `key` and associated value."],
  ["SLEEP <seconds>", "Stop the connection for <seconds>. Decimals allowed."],
  ["SET-ACTIVE-EXPIRE <0|1>", "Setting it to 0 leaves expired keys where they are, hidden."],
];

export const PUBSUB_HELP: Help = [
  ["CHANNELS [<pattern>]", "Return the currently active channels matching a <pattern> (default: '*')."],
  ["NUMPAT", "Return number of subscriptions to patterns."],
  [
    "NUMSUB [<channel> ...]",
    "Return the number of subscribers for the specified channels, excluding",
    "pattern subscriptions(default: no channels).",
  ],
];

/** The reply of `words`, which are a command and HELP. */
export function answerHelp(words: readonly Buffer[], help: Help): Reply {
  const name = words[0]!.toString("latin1");
  if (words.length !== 2) return wrongArity(`${name.toLowerCase()}|help`);
  const subcommands = [...help, ["HELP", "Prints this help."] as const];
  const lines = subcommands.flatMap(([syntax, ...about]) => [syntax, ...about.map((line) => `    ${line}`)]);
  const title = `${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  return [title, ...lines].map((line) => new Status(line));
}
