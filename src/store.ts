// The Store: what users call; what is not about data is in open-store.ts. Encodes arguments, makes one native call, and answers with a promise of the commit group.
// Methods are not async functions: on the hot paths (put, get, getSync) nothing is allocated that can be shared.
import { encodeBatch, encodeKeys, encodeRecords, rowsOfPuts } from "./batch.js";
import type { BatchOperation, BatchResult, PutRecord } from "./batch.js";
import { putBuffered } from "./buffered-writes.js";
import { codecOf, utf8Codec } from "./encodings.js";
import type { Accepted, Codec, Decoded, EncodingOption } from "./encodings.js";
import { closedError, describe, rejected } from "./errors.js";
import { StoreIterator } from "./iteration.js";
import type { IterationOptions, StoreRecord } from "./iteration.js";
import { increment, update } from "./modify.js";
import type { Target } from "./modify.js";
import { KIND_PUT, native } from "./native.js";
import { OpenStore } from "./open-store.js";
import { checkKnown, resolveIncrement, resolveTtl, resolveUpdate, resolveWriteSync } from "./options.js";
import type {
  IncrementOptions,
  Modification,
  PutOptions,
  ResolvedOptions,
  UpdateOptions,
  WriteOptions,
} from "./options.js";
import { beginRow, putInRow } from "./put-row.js";
import { hasKey, hasMany, read, readEntry, readMany, readManySync, readSync, ttlOf } from "./reads.js";
import type { Entry } from "./reads.js";
import type { Session } from "./session.js";
import { WriteBack } from "./write-back.js";
import { StoreWatch } from "./watch.js";
import type { WatchOptions } from "./watch.js";
import { StoreWriteStream } from "./write-stream.js";
import type { WriteStreamOptions } from "./write-stream.js";
import { clear, commitBatch, deleteAll, deleteOne, expireOne, putAll } from "./writes.js";

/** What is behind a store, for the parts of this package that work on it natively. */
export let sessionOf: <K, V>(store: Store<K, V>) => Session;

/** Options of a read. */
export interface ReadOptions<E extends EncodingOption = EncodingOption> {
  /** Decodes this read's values in another way than the store's. */
  readonly valueEncoding?: E | undefined;
}

const readOptionNames: ReadonlySet<string> = new Set<keyof ReadOptions>(["valueEncoding"]);
const putOptionNames: ReadonlySet<string> = new Set<keyof PutOptions>(["ttlMs", "sync"]);
const writeOptionNames: ReadonlySet<string> = new Set<keyof WriteOptions>(["sync"]);
const clearOptionNames: ReadonlySet<string> = new Set(["prefix"]);

/**
 * An open store, see {@link open}.
 *
 * Methods that return promises always reject, never throw; `…Sync` methods throw. Misuse is a `TypeError` or a `RangeError`
 * that names the argument; everything else is a {@link CrabKVError}. After `close()` every method fails with `CRABKV_CLOSED`.
 *
 * **Writes** take effect at once for every later call of this thread, and at the end of the turn at the latest for other threads; their
 * promise resolves when they are as durable as the store's `sync` says. Puts of one commit group share few promises: the first of
 * a turn has its group's, those that follow it one for each 64. When a group fails, the puts in it that were not awaited are one
 * unhandled rejection together, that of the last one, and none at all if that was handled: handle the promise of every
 * write whose loss matters, or the last one's and then look at `failure`.
 */
export class Store<K, V> extends OpenStore<K> {
  readonly #session: Session;
  readonly #keyCodec: Codec;
  readonly #valueCodec: Codec;
  readonly #defaultTtlMs: number;
  /** Whether the store can change while it is open. */
  readonly #live: boolean;

  static {
    sessionOf = (store) => store.#session;
  }

  /** @internal Use {@link open}. */
  constructor(session: Session, options: ResolvedOptions) {
    super(session, options);
    this.#session = session;
    this.#keyCodec = options.keyCodec;
    this.#valueCodec = options.valueCodec;
    this.#defaultTtlMs = options.defaultTtlMs;
    this.#live = !options.native.readOnly;
  }

