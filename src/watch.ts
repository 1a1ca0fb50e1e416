// Watching a store: an async iterator over the changes of its log, as they are acknowledged. The addon's feed reads them from the log's
// files, chunk by chunk on a reader thread; so a slow reader costs writers nothing, and nothing is queued for it. When there is no
// more, the iterator sleeps until the session reports news; nothing is polled.
import type { Codec } from "./encodings.js";
import { CrabKVError, closedError, describe, rejected } from "./errors.js";
import { decodeRange, droppedScans, readUint64, sharedBytes } from "./iteration.js";
import { RESULT_VERSION, native, results } from "./native.js";
import { checkKnown, checkSignal, integer } from "./options.js";
import type { Session } from "./session.js";

/** Options of {@link Store.watch}. */
export interface WatchOptions {
  /** Only changes of keys whose encoded bytes begin with this. */
  readonly prefix?: string | Uint8Array | undefined;
  /**
   * Every change with a version above this one that is still in the log, then those to come; 0 is the whole log. Default: changes that
   * are acknowledged from the call on.
   */
  readonly from?: number | undefined;
  /** Ends the watching with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How far behind the acknowledged end of the log the watcher may fall, in bytes of log, before it ends with `CRABKV_LAGGED`. What
   * was in the log at the call does not count until the watcher has caught up with it. Default 64 MiB; `Infinity` for any.
   */
  readonly lagBytesMax?: number | undefined;
}

/** What {@link Store.watch} shows: one operation, with its version, which is its place in the log. */
export type Change<K, V> = PutChange<K, V> | DeleteChange<K> | ExpireChange<K>;

/** A value was stored. */
export interface PutChange<K, V> {
  readonly type: "put";
  readonly key: K;
  readonly value: V;
  readonly version: number;
  /** When it expires, in ms since 1970; absent: never. */
  readonly expiresAtMs?: number;
}

/** A key was deleted, by a caller or because it had expired. */
export interface DeleteChange<K> {
  readonly type: "delete";
  readonly key: K;
  readonly version: number;
}

/** A key got another deadline. */
export interface ExpireChange<K> {
  readonly type: "expire";
  readonly key: K;
  readonly version: number;
  /** When it expires, in ms since 1970; absent: never (the key was persisted). */
  readonly expiresAtMs?: number;
}

const optionNames: ReadonlySet<string> = new Set<keyof WatchOptions>(["prefix", "from", "signal", "lagBytesMax"]);

const LAG_BYTES_MAX = 64 * 1024 * 1024;
const CHUNK_ENTRIES_MAX = 4096;
const CHUNK_BYTES_MAX = 256 * 1024;
/** How long a watcher waits that finds the reader threads' queue full. */
const BUSY_PAUSE_MS = 5;
// Of a change in a chunk, see NewFeed in native/core/store.h: type, key length, value length, version, deadline.
const ENTRY_HEADER_BYTES = 28;
const TYPE_PUT = 1;
const TYPE_DELETE = 2;

/** What a watch needs of its store. */
export interface WatchSource {
  readonly session: Session;
  readonly keyCodec: Codec;
  readonly valueCodec: Codec;
  /** Whether there can be changes to come: not when the store is open read-only. */
  readonly live: boolean;
}

export class StoreWatch<K, V> implements AsyncIterableIterator<Change<K, V>> {
  readonly #source: WatchSource;
  readonly #session: Session;
  readonly #signal: AbortSignal | undefined;
  readonly #feed: number;
  #ended = false;
  #version: number;
  /** The chunk in use, and the version that everything up to is passed with its last entry. */
  #bytes: Buffer = Buffer.alloc(0);
  #offset = 0;
  #entries = 0;
  #passed: number;
  /** While changes are waited for, further calls of next() queue behind it. */
  #waiting: Promise<unknown> | undefined;
  /** Ends the sleep until there is news. */
  #wake: (() => void) | undefined;

