// What a store does, done by a server: CrabKV's, or any Redis. Its connection is made at the first need, and again after it
// was lost.
import type { CompactionReport } from "../../native.js";
import type { Data } from "../opening.js";
import { FailureError, UsageError } from "../outcome.js";
import type { LogSize } from "../compacting.js";
import type { PromptTarget, TargetEntry, WalkOptions } from "../prompt/commands.js";
import { RemoteWriteStream } from "./remote-write-stream.js";
import type { RespClient, RespReply } from "./resp-client.js";

export interface RemoteOptions {
  /** Of puts without a time to live; Infinity: the server decides. */
  readonly defaultTtlMs: number;
  readonly readOnly: boolean;
}

/** What the server says of itself. */
interface ServerKind {
  readonly isCrabkv: boolean;
  readonly redisMajor: number;
}

const PASSWORD_ADVICE = "the server has a password: --password-file, or CRABKV_PASSWORD";
/** What a store of this process tells by the code CRABKV_TOO_LARGE. */
const OVER_A_BOUND = / is over (?:key|value|batch)BytesMax \d/;
const BOUNDS_ADVICE = "the server's --key-bytes-max and --value-bytes-max raise the bounds";
const SCAN_COUNT = "1000";
const COMPACTION_POLL_MS = 100;
/** Entries that are asked for at a time: their values may be large. */
const ENTRIES_ASKED = 16;

export class RemoteStore implements PromptTarget {
  readonly #connect: () => Promise<RespClient>;
  readonly #options: RemoteOptions;
  #client: RespClient | undefined;
  #kind: ServerKind | undefined;

  constructor(connect: () => Promise<RespClient>, options: RemoteOptions) {
    this.#connect = connect;
    this.#options = options;
  }

  /** Connects, to find out whether it can. */
  async open(): Promise<void> {
    await this.#kindOf();
  }

  close(): void {
    this.#client?.close();
  }

  async put(key: Data, value: Data, { ttlMs }: { readonly ttlMs: number | undefined }): Promise<void> {
    this.#checkWrites();
    const { defaultTtlMs } = this.#options;
    const isEternal = ttlMs === Infinity;
    const livesMs = ttlMs ?? defaultTtlMs;
    if (livesMs !== Infinity) await this.#call("SET", key, value, "PX", String(livesMs));
    else if (!isEternal) await this.#call("SET", key, value);
    // The server may have a time to live of its own for what is put without.
    else await this.#together(["SET", key, value], ["PERSIST", key]);
  }

  async getEntry(key: Data): Promise<TargetEntry | undefined> {
    const { redisMajor } = await this.#kindOf();
    const knowsMoment = redisMajor >= 7;
    const [value, time] = (await this.#together(["GET", key], [knowsMoment ? "PEXPIRETIME" : "PTTL", key])) as [
      Buffer | null,
      number,
    ];
    if (value === null) return undefined;
    if (time < 0) return { value };
    return { value, expiresAtMs: knowsMoment ? time : Date.now() + time };
  }

