// Walks over a store: async iterators on top of the addon's scans. A scan is a snapshot, read chunk by chunk on a reader
// thread; an iterator hands its entries out one by one and asks for the next chunk while the last one is being used.
import { markAsUntransferable } from "node:worker_threads";
import type { Codec } from "./encodings.js";
import { utf8Codec } from "./encodings.js";
import { closedError, describe, rejected } from "./errors.js";
import { native } from "./native.js";
import type { Bytes } from "./native.js";
import { checkKnown, checkSignal, integer } from "./options.js";
import type { Entry } from "./reads.js";
import type { Session } from "./session.js";

/** Options of `entries`, `keys`, `values` and `records`. */
export interface IterationOptions {
  /** Only keys whose encoded bytes begin with this. */
  readonly prefix?: string | Uint8Array | undefined;
  /** At most so many entries. */
  readonly limit?: number | undefined;
  /**
   * `"log"`: oldest version first, which is the sequential and fastest way through everything. Without it, the order is
   * nobody's promise.
   */
  readonly order?: "log" | undefined;
  /**
   * Only entries with a version above this one: with `order: "log"`, the version of the last entry seen resumes after it.
   */
  readonly from?: number | undefined;
  /** Ends the iteration with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An entry with everything that the store knows about it. */
export interface StoreRecord<K, V> extends Entry<V> {
  readonly key: K;
}

type Part = "entries" | "keys" | "values" | "records" | "versions";

/** A key with the version of its entry. */
export type VersionedKey = readonly [key: Buffer, version: number];

const optionNames: ReadonlySet<string> = new Set<keyof IterationOptions>([
  "prefix",
  "limit",
  "order",
  "from",
  "signal",
]);

const CHUNK_ENTRIES_MAX = 4096;
const CHUNK_BYTES_MAX = 256 * 1024;
// Of an entry in a chunk, see Scan in native/core/store.h: key length, value length, version, deadline.
const ENTRY_HEADER_BYTES = 24;

interface Chunk {
  readonly bytes: Buffer;
  readonly entries: number;
  readonly done: boolean;
}

// A walk that is dropped without being ended still holds its snapshot (or a watch its segment); the collector then ends it.
export const droppedScans = new FinalizationRegistry<{ session: Session; scan: number }>(({ session, scan }) => {
  native.scanEnd(session.handle, scan);
});

export class StoreIterator<T> implements AsyncIterableIterator<T> {
  readonly #session: Session;
  readonly #part: Part;
  readonly #keyCodec: Codec;
  readonly #valueCodec: Codec;
  readonly #signal: AbortSignal | undefined;
  readonly #prefix: Bytes;
  readonly #from: number;
  #left: number;
  #scan = 0;
  #ended = false;
  /** The chunk in use, and the next one on its way. */
  #bytes: Buffer = Buffer.alloc(0);
  #offset = 0;
  #entries = 0;
  #next: Promise<Chunk> | undefined;
  /** While a chunk is waited for, further calls of next() queue behind it. */
  #waiting: Promise<unknown> | undefined;

