// What commands of several files answer.
import { ErrorReply } from "../replies.js";

/** What clients take this server for: the version whose replies it gives. */
export const REDIS_VERSION = "7.0.15";

export function wrongArity(name: string): ErrorReply {
  return new ErrorReply(`ERR wrong number of arguments for '${name}' command`);
}

export function unknownSubcommand(words: readonly Buffer[]): ErrorReply {
  const [name, subcommand] = words.map((word) => word.toString("latin1"));
  return new ErrorReply(`ERR unknown subcommand '${subcommand!.slice(0, 128)}'. Try ${name!.toUpperCase()} HELP.`);
}

/** Whether a name matches a pattern with * and ?, as CONFIG GET takes it. */
export function matches(name: string, pattern: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  try {
    return new RegExp(`^${expression}$`, "i").test(name);
  } catch {
    return false;
  }
}