  async delete(key: Data): Promise<boolean> {
    this.#checkWrites();
    return (await this.#call("DEL", key)) === 1;
  }

  async ttl(key: Data): Promise<number | undefined> {
    const ttlMs = Number(await this.#call("PTTL", key));
    if (ttlMs === -2) return undefined;
    return ttlMs === -1 ? Infinity : ttlMs;
  }

  async expire(key: Data, ttlMs: number): Promise<boolean> {
    this.#checkWrites();
    if (ttlMs !== Infinity) return (await this.#call("PEXPIRE", key, String(ttlMs))) === 1;
    const [exists] = await this.#together(["EXISTS", key], ["PERSIST", key]);
    return exists === 1;
  }

  async persist(key: Data): Promise<boolean> {
    this.#checkWrites();
    return (await this.#call("PERSIST", key)) === 1;
  }

  keys(options: WalkOptions): AsyncGenerator<Data> {
    return this.#scan(options, []);
  }

  async *records({ limit = Infinity, ...options }: WalkOptions): AsyncGenerator<TargetEntry & { readonly key: Data }> {
    const asked: { readonly key: Data; readonly entry: Promise<TargetEntry | undefined> }[] = [];
    let count = 0;
    try {
      for await (const key of this.#scan(options, ["TYPE", "string"])) {
        const entry = this.getEntry(key);
        entry.catch(() => undefined); // it is waited for below, or nobody wants it any more
        asked.push({ key, entry });
        if (asked.length < Math.min(ENTRIES_ASKED, limit - count)) continue;
        const first = asked.shift()!;
        const found = await first.entry;
        if (found === undefined) continue; // it has gone meanwhile
        yield { key: first.key, ...found };
        if (++count >= limit) return;
      }
      for (const { key, entry } of asked.splice(0)) {
        const found = await entry;
        if (found !== undefined && ++count <= limit) yield { key, ...found };
      }
    } finally {
      await Promise.allSettled(asked.map(({ entry }) => entry));
    }
  }

  createWriteStream(): RemoteWriteStream {
    return new RemoteWriteStream((key, value, options) => this.put(key, value, options));
  }

  async stats(): Promise<LogSize> {
    if ((await this.#kindOf()).isCrabkv) return JSON.parse(textOf(await this.#call("STATS"))) as LogSize;
    const fields = fieldsOf(textOf(await this.#call("INFO")));
    return { ...fields, logBytes: Number(fields.aof_current_size ?? 0) };
  }

  /** Aborting gives up waiting; the server goes on. */
  async compact({ signal }: { readonly signal: AbortSignal }): Promise<Partial<CompactionReport>> {
    this.#checkWrites();
    if (!(await this.#kindOf()).isCrabkv) return this.#rewrite(signal);
    const done = this.#call("COMPACT", "JSON");
    // Nobody may be left to hear how it ends.
    done.catch(() => undefined);
    return JSON.parse(textOf(await untilAborted(done, signal))) as CompactionReport;
  }

  async #rewrite(signal: AbortSignal): Promise<Partial<CompactionReport>> {
    await this.#call("BGREWRITEAOF");
    for (;;) {
      const fields = fieldsOf(textOf(await this.#call("INFO", "persistence")));
      if (fields.aof_rewrite_in_progress !== "1" && fields.aof_rewrite_scheduled !== "1") return {};
      await untilAborted(new Promise((resolve) => setTimeout(resolve, COMPACTION_POLL_MS)), signal);
    }
  }

  async *#scan({ prefix = "", limit = Infinity, signal }: WalkOptions, type: readonly string[]): AsyncGenerator<Data> {
    const { isCrabkv } = await this.#kindOf();
    // Redis may tell of a key twice.
    const told = isCrabkv ? undefined : new Set<string>();
    const pattern = patternOf(prefix);
    let cursor = "0";
    let count = 0;
    do {
      signal?.throwIfAborted();
      const reply = await this.#call("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT, ...type);
      const [next, keys] = reply as readonly [Buffer, readonly Buffer[]];
      cursor = next.toString();
      for (const key of keys) {
        const name = key.toString("latin1");
        if (told?.has(name) === true) continue;
        told?.add(name);
        yield key;
        if (++count >= limit) return;
      }
    } while (cursor !== "0");
  }

  async #kindOf(): Promise<ServerKind> {
    if (this.#kind !== undefined && this.#client?.isClosed === false) return this.#kind;
    const fields = fieldsOf(textOf(await this.#call("INFO", "server")));
    const redisMajor = Number.parseInt(fields.redis_version ?? "0", 10);
    return (this.#kind = { isCrabkv: fields.crabkv_version !== undefined, redisMajor });
  }

  /** Several commands as one. */
  async #together(...commands: readonly (readonly Data[])[]): Promise<readonly RespReply[]> {
    const client = await this.#connected();
    const sent = [["MULTI"], ...commands, ["EXEC"]].map((words) => client.call(...words));
    const replies = await Promise.all(sent);
    // What is refused when it is queued says more than EXEC, which then is refused as well.
    for (const reply of replies) checkReply(reply);
    const results = replies.at(-1) as readonly RespReply[];
    for (const result of results) checkReply(result);
    return results;
  }

  async #call(...words: Data[]): Promise<RespReply> {
    const client = await this.#connected();
    return checkReply(await client.call(...words));
  }

  async #connected(): Promise<RespClient> {
    if (this.#client === undefined || this.#client.isClosed) this.#client = await this.#connect();
    return this.#client;
  }

  #checkWrites(): void {
    if (this.#options.readOnly) throw new UsageError("--read-only changes nothing");
  }
}

/** Throws an error of the server as one of this program. */
export function checkReply(reply: RespReply): RespReply {
  if (!(reply instanceof Error)) return reply;
  const message = `the server answers: ${reply.message}`;
  if (OVER_A_BOUND.test(reply.message)) throw new UsageError(message, { advice: BOUNDS_ADVICE });
  throw new FailureError(message, reply.message.startsWith("NOAUTH ") ? { advice: PASSWORD_ADVICE } : {});
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}

const textOf = (reply: RespReply): string => (Buffer.isBuffer(reply) ? reply.toString() : "");

/** `name:value` lines of INFO. */
function fieldsOf(info: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const [, name, value] of info.matchAll(/^([^#:\r\n][^:\r\n]*):([^\r\n]*)/gm)) fields[name!] = value!;
  return fields;
}

/** A glob that matches what begins so. */
function patternOf(prefix: Data): Buffer {
  const escaped = Buffer.from(prefix as string)
    .toString("latin1")
    .replace(/[*?[\]\\]/g, "\\$&");
  return Buffer.from(`${escaped}*`, "latin1");
}
