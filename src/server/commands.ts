// The commands that run in TypeScript, by name: what concerns connections and the server. Their arity has been checked against
// the table in native/protocol/command_table.cc, which describes them like all others.
import { auth } from "./commands/auth.js";
import { client, hello, reset, select } from "./commands/connection.js";
import { config, stats } from "./commands/admin.js";
import { info } from "./commands/info.js";
import { command } from "./commands/command.js";
import { bgsave, lastSave, save } from "./commands/backup.js";
import { bgrewriteaof, compact } from "./commands/compaction.js";
import { debug, functionCommand, monitor, shutdown, slowlog, wait } from "./commands/operation.js";
import { psubscribe, publish, pubsub, punsubscribe, subscribe, unsubscribe } from "./commands/pubsub.js";
import type { Connection } from "./connection.js";
import type { ConnectionHost } from "./server.js";
import { WORDS_UP_MAX } from "./native-session.js";
import { ErrorReply } from "./replies.js";
import type { Reply } from "./replies.js";

/** One command on its way. */
export interface CommandContext {
  readonly connection: Connection;
  readonly server: ConnectionHost;
  /** Whether EXEC is under way, and this is one of its commands. */
  readonly isExecuting: boolean;
  /** The name first. */
  readonly arguments: readonly Buffer[];
}

/** Undefined: it is to run natively. */
export type CommandResult = Reply | Promise<Reply> | undefined;
export type CommandFunction = (context: CommandContext) => CommandResult;

const functions: ReadonlyMap<string, CommandFunction> = new Map<string, CommandFunction>([
  ["hello", hello],
  ["auth", auth],
  ["select", select],
  ["reset", reset],
  ["client", client],
  ["command", command],
  ["config", config],
  ["info", info],
  ["stats", stats],
  ["compact", compact],
  ["bgrewriteaof", bgrewriteaof],
  ["shutdown", shutdown],
  ["save", save],
  ["bgsave", bgsave],
  ["lastsave", lastSave],
  ["wait", wait],
  ["slowlog", slowlog],
  ["function", functionCommand],
  ["debug", debug],
  ["subscribe", subscribe],
  ["unsubscribe", unsubscribe],
  ["psubscribe", psubscribe],
  ["punsubscribe", punsubscribe],
  ["publish", publish],
  ["pubsub", pubsub],
  ["monitor", monitor],
]);

/** More than WORDS_UP_MAX. */
export const TOO_MANY_WORDS = new ErrorReply(
  `ERR too many arguments: ${WORDS_UP_MAX - 1} are the most for this command`,
);

export function runCommand(context: CommandContext): CommandResult {
  const name = context.arguments[0]!.toString("latin1").toLowerCase();
  const run = functions.get(name);
  if (run === undefined) return undefined;
  context.server.counters.commandsUp++;
  context.connection.lastCommand = name;
  if (context.arguments.length > WORDS_UP_MAX) return TOO_MANY_WORDS;
  try {
    return run(context);
  } catch (error) {
    return new ErrorReply(`ERR ${(error as Error).message}`);
  }
}