  /**
   * Stores a value under a key, and clears or replaces an earlier time to live. With the option `writeBack` it waits in memory
   * and is acknowledged at once, so it survives only `flush()`, unless `sync: "always"` is given.
   *
   * @throws (rejects) `RangeError` for a key or value over its bound; `CRABKV_BUSY` when `pendingBytesMax` bytes wait to be
   * written (await earlier puts); `CRABKV_DISK_FULL`, `_INDETERMINATE`, `_FAILED`, `_READ_ONLY`, `_CLOSED`.
   */
  put(key: Accepted<K>, value: Accepted<V>, options?: PutOptions): Promise<void> {
    try {
      const session = this.#session;
      const ttlMs = options === undefined ? this.#defaultTtlMs : this.#ttlOf(options);
      const { writeBack } = session;
      if (writeBack !== undefined) return this.#putBuffered(writeBack, key, value, ttlMs, options?.sync);
      const encodedKey = this.#encodeKey(key);
      const encodedValue = this.#encodeValue(value);
      const waits = ttlMs === 0 && options === undefined ? putInRow(session, encodedKey, encodedValue) : undefined;
      if (waits !== undefined) return waits;
      const group = native.put(session.handle, encodedKey, encodedValue, ttlMs);
      beginRow();
      if (session.changes !== undefined) session.changes.note(KIND_PUT, encodedKey, ttlMs, group);
      session.kick();
      if (options?.sync !== undefined) return session.commitsOf(resolveWriteSync(options.sync)).done(group);
      return session.acknowledgements.done(group);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Stores all of the records, or after a crash or an error none of them. */
  putMany(records: readonly PutRecord<Accepted<K>, Accepted<V>>[], options?: PutOptions): Promise<void> {
    try {
      const ttlMs = options === undefined ? this.#defaultTtlMs : this.#ttlOf(options);
      const { keys, values, ttls } = encodeRecords(records, this.#keyCodec, this.#valueCodec, ttlMs);
      const rows = rowsOfPuts(keys.lengths.length, ttls, ttlMs);
      return putAll(this.#session, keys, values, rows, resolveWriteSync(options?.sync));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * The value of a key, or undefined when there is none. A value that may not be in memory is read on another thread.
   *
   * @throws (rejects) `CRABKV_CORRUPTION` when the stored bytes fail their check; `CRABKV_ENCODING`, `_BUSY`, `_CLOSED`.
   */
  get(key: Accepted<K>, options?: ReadOptions<never>): Promise<V | undefined>;
  get<E extends EncodingOption>(key: Accepted<K>, options: ReadOptions<E>): Promise<Decoded<E> | undefined>;
  get(key: Accepted<K>, options?: ReadOptions): Promise<unknown> {
    try {
      return read(this.#session, this.#encodeKey(key), this.#codecOf(options));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * The same at once. A value that is not in memory is read from the disk on this thread, which blocks the event loop for
   * as long as that takes.
   */
  getSync(key: Accepted<K>, options?: ReadOptions<never>): V | undefined;
  getSync<E extends EncodingOption>(key: Accepted<K>, options: ReadOptions<E>): Decoded<E> | undefined;
  getSync(key: Accepted<K>, options?: ReadOptions): unknown {
    return readSync(this.#session, this.#encodeKey(key), this.#codecOf(options));
  }

  /** The values of many keys, undefined where there is none, all as of one moment between batches. */
  getMany(keys: readonly Accepted<K>[], options?: ReadOptions<never>): Promise<(V | undefined)[]>;
  getMany<E extends EncodingOption>(
    keys: readonly Accepted<K>[],
    options: ReadOptions<E>,
  ): Promise<(Decoded<E> | undefined)[]>;
  getMany(keys: readonly Accepted<K>[], options?: ReadOptions): Promise<unknown[]> {
    try {
      return readMany(this.#session, encodeKeys(keys, this.#keyCodec), this.#codecOf(options));
    } catch (error) {
      return rejected(error);
    }
  }

  /** The same at once; like {@link getSync} it may block the event loop. */
  getManySync(keys: readonly Accepted<K>[], options?: ReadOptions<never>): (V | undefined)[];
  getManySync<E extends EncodingOption>(
    keys: readonly Accepted<K>[],
    options: ReadOptions<E>,
  ): (Decoded<E> | undefined)[];
  getManySync(keys: readonly Accepted<K>[], options?: ReadOptions): unknown[] {
    return readManySync(this.#session, encodeKeys(keys, this.#keyCodec), this.#codecOf(options));
  }

  /** A value with its version and its deadline, or undefined. */
  getEntry(key: Accepted<K>, options?: ReadOptions<never>): Promise<Entry<V> | undefined>;
  getEntry<E extends EncodingOption>(key: Accepted<K>, options: ReadOptions<E>): Promise<Entry<Decoded<E>> | undefined>;
  getEntry(key: Accepted<K>, options?: ReadOptions): Promise<Entry<unknown> | undefined> {
    try {
      return readEntry(this.#session, this.#encodeKey(key), this.#codecOf(options));
    } catch (error) {
      return rejected(error);
    }
  }

  /** Whether there is a value. Answered from the index: it never waits for the disk. */
  has(key: Accepted<K>): Promise<boolean> {
    try {
      return Promise.resolve(hasKey(this.#session, this.#encodeKey(key)));
    } catch (error) {
      return rejected(error);
    }
  }

  hasMany(keys: readonly Accepted<K>[]): Promise<boolean[]> {
    try {
      return Promise.resolve(hasMany(this.#session, encodeKeys(keys, this.#keyCodec)));
    } catch (error) {
      return rejected(error);
    }
  }

  /** Removes a key. Resolves with whether it was there; nothing is written when it was not. */
  delete(key: Accepted<K>, options?: WriteOptions): Promise<boolean> {
    try {
      const durable = options !== undefined && this.#isDurable(options);
      return deleteOne(this.#session, this.#encodeKey(key), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Removes all of the keys, or after a crash or an error none of them. Resolves with which of them were there. */
  deleteMany(keys: readonly Accepted<K>[], options?: WriteOptions): Promise<boolean[]> {
    try {
      const durable = this.#isDurable(options);
      return deleteAll(this.#session, encodeKeys(keys, this.#keyCodec), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Puts, deletes and checks, all or nothing. The conditions (`if`) are about the keys as they were before the batch; when
   * one does not hold nothing is written, and the answer is the index of the operation it belongs to.
   *
   * Writes take effect as they are called, with one exception: a condition whose record is not in memory is read on another
   * thread, and writes that are called before the batch resolves may come before it.
   */
  batch(operations: readonly BatchOperation<Accepted<K>, Accepted<V>>[], options?: WriteOptions): Promise<BatchResult> {
    try {
      const durable = this.#isDurable(options);
      const encoded = encodeBatch(operations, this.#keyCodec, this.#valueCodec, this.#defaultTtlMs);
      return commitBatch(this.#session, encoded, durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Adds to the number under a key (0 when there is none) and resolves with the sum. Atomic, also against worker threads. Numbers
   * are stored as text with the "utf8" and "buffer" encodings, else as the encoding writes them.
   *
   * @throws (rejects) `CRABKV_ENCODING` when the value is no number; `RangeError` when the sum would not be exact.
   */
  increment(key: Accepted<K>, by = 1, options?: IncrementOptions): Promise<number> {
    try {
      if (typeof by !== "number") throw new TypeError(`by must be a number, not ${describe(by)}`);
      if (!Number.isFinite(by)) throw new RangeError(`by must be a finite number, not ${by}`);
      return increment(this.#modify(key, resolveIncrement(options, this.#defaultTtlMs)), by);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Replaces a value by what `change` makes of it (undefined when there is none); undefined deletes. When somebody else wrote in
   * between, `change` is called again with the newer value. Resolves with what was written.
   *
   * @throws (rejects) what `change` throws; `CRABKV_CONFLICT` after losing 1,000 times.
   */
  async update(
    key: Accepted<K>,
    change: (old: V | undefined) => Accepted<V> | undefined | Promise<Accepted<V> | undefined>,
    options?: UpdateOptions,
  ): Promise<Accepted<V> | undefined> {
    if (typeof change !== "function") throw new TypeError(`change must be a function, not ${describe(change)}`);
    const target = this.#modify(key, resolveUpdate(options, this.#defaultTtlMs));
    return (await update(target, change as (old: unknown) => unknown)) as Accepted<V> | undefined;
  }

  /** Sets the time to live of a key. Resolves with whether the key was there. `Infinity` is {@link persist}. */
  expire(key: Accepted<K>, ttlMs: number, options?: WriteOptions): Promise<boolean> {
    try {
      const durable = this.#isDurable(options);
      const encodedKey = this.#encodeKey(key);
      return expireOne(this.#session, encodedKey, resolveTtl(ttlMs, "ttlMs"), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Takes a key's time to live away. Resolves with whether the key was there and had one. */
  persist(key: Accepted<K>, options?: WriteOptions): Promise<boolean> {
    try {
      const durable = this.#isDurable(options);
      const encodedKey = this.#encodeKey(key);
      const ttlMs = ttlOf(this.#session, encodedKey);
      if (ttlMs === Infinity || ttlMs === undefined) return Promise.resolve(false);
      return expireOne(this.#session, encodedKey, 0, durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Milliseconds that a key has left; `Infinity` when it never expires, undefined when there is no such key. */
  ttl(key: Accepted<K>): Promise<number | undefined> {
    try {
      return Promise.resolve(ttlOf(this.#session, this.#encodeKey(key)));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * All entries, as they were when the first one was asked for: `for await (const [key, value] of db.entries())`. Each key
   * comes once. An iterator that is not run to its end must be ended with `return()`, as `for await` does.
   */
  entries(options?: IterationOptions): StoreIterator<[K, V]> {
    return new StoreIterator(this.#session, "entries", this.#keyCodec, this.#valueCodec, options);
  }

  /** The keys alone; values are not read. */
  keys(options?: IterationOptions): StoreIterator<K> {
    return new StoreIterator(this.#session, "keys", this.#keyCodec, this.#valueCodec, options);
  }

  values(options?: IterationOptions): StoreIterator<V> {
    return new StoreIterator(this.#session, "values", this.#keyCodec, this.#valueCodec, options);
  }

  /** Entries with their version and deadline: what `from` resumes after, and what a copy of the store needs. */
  records(options?: IterationOptions): StoreIterator<StoreRecord<K, V>> {
    return new StoreIterator(this.#session, "records", this.#keyCodec, this.#valueCodec, options);
  }

  /**
   * The changes of the store, whoever makes them, in log order and after they are acknowledged: `for await (const change of
   * db.watch())`. From the call on, or from a version on. A watcher that is awaited keeps the process alive; `break` (`return()`),
   * its signal and `close()` end it. What waits in a write-back buffer is shown once it is flushed. In the lazy modes power loss can
   * take changes that were shown, and their versions are given again.
   *
   * @throws (at next) `CRABKV_POSITION_GONE`, `_LAGGED` (its `version` is where to go on), `_FAILED`, `_CORRUPTION`, `_CLOSED`.
   */
  watch(options?: WatchOptions): StoreWatch<K, V> {
    const source = { session: this.#session, keyCodec: this.#keyCodec, valueCodec: this.#valueCodec };
    return new StoreWatch({ ...source, live: this.#live }, options);
  }

  /**
   * The shard that has a key now: 0 up to the option `shards`. Keys with the same text between their first `{` and the next `}`
   * (a hashtag, as in Redis Cluster; not an empty one) share a slot, so they are always in one shard.
   */
  shardOf(key: Accepted<K>): number {
    return native.shardOf(this.#session.handle, this.#encodeKey(key));
  }

  /** A stream of records into the store; see {@link StoreWriteStream}. */
  createWriteStream(options?: WriteStreamOptions): StoreWriteStream<Accepted<K>, Accepted<V>> {
    const encoder = { keyCodec: this.#keyCodec, valueCodec: this.#valueCodec, defaultTtlMs: this.#defaultTtlMs };
    if (this.#session.handle === 0) throw closedError();
    return new StoreWriteStream(this.#session, encoder, options);
  }

  /**
   * Deletes every entry, or every one whose key begins with `prefix`, that is there when it is called. What is put later stays,
   * also under a key that was there. Not atomic: it deletes in batches, and a crash leaves some of the entries.
   */
  clear(options?: { readonly prefix?: string | Uint8Array | undefined }): Promise<void> {
    try {
      const { prefix } = checkKnown(options, clearOptionNames, "options") as { prefix?: string | Uint8Array };
      return clear(this.#session, prefix);
    } catch (error) {
      return rejected(error);
    }
  }

  #encodeKey(key: unknown): string | Uint8Array {
    const codec = this.#keyCodec;
    return codec === utf8Codec && typeof key === "string" ? key : codec.encode(key, "key");
  }

  #putBuffered(buffer: WriteBack, key: unknown, value: unknown, ttlMs: number, sync: unknown): Promise<void> {
    const durable = resolveWriteSync(sync);
    return putBuffered(this.#session, buffer, this.#encodeKey(key), this.#encodeValue(value), ttlMs, durable);
  }

  #encodeValue(value: unknown): string | Uint8Array {
    const codec = this.#valueCodec;
    return codec === utf8Codec && typeof value === "string" ? value : codec.encode(value, "value");
  }

  #codecOf(options: ReadOptions | undefined): Codec {
    if (options === undefined) return this.#valueCodec;
    const { valueEncoding } = checkKnown(options, readOptionNames, "options") as ReadOptions;
    return valueEncoding === undefined ? this.#valueCodec : codecOf(valueEncoding, "valueEncoding");
  }

  #ttlOf(options: unknown): number {
    const { ttlMs, sync } = checkKnown(options, putOptionNames, "options") as PutOptions;
    resolveWriteSync(sync);
    return resolveTtl(ttlMs, "ttlMs", this.#defaultTtlMs);
  }

  #modify(key: unknown, how: Modification): Target {
    return { session: this.#session, key: this.#encodeKey(key), codec: this.#valueCodec, ...how };
  }

  #isDurable(options: unknown): boolean {
    return resolveWriteSync((checkKnown(options, writeOptionNames, "options") as WriteOptions).sync);
  }
}
