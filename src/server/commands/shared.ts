// What commands of several files answer.
import { native } from "../../native.js";
import { ErrorReply, ManyReplies } from "../replies.js";

/** What clients take this server for: the version whose replies it gives. */
export const REDIS_VERSION = "7.0.15";

/** Of subcommands that look at their arguments themselves. */
export function wrongSubcommand(words: readonly Buffer[]): ErrorReply {
  const [name, subcommand] = words.map((word) => word.toString("latin1"));
  return new ErrorReply(
    `ERR unknown subcommand or wrong number of arguments for '${subcommand!.slice(0, 128)}'. Try ${name!.toUpperCase()} HELP.`,
  );
}

export const SYNTAX_ERROR = new ErrorReply("ERR syntax error");
export const NOT_AN_INTEGER = new ErrorReply("ERR value is not an integer or out of range");
/** For commands that are not answered. */
export const NO_REPLY = new ManyReplies([]);

/** An integer of 64 bits, written in the one way that Redis takes. */
export function parseInteger(word: Buffer): bigint | undefined {
  const text = word.toString("latin1");
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const number = BigInt(text);
  return BigInt.asIntN(64, number) === number ? number : undefined;
}

/** Milliseconds, not negative. */
export function parseTimeout(word: Buffer): number | ErrorReply {
  const ms = parseInteger(word);
  if (ms === undefined) return new ErrorReply("ERR timeout is not an integer or out of range");
  return ms < 0n ? new ErrorReply("ERR timeout is negative") : Number(ms);
}

/** Those of these names that match one of these patterns, as CONFIG GET takes them; all of it in lower case. */
export function matching(names: readonly string[], patterns: readonly string[]): readonly string[] {
  const whole = new Set(patterns);
  const globs = [...whole].filter((pattern) => /[*?[\\]/.test(pattern)).map((glob) => Buffer.from(glob, "latin1"));
  return names.filter((name) => {
    const bytes = Buffer.from(name, "latin1");
    return whole.has(name) || globs.some((glob) => native.matchesPattern(glob, bytes));
  });
}

/** As CLIENT LIST shows it. */
export const addressOf = (host: string | undefined, port: number | undefined): string => {
  if (host === undefined) return "";
  return `${host.includes(":") ? `[${host}]` : host}:${port ?? 0}`;
};