  constructor(session: Session, part: Part, keyCodec: Codec, valueCodec: Codec, options: unknown) {
    const { prefix = "", limit, order, from, signal } = checkKnown(options, optionNames, "options") as IterationOptions;
    if (typeof prefix !== "string" && !(prefix instanceof Uint8Array)) {
      throw new TypeError(`prefix must be a string or a Uint8Array, not ${describe(prefix)}`);
    }
    // Widened, because callers without types pass anything.
    const givenOrder: unknown = order;
    if (givenOrder !== undefined && givenOrder !== "log") {
      throw new TypeError(`order must be "log", not ${describe(givenOrder)}`);
    }
    checkSignal(signal);
    if (session.handle === 0) throw closedError();
    this.#session = session;
    this.#part = part;
    this.#keyCodec = keyCodec;
    this.#valueCodec = valueCodec;
    this.#signal = signal;
    this.#prefix = typeof prefix === "string" ? prefix : prefix.slice();
    this.#left = limit === Infinity ? Infinity : integer(limit, "limit", Infinity, 0, Number.MAX_SAFE_INTEGER);
    this.#from = integer(from, "from", 0, 0, Number.MAX_SAFE_INTEGER);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting !== undefined) return this.#waiting.then(() => this.next());
    try {
      return this.#take();
    } catch (error) {
      this.#end();
      return rejected(error);
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    this.#end();
    return rejected(error);
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    this.#signal?.throwIfAborted();
    if (this.#session.handle === 0) throw closedError();
    if (this.#left === 0) return this.return();
    if (this.#entries > 0) {
      this.#left--;
      return Promise.resolve({ done: false, value: this.#decode() });
    }
    if (this.#scan !== 0 && this.#next === undefined) return this.return();
    return this.#refill();
  }

  #refill(): Promise<IteratorResult<T, undefined>> {
    const refilled = this.#takeChunks().then(
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

  /** Resolves when there are entries, or there is no reason to go on. A chunk may be empty and others follow: what matches is rare. */
  async #takeChunks(): Promise<void> {
    this.#next ??= this.#ask();
    while (this.#entries === 0 && this.#next !== undefined) {
      const arrived: Chunk = await this.#next;
      if (this.#ended) return;
      this.#bytes = arrived.bytes;
      this.#offset = 0;
      this.#entries = arrived.entries;
      this.#next = undefined;
      this.#signal?.throwIfAborted();
      if (!arrived.done && this.#left > arrived.entries && this.#session.handle !== 0) this.#next = this.#ask();
    }
  }

  #ask(): Promise<Chunk> {
    const { handle } = this.#session;
    let flushed: Promise<unknown> | undefined;
    if (this.#scan === 0) {
      flushed = this.#flushBuffer();
      this.#scan = native.scanOpen(
        handle,
        this.#prefix,
        this.#part !== "keys" && this.#part !== "versions",
        this.#from,
      );
      droppedScans.register(this, { session: this.#session, scan: this.#scan }, this);
    }
    const entriesMax = Math.min(this.#left, CHUNK_ENTRIES_MAX);
    const read = native
      .scanNext(handle, this.#scan, entriesMax, CHUNK_BYTES_MAX)
      .then(([bytes, entries, done]) => ({ bytes: sharedBytes(bytes), entries, done }));
    const chunk = flushed === undefined ? read : Promise.all([read, flushed]).then(([arrived]) => arrived);
    // It may fail before anybody looks; whoever takes it gets the failure.
    chunk.catch(() => undefined);
    return chunk;
  }

  /** A snapshot shows what is in the index only. What the buffer sends there may fail yet, and would be missing. */
  #flushBuffer(): Promise<unknown> | undefined {
    const { writeBack, acknowledgements } = this.#session;
    if (writeBack === undefined) return undefined;
    writeBack.flush(true);
    const [first, last] = writeBack.openGroups;
    return last === 0 ? undefined : acknowledgements.own(first, last, undefined);
  }

  #decode(): T {
    const bytes = this.#bytes;
    const begin = this.#offset;
    const keyBegin = begin + ENTRY_HEADER_BYTES;
    const valueBegin = keyBegin + bytes.readUInt32LE(begin);
    const end = valueBegin + bytes.readUInt32LE(begin + 4);
    this.#offset = end;
    this.#entries--;
    const part = this.#part;
    if (part === "values") return decodeRange(this.#valueCodec, bytes, valueBegin, end) as T;
    const key = decodeRange(this.#keyCodec, bytes, keyBegin, valueBegin);
    if (part === "keys") return key as T;
    const version = readUint64(bytes, begin + 8);
    if (part === "versions") return [key, version] as T;
    const value = decodeRange(this.#valueCodec, bytes, valueBegin, end);
    if (part === "entries") return [key, value] as T;
    const expiresAtMs = readUint64(bytes, begin + 16);
    return (expiresAtMs === 0 ? { key, value, version } : { key, value, version, expiresAtMs }) as T;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#entries = 0;
    this.#bytes = Buffer.alloc(0);
    if (this.#scan === 0) return;
    droppedScans.unregister(this);
    native.scanEnd(this.#session.handle, this.#scan);
  }
}

/** A chunk, whose entries' Buffers share its memory: to transfer one to another thread would take it from the others. */
export function sharedBytes(chunk: ArrayBuffer): Buffer {
  markAsUntransferable(chunk);
  return Buffer.from(chunk);
}

export function decodeRange(codec: Codec, bytes: Buffer, begin: number, end: number): unknown {
  if (codec === utf8Codec) return bytes.toString("utf8", begin, end);
  return codec.decode(codec.form === "text" ? bytes.toString("utf8", begin, end) : bytes.subarray(begin, end));
}

// Versions and times stay below 2^53.
export function readUint64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 2 ** 32;
}