  /** @internal Use {@link Store.watch}. */
  constructor(source: WatchSource, options: unknown) {
    const { prefix = "", from, signal, lagBytesMax } = checkKnown(options, optionNames, "options") as WatchOptions;
    if (typeof prefix !== "string" && !(prefix instanceof Uint8Array)) {
      throw new TypeError(`prefix must be a string or a Uint8Array, not ${describe(prefix)}`);
    }
    checkSignal(signal);
    const after = integer(from, "from", 0, 0, Number.MAX_SAFE_INTEGER);
    const behindMax = lagBytesMax === Infinity ? Number.MAX_SAFE_INTEGER : lagBytesMax;
    const lag = integer(behindMax, "lagBytesMax", LAG_BYTES_MAX, 1, Number.MAX_SAFE_INTEGER);
    const { session } = source;
    this.#source = source;
    this.#session = session;
    this.#signal = signal;
    this.#feed = native.feedOpen(session.handle, prefix, from !== undefined, after, lag);
    this.#version = this.#passed = results[RESULT_VERSION]!;
    droppedScans.register(this, { session, scan: this.#feed }, this);
  }

  /** Where it stands: every change up to this version was shown (or was none of those asked for). `from` goes on after it. */
  get version(): number {
    return this.#version;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Change<K, V>, undefined>> {
    if (this.#waiting !== undefined) return this.#waiting.then(() => this.next());
    try {
      return this.#take();
    } catch (error) {
      this.#end();
      return rejected(error);
    }
  }

  return(): Promise<IteratorResult<Change<K, V>, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error?: unknown): Promise<IteratorResult<Change<K, V>, undefined>> {
    this.#end();
    return rejected(error);
  }

  #take(): Promise<IteratorResult<Change<K, V>, undefined>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    this.#checkGoesOn();
    if (this.#entries > 0) return Promise.resolve({ done: false, value: this.#decode() });
    const refilled = this.#refill().then(
      () => {
        this.#waiting = undefined;
      },
      (error: unknown) => {
        this.#waiting = undefined;
        this.#end();
        throw error;
      },
    );
    // Those behind wait for it to be over, whether it went well or not.
    this.#waiting = refilled.catch(() => undefined);
    return refilled.then(() => this.next());
  }

  #checkGoesOn(): void {
    this.#signal?.throwIfAborted();
    if (this.#session.handle === 0) throw closedError();
  }

  /** Resolves when there are entries, or it has ended. */
  async #refill(): Promise<void> {
    while (!this.#ended) {
      this.#checkGoesOn();
      const { newsCount } = this.#session;
      const found = await this.#ask();
      if (found === "changes") return;
      if (found === "end" && !this.#source.live) this.#end();
      if (found === "end") await this.#news(newsCount);
    }
  }

  /** Takes the next chunk. "none": it has no changes, and is not the end of what is acknowledged. */
  async #ask(): Promise<"changes" | "none" | "end"> {
    try {
      const { handle } = this.#session;
      const [bytes, entries, caughtUp, passed] = await native.scanNext(
        handle,
        this.#feed,
        CHUNK_ENTRIES_MAX,
        CHUNK_BYTES_MAX,
      );
      if (this.#ended) return "none";
      this.#bytes = sharedBytes(bytes);
      this.#offset = 0;
      this.#entries = entries;
      this.#passed = passed;
      if (entries > 0) return "changes";
      this.#version = passed;
      return caughtUp ? "end" : "none";
    } catch (error) {
      if (!(error instanceof CrabKVError)) throw error;
      if (error.code === "CRABKV_LAGGED") throw new CrabKVError(error.code, error.message, { version: this.#version });
      if (error.code !== "CRABKV_BUSY") throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
      return "none";
    }
  }

  /** Resolves when there is news after `seen`, or a reason to look again. The event loop stays alive for it. */
  #news(seen: number): Promise<void> {
    const session = this.#session;
    const signal = this.#signal;
    // News that came in while the log was read may be of what it did not show.
    if (this.#ended || session.newsCount !== seen || session.handle === 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        session.sleepers.delete(wake);
        signal?.removeEventListener("abort", wake);
        native.feedWait(session.handle, this.#feed, false);
        resolve();
      };
      this.#wake = wake;
      session.sleepers.add(wake);
      signal?.addEventListener("abort", wake);
      native.feedWait(session.handle, this.#feed, true);
    });
  }

  #decode(): Change<K, V> {
    const bytes = this.#bytes;
    const begin = this.#offset;
    const type = bytes.readUInt32LE(begin);
    const keyBegin = begin + ENTRY_HEADER_BYTES;
    const valueBegin = keyBegin + bytes.readUInt32LE(begin + 4);
    const end = valueBegin + bytes.readUInt32LE(begin + 8);
    const version = readUint64(bytes, begin + 12);
    const expiresAtMs = readUint64(bytes, begin + 20);
    const key = decodeRange(this.#source.keyCodec, bytes, keyBegin, valueBegin) as K;
    const value = type === TYPE_PUT ? (decodeRange(this.#source.valueCodec, bytes, valueBegin, end) as V) : undefined;
    this.#offset = end;
    this.#entries--;
    this.#version = this.#entries === 0 ? this.#passed : version;
    if (type === TYPE_DELETE) return { type: "delete", key, version };
    const deadline = expiresAtMs === 0 ? undefined : { expiresAtMs };
    if (type === TYPE_PUT) return { type: "put", key, value: value as V, version, ...deadline };
    return { type: "expire", key, version, ...deadline };
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#entries = 0;
    this.#bytes = Buffer.alloc(0);
    droppedScans.unregister(this);
    this.#wake?.();
    native.scanEnd(this.#session.handle, this.#feed);
  }
}
