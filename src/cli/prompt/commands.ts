// The commands of the prompt. They work on a target, which is an open store, or whatever else can do the same.
import { compactAndTell } from "../compacting.js";
import type { Compactable } from "../compacting.js";
import type { Data } from "../opening.js";
import { NotFoundError, UsageError } from "../outcome.js";
import { columns } from "../output.js";
import { fieldsOf } from "../records.js";
import { parseTtl } from "../setting-kinds.js";
import { settingTable, ttlMsOf } from "../setting-table.js";
import { shown, wordOf } from "./words.js";

export interface WalkOptions {
  readonly prefix?: Data | undefined;
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A value, and what is known of it: only an open store knows versions. */
export interface TargetEntry {
  readonly value: Data;
  readonly version?: number;
  readonly expiresAtMs?: number;
}

/** What the prompt needs of a store. Milliseconds to live; Infinity: never expires. */
export interface PromptTarget extends Compactable {
  put(key: Data, value: Data, options: { readonly ttlMs: number | undefined }): Promise<void>;
  getEntry(key: Data): Promise<TargetEntry | undefined>;
  delete(key: Data): Promise<boolean>;
  ttl(key: Data): Promise<number | undefined>;
  expire(key: Data, ttlMs: number): Promise<boolean>;
  persist(key: Data): Promise<boolean>;
  keys(options: WalkOptions): AsyncIterable<Data>;
  records(options: WalkOptions): AsyncIterable<TargetEntry & { readonly key: Data }>;
}

/** One answer, for people and for programs. */
export interface Answer {
  readonly text: string;
  readonly fields: object;
  /** Said about the answer, which is not part of it. */
  readonly isNote?: true;
}

export interface Call {
  readonly target: PromptTarget;
  /** Behind the command; as many as it takes. */
  readonly words: readonly Data[];
  readonly signal: AbortSignal;
  readonly answer: (answer: Answer) => Promise<void>;
}

export interface PromptCommand {
  readonly usage: string;
  readonly help: string;
  readonly wordsMin: number;
  readonly wordsMax: number;
  /** Its first word is a key, or the beginning of one. */
  readonly takesKey: boolean;
  readonly run: (call: Call) => Promise<void>;
}

/** Of keys and scan, unless they are told another: what a person can read. */
const LIMIT = 100;

export const promptCommands: Readonly<Record<string, PromptCommand>> = {
  put: command("put <key> <value> [--ttl <seconds>]", "store a value", 2, 4, put),
  get: command("get <key>", "print a value", 1, 1, get),
  delete: command("delete <key>", "remove a key", 1, 1, remove),
  ttl: command("ttl <key>", 'print the seconds that a key has left, or "none"', 1, 1, ttl),
  expire: command("expire <key> <seconds>", "set the time that a key has left", 2, 2, expire),
  persist: command("persist <key>", "take a key's time to live away", 1, 1, persist),
  keys: command("keys [prefix] [limit]", `print keys, ${LIMIT} unless told otherwise`, 0, 2, keys),
  scan: command("scan [prefix] [limit]", "print keys and values", 0, 2, scan),
  stats: { ...command("stats", "print what the store counts", 0, 0, stats), takesKey: false },
  compact: {
    ...command("compact", "give back the space of what is dead; ctrl-C cancels", 0, 0, compact),
    takesKey: false,
  },
  help: { ...command("help", "print this", 0, 0, help), takesKey: false },
  exit: { ...command("exit", "end; so does ctrl-D", 0, 0, () => Promise.resolve()), takesKey: false },
};

function command(
  usage: string,
  helpText: string,
  wordsMin: number,
  wordsMax: number,
  run: PromptCommand["run"],
): PromptCommand {
  return { usage, help: helpText, wordsMin, wordsMax, takesKey: true, run };
}

async function put({ target, words, answer }: Call): Promise<void> {
  const [key, value, flag, ...rest] = words as [Data, Data, ...Data[]];
  // --ttl 45 as on the command line, and ttl=45 as in the text protocol.
  const [, seconds] = typeof flag === "string" ? (/^(?:--)?ttl=(.*)$/.exec(flag) ?? []) : [];
  const given = seconds ?? (flag === "--ttl" ? rest.shift() : undefined);
  if (rest.length > 0 || (flag !== undefined && given === undefined)) {
    throw new UsageError(`too many words: usage is ${promptCommands.put!.usage}`, {
      advice: "a value with spaces needs quotes",
    });
  }
  await target.put(key, value, { ttlMs: given === undefined ? undefined : secondsOf(given) });
  await answer({ text: "OK", fields: { ...fieldsOf("key", key), stored: true } });
}

async function get({ target, words, answer }: Call): Promise<void> {
  const entry = await target.getEntry(words[0]!);
  if (entry === undefined) throw notFound(words[0]!);
  const { value, version, expiresAtMs } = entry;
  const fields = { ...fieldsOf("key", words[0]!), ...fieldsOf("value", value), version, expiresAtMs };
  await answer({ text: shown(value), fields });
}

async function remove({ target, words, answer }: Call): Promise<void> {
  if (!(await target.delete(words[0]!))) throw notFound(words[0]!);
  await answer({ text: "OK", fields: { ...fieldsOf("key", words[0]!), deleted: true } });
}

async function ttl({ target, words, answer }: Call): Promise<void> {
  const ttlMs = await target.ttl(words[0]!);
  if (ttlMs === undefined) throw notFound(words[0]!);
  const seconds = ttlMs === Infinity ? "none" : ttlMs / 1000;
  await answer({ text: String(seconds), fields: { ...fieldsOf("key", words[0]!), ttl: seconds } });
}

async function expire({ target, words, answer }: Call): Promise<void> {
  const [key, seconds] = words as [Data, Data];
  if (!(await target.expire(key, secondsOf(seconds)))) throw notFound(key);
  await answer({ text: "OK", fields: { ...fieldsOf("key", key), expires: true } });
}

async function persist({ target, words, answer }: Call): Promise<void> {
  const key = words[0]!;
  const persisted = await target.persist(key);
  if (!persisted && (await target.ttl(key)) === undefined) throw notFound(key);
  await answer({ text: persisted ? "OK" : "it had no time to live", fields: { ...fieldsOf("key", key), persisted } });
}

async function keys({ target, words, signal, answer }: Call): Promise<void> {
  const { prefix, limit } = walkOf(words);
  let count = 0;
  for await (const key of target.keys({ prefix, limit: limit + 1, signal })) {
    if (++count > limit) return answer(more("keys", limit));
    await answer({ text: wordOf(key), fields: fieldsOf("key", key) });
  }
}

async function scan({ target, words, signal, answer }: Call): Promise<void> {
  const { prefix, limit } = walkOf(words);
  let count = 0;
  for await (const { key, value, version, expiresAtMs } of target.records({ prefix, limit: limit + 1, signal })) {
    if (++count > limit) return answer(more("scan", limit));
    const fields = { ...fieldsOf("key", key), ...fieldsOf("value", value), version, expiresAtMs };
    await answer({ text: `${wordOf(key)} ${wordOf(value)}`, fields });
  }
}

function more(name: string, limit: number): Answer {
  return { text: `there are more than ${limit}: ${name} [prefix] [limit] shows others`, fields: {}, isNote: true };
}

function walkOf([prefix, limit]: readonly Data[]): { prefix: Data | undefined; limit: number } {
  if (limit === undefined) return { prefix, limit: LIMIT };
  if (typeof limit === "string" && /^\d{1,12}$/.test(limit)) return { prefix, limit: Number(limit) };
  throw new UsageError(`the limit is ${shown(limit)}; it must be an integer`);
}

async function stats({ target, answer }: Call): Promise<void> {
  const fields = await target.stats();
  const rows = Object.entries(fields).map(([name, value]) => [name, figureOf(value)]);
  await answer({ text: columns(rows), fields });
}

/** On one line, also those of several slots or shards. */
function figureOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(figureOf).join(", ");
  if (typeof value === "number") return String(Number(value.toFixed(3)));
  if (typeof value !== "object" || value === null) return String(value);
  const parts = Object.entries(value).map(([name, part]) => `${name} ${figureOf(part)}`);
  return parts.join(" ");
}

async function compact({ target, signal, answer }: Call): Promise<void> {
  await answer(await compactAndTell(target, signal));
}

async function help({ answer }: Call): Promise<void> {
  const rows = Object.values(promptCommands).map((each) => [each.usage, each.help]);
  const quotes = `Quotes as in a shell: 'as it is', "with \\n, \\t, \\" and \\xNN".`;
  const fields = { commands: rows.map(([usage, text]) => ({ usage, help: text })) };
  await answer({ text: `${columns(rows)}\n${quotes}`, fields });
}

function secondsOf(given: Data): number {
  const ttlGiven = typeof given === "string" ? parseTtl(given) : undefined;
  if (ttlGiven !== undefined) return ttlMsOf(ttlGiven);
  throw new UsageError(`the time to live is ${shown(given)}; it must be ${settingTable.defaultTtl.allowed}`);
}

function notFound(key: Data): NotFoundError {
  return new NotFoundError(`not found: ${shown(key)}`);
}
