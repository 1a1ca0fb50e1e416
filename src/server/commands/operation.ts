// SHUTDOWN, WAIT, SLOWLOG, FUNCTION and DEBUG.
import { setTimeout as after } from "node:timers/promises";
import type { CommandContext, CommandResult } from "../commands.js";
import type { SlowCommand } from "../slow-commands.js";
import { ErrorReply, OK } from "../replies.js";
import type { Reply } from "../replies.js";
import { NO_REPLY, NOT_AN_INTEGER, parseInteger, parseTimeout, SYNTAX_ERROR, wrongSubcommand } from "./shared.js";

const TIMER_MS_MAX = 2 ** 31 - 1;
const SLOWLOG_COUNT = 10;

/** SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE]: everything is saved whatever is asked for. No reply: the connection ends. */
export function shutdown({ connection, server, arguments: words }: CommandContext): Reply {
  const options = words.slice(1).map((word) => word.toString("latin1").toLowerCase());
  if (options.length === 1 && options[0] === "abort") return new ErrorReply("ERR No shutdown in progress.");
  const known = new Set(["nosave", "save", "now", "force"]);
  if (!options.every((option) => known.has(option)) || (options.includes("nosave") && options.includes("save"))) {
    return SYNTAX_ERROR;
  }
  connection.closeAfterReply();
  setImmediate(() => void server.close().catch(() => undefined));
  return NO_REPLY;
}

/** WAIT replicas timeout: there are no replicas, and none will come, so nobody is waited for. */
export function wait({ arguments: words }: CommandContext): Reply {
  if (parseInteger(words[1]!) === undefined) return NOT_AN_INTEGER;
  const timeoutMs = parseTimeout(words[2]!);
  return typeof timeoutMs === "number" ? 0 : timeoutMs;
}

/** SLOWLOG GET [count] | LEN | RESET */
export function slowlog({ server, arguments: words }: CommandContext): CommandResult {
  switch (words[1]!.toString("latin1").toLowerCase()) {
    case "get": {
      if (words.length > 3) return wrongSubcommand(words);
      const count = words[2] === undefined ? SLOWLOG_COUNT : Number(parseInteger(words[2]) ?? -2);
      if (count < -1) return new ErrorReply("ERR count should be greater than or equal to -1");
      return server.slowCommands.newest(count === -1 ? Infinity : count).map(replyOf);
    }
    case "len":
      return server.slowCommands.length;
    case "reset":
      server.slowCommands.clear();
      return OK;
    default:
      return undefined; // HELP, and what there is not: the table's
  }
}

function replyOf({ id, atMs, tookMs, words, address, name }: SlowCommand): Reply {
  return [id, Math.floor(atMs / 1000), Math.round(tookMs * 1000), words, address, name];
}

/** FUNCTION FLUSH [ASYNC|SYNC]: there are none. */
export function functionCommand({ arguments: words }: CommandContext): CommandResult {
  const [subcommand, mode] = words.slice(1).map((word) => word.toString("latin1").toLowerCase());
  if (subcommand !== "flush") return undefined; // HELP, and what there is not: the table's
  if (words.length > 3) return wrongSubcommand(words);
  if (mode !== undefined && mode !== "async" && mode !== "sync") {
    return new ErrorReply("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  return OK;
}

/** MONITOR: the commands of all clients, as they come. */
export function monitor({ connection, server, isExecuting }: CommandContext): Reply {
  if (isExecuting) return new ErrorReply("ERR MONITOR isn't allowed for DENY BLOCKING client");
  server.monitors.add(connection);
  return OK;
}

/** DEBUG SLEEP seconds | SET-ACTIVE-EXPIRE 0|1; native/protocol/introspection.cc has OBJECT key and HELP. */
export function debug({ server, arguments: words }: CommandContext): CommandResult {
  if (words.length === 2 && words[1]!.toString("latin1").toLowerCase() === "help") return undefined;
  if (words.length !== 3) return wrongSubcommand(words);
  const argument = words[2]!.toString("latin1");
  switch (words[1]!.toString("latin1").toLowerCase()) {
    case "sleep": {
      // This connection sleeps, not the server. What is no number is none, as Redis reads it.
      const ms = (Number.parseFloat(argument) || 0) * 1000;
      return ms > 0 ? after(Math.min(ms, TIMER_MS_MAX), OK, { ref: false }) : OK;
    }
    case "object":
      return undefined;
    case "set-active-expire":
      server.session.activeExpiry = (Number.parseInt(argument, 10) || 0) !== 0;
      return OK;
    default:
      return wrongSubcommand(words);
  }
}
