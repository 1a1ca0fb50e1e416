// The Store: what users call. Encodes arguments, makes one native call, and answers with a promise of the commit group.
// Methods are not async functions: on the hot paths (put, get, getSync) nothing is allocated that can be shared.
import { encodeBatch, encodeKeys, encodeRecords, rowsOfPuts } from "./batch.js";
import type { BatchOperation, BatchResult, EncodedBatch, PutRecord } from "./batch.js";
import { codecOf, utf8Codec } from "./encodings.js";
import type { Accepted, Codec, Decoded, EncodingOption } from "./encodings.js";
import { closedError, rejected } from "./errors.js";
import { StoreIterator } from "./iteration.js";
import type { IterationOptions } from "./iteration.js";
import { KIND_DELETE, KIND_PUT, native, results } from "./native.js";
import { RESULT_COMMITTED, RESULT_EXPIRES_AT_MS, RESULT_FAILED_INDEX, RESULT_VERSION } from "./native.js";
import type { Column, Group, StoreStats } from "./native.js";
import { checkKnown, resolveOpenOptions, resolveTtl, resolveWriteSync } from "./options.js";
import type { OpenOptions, PutOptions, ResolvedOptions, WriteOptions } from "./options.js";
import { readBytes, readManyBytes } from "./read-slab.js";
import { Session } from "./session.js";
import { StoreWriteStream } from "./write-stream.js";
import type { WriteStreamOptions } from "./write-stream.js";

/** A value with what the store knows about it. */
export interface Entry<V> {
  readonly value: V;
  /** Rises with every write of the store; for guards, and to resume an iteration in log order. */
  readonly version: number;
  /** When the key expires, in milliseconds since 1970. Absent: never. */
  readonly expiresAtMs?: number;
}

/** Options of a read. */
export interface ReadOptions<E extends EncodingOption = EncodingOption> {
  /** Decodes this read's values in another way than the store's. */
  readonly valueEncoding?: E | undefined;
}

const readOptionNames: ReadonlySet<string> = new Set<keyof ReadOptions>(["valueEncoding"]);
const putOptionNames: ReadonlySet<string> = new Set<keyof PutOptions>(["ttlMs", "sync"]);
const writeOptionNames: ReadonlySet<string> = new Set<keyof WriteOptions>(["sync"]);
const clearOptionNames: ReadonlySet<string> = new Set(["prefix"]);

// Keys that clear() deletes in one batch.
const CLEAR_BATCH_KEYS = 1024;
const WRITE_NOT_RESIDENT = -1;

/**
 * Opens the store in directory `path`, creating both when they are missing. Opening a directory that this process has open
 * already gives another handle on the same store.
 *
 * @throws (rejects) `TypeError` or `RangeError` naming a wrong option; `CrabKVError` with `CRABKV_LOCKED`, `_CORRUPTION`,
 * `_FORMAT`, `_MISSING`, `_EXISTS`, `_OPTIONS_DIFFER`, `_IO`, `_DISK_FULL`.
 */
export function open<KE extends EncodingOption = "utf8", VE extends EncodingOption = "utf8">(
  path: string,
  options?: OpenOptions<KE, VE>,
): Promise<Store<Decoded<KE>, Decoded<VE>>> {
  try {
    if (typeof path !== "string" || path === "") throw new TypeError("path must be a string that is not empty");
    const resolvedOptions = resolveOpenOptions(options);
    const session = new Session(resolvedOptions.native.sync !== 0);
    return native.open(path, resolvedOptions.native, session.onCommit).then((handle) => {
      session.handle = handle;
      return new Store(session, resolvedOptions);
    });
  } catch (error) {
    return rejected(error);
  }
}

/**
 * An open store, see {@link open}.
 *
 * Methods that return promises always reject, never throw; `…Sync` methods throw. Misuse is a `TypeError` or a `RangeError`
 * that names the argument; everything else is a {@link CrabKVError}. After `close()` every method fails with `CRABKV_CLOSED`.
 *
 * **Writes** take effect at once for every later read of this process; their promise resolves when they are as durable as the
 * store's `sync` says. Writes of one commit group share one promise. So when a group fails, the writes in it that were not
 * awaited are one unhandled rejection together, and none at all if one of them was handled: handle the promise of every
 * write whose loss matters, or the last one's and then look at `failure`.
 */
export class Store<K, V> {
  /** `await using db = await open(…)` closes at the end of the block, where the runtime has `Symbol.asyncDispose`. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #session: Session;
  readonly #keyCodec: Codec;
  readonly #valueCodec: Codec;
  readonly #defaultTtlMs: number;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link open}. */
  constructor(session: Session, options: ResolvedOptions) {
    this.#session = session;
    this.#keyCodec = options.keyCodec;
    this.#valueCodec = options.valueCodec;
    this.#defaultTtlMs = options.defaultTtlMs;
  }

  /**
   * Stores a value under a key, and clears or replaces an earlier time to live.
   *
   * @throws (rejects) `RangeError` for a key or value over its bound; `CRABKV_BUSY` when `pendingBytesMax` bytes wait to be
   * written (await earlier puts); `CRABKV_DISK_FULL`, `_INDETERMINATE`, `_FAILED`, `_READ_ONLY`, `_CLOSED`.
   */
  put(key: Accepted<K>, value: Accepted<V>, options?: PutOptions): Promise<void> {
    try {
      const session = this.#session;
      const ttlMs = options === undefined ? this.#defaultTtlMs : this.#ttlOf(options);
      const group = native.put(session.handle, this.#encodeKey(key), this.#encodeValue(value), ttlMs);
      session.kick();
      if (options?.sync !== undefined) return session.commitsOf(group, resolveWriteSync(options.sync)).done(group);
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
      const group = this.#write(KIND_PUT, keys, values, rows, undefined);
      return this.#session.commitsOf(group, resolveWriteSync(options?.sync)).done(group);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * The value of a key, or undefined when there is none. A value that may not be in memory is read on another thread.
   *
   * @throws (rejects) `CRABKV_CORRUPTION` when the stored bytes fail their check; `CRABKV_ENCODING`, `_BUSY`, `_CLOSED`.
   */
  get(key: Accepted<K>): Promise<V | undefined>;
  get<E extends EncodingOption>(key: Accepted<K>, options: ReadOptions<E>): Promise<Decoded<E> | undefined>;
  get(key: Accepted<K>, options?: ReadOptions): Promise<unknown> {
    try {
      const codec = options === undefined ? this.#valueCodec : this.#codecOf(options);
      const encodedKey = this.#encodeKey(key);
      const { handle } = this.#session;
      if (codec.form === "text") {
        const text = native.getText(handle, encodedKey, false);
        if (text !== null)
          return Promise.resolve(text === undefined || codec === utf8Codec ? text : codec.decode(text));
      } else {
        const bytes = readBytes(handle, encodedKey, false);
        if (bytes !== null) return Promise.resolve(bytes === undefined ? undefined : codec.decode(bytes));
      }
      return native
        .getCold(handle, encodedKey, codec.form === "text")
        .then((entry) => (entry === undefined ? undefined : codec.decode(entry[0])));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * The same at once. A value that is not in memory is read from the disk on this thread, which blocks the event loop for
   * as long as that takes.
   */
  getSync(key: Accepted<K>): V | undefined;
  getSync<E extends EncodingOption>(key: Accepted<K>, options: ReadOptions<E>): Decoded<E> | undefined;
  getSync(key: Accepted<K>, options?: ReadOptions): unknown {
    const codec = options === undefined ? this.#valueCodec : this.#codecOf(options);
    const { handle } = this.#session;
    if (codec.form === "text") {
      const text = native.getText(handle, this.#encodeKey(key), true);
      return text === undefined || codec === utf8Codec ? text : codec.decode(text!);
    }
    const bytes = readBytes(handle, this.#encodeKey(key), true);
    return bytes === undefined ? undefined : codec.decode(bytes!);
  }

  /** The values of many keys, undefined where there is none, all as of one moment between batches. */
  getMany(keys: readonly Accepted<K>[]): Promise<(V | undefined)[]>;
  getMany<E extends EncodingOption>(
    keys: readonly Accepted<K>[],
    options: ReadOptions<E>,
  ): Promise<(Decoded<E> | undefined)[]>;
  getMany(keys: readonly Accepted<K>[], options?: ReadOptions): Promise<unknown[]> {
    try {
      const codec = options === undefined ? this.#valueCodec : this.#codecOf(options);
      const column = encodeKeys(keys, this.#keyCodec);
      const values = this.#readMany(column, codec, false);
      if (values !== null) return Promise.resolve(values);
      return native
        .getManyCold(this.#session.handle, column.data, column.lengths, codec.form === "text")
        .then((stored) => decodeAll(stored, codec));
    } catch (error) {
      return rejected(error);
    }
  }

  /** The same at once; like {@link getSync} it may block the event loop. */
  getManySync(keys: readonly Accepted<K>[]): (V | undefined)[];
  getManySync<E extends EncodingOption>(
    keys: readonly Accepted<K>[],
    options: ReadOptions<E>,
  ): (Decoded<E> | undefined)[];
  getManySync(keys: readonly Accepted<K>[], options?: ReadOptions): unknown[] {
    const codec = options === undefined ? this.#valueCodec : this.#codecOf(options);
    return this.#readMany(encodeKeys(keys, this.#keyCodec), codec, true)!;
  }

  /** A value with its version and its deadline, or undefined. */
  getEntry(key: Accepted<K>): Promise<Entry<V> | undefined>;
  getEntry<E extends EncodingOption>(key: Accepted<K>, options: ReadOptions<E>): Promise<Entry<Decoded<E>> | undefined>;
  getEntry(key: Accepted<K>, options?: ReadOptions): Promise<Entry<unknown> | undefined> {
    try {
      const codec = options === undefined ? this.#valueCodec : this.#codecOf(options);
      const encodedKey = this.#encodeKey(key);
      const { handle } = this.#session;
      const asText = codec.form === "text";
      const stored = asText ? native.getText(handle, encodedKey, false) : readBytes(handle, encodedKey, false);
      if (stored === undefined) return Promise.resolve(undefined);
      if (stored !== null) {
        return Promise.resolve(entryOf(codec.decode(stored), results[RESULT_VERSION]!, results[RESULT_EXPIRES_AT_MS]!));
      }
      return native
        .getCold(handle, encodedKey, asText)
        .then((cold) => (cold === undefined ? undefined : entryOf(codec.decode(cold[0]), cold[1], cold[2])));
    } catch (error) {
      return rejected(error);
    }
  }

  /** Whether there is a value. Answered from the index: it never waits for the disk. */
  has(key: Accepted<K>): Promise<boolean> {
    try {
      return Promise.resolve(native.has(this.#session.handle, this.#encodeKey(key)));
    } catch (error) {
      return rejected(error);
    }
  }

  hasMany(keys: readonly Accepted<K>[]): Promise<boolean[]> {
    try {
      const { data, lengths } = encodeKeys(keys, this.#keyCodec);
      const found = new Uint8Array(lengths.length);
      native.hasMany(this.#session.handle, data, lengths, found);
      return Promise.resolve(Array.from(found, Boolean));
    } catch (error) {
      return rejected(error);
    }
  }

  /** Removes a key. Resolves with whether it was there; nothing is written when it was not. */
  delete(key: Accepted<K>, options?: WriteOptions): Promise<boolean> {
    try {
      const durable = options !== undefined && this.#isDurable(options);
      return this.#settleWith(native.delete(this.#session.handle, this.#encodeKey(key)), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Removes all of the keys, or after a crash or an error none of them. Resolves with which of them were there. */
  deleteMany(keys: readonly Accepted<K>[], options?: WriteOptions): Promise<boolean[]> {
    try {
      const durable = this.#isDurable(options);
      return this.#deleteAll(encodeKeys(keys, this.#keyCodec), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Puts, deletes and checks, all or nothing. The conditions (`if`) are about the keys as they were before the batch; when
   * one does not hold nothing is written, and the answer is the index of the operation it belongs to.
   */
  batch(operations: readonly BatchOperation<Accepted<K>, Accepted<V>>[], options?: WriteOptions): Promise<BatchResult> {
    try {
      const durable = this.#isDurable(options);
      const encoded = encodeBatch(operations, this.#keyCodec, this.#valueCodec, this.#defaultTtlMs);
      const group = this.#write(KIND_PUT, encoded.keys, encoded.values, encoded.rows, undefined);
      if (group === WRITE_NOT_RESIDENT) return this.#batchCold(encoded, durable);
      const [version, committed, failedIndex] = [RESULT_VERSION, RESULT_COMMITTED, RESULT_FAILED_INDEX];
      return this.#batchResult(group, results[version]!, results[committed]!, results[failedIndex]!, durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Sets the time to live of a key. Resolves with whether the key was there. `Infinity` is {@link persist}. */
  expire(key: Accepted<K>, ttlMs: number, options?: WriteOptions): Promise<boolean> {
    try {
      const durable = this.#isDurable(options);
      const encodedKey = this.#encodeKey(key);
      const resolvedTtlMs = resolveTtl(ttlMs, "ttlMs");
      return this.#settleWith(native.expire(this.#session.handle, encodedKey, resolvedTtlMs), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Takes a key's time to live away. Resolves with whether the key was there and had one. */
  persist(key: Accepted<K>, options?: WriteOptions): Promise<boolean> {
    try {
      const durable = this.#isDurable(options);
      const encodedKey = this.#encodeKey(key);
      const ttlMs = native.ttl(this.#session.handle, encodedKey);
      if (ttlMs === Infinity || ttlMs < 0) return Promise.resolve(false);
      return this.#settleWith(native.expire(this.#session.handle, encodedKey, 0), durable);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Milliseconds that a key has left; `Infinity` when it never expires, undefined when there is no such key. */
  ttl(key: Accepted<K>): Promise<number | undefined> {
    try {
      const ttlMs = native.ttl(this.#session.handle, this.#encodeKey(key));
      return Promise.resolve(ttlMs < 0 ? undefined : ttlMs);
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

  /** A stream of records into the store; see {@link StoreWriteStream}. */
  createWriteStream(options?: WriteStreamOptions): StoreWriteStream<Accepted<K>, Accepted<V>> {
    const encoder = { keyCodec: this.#keyCodec, valueCodec: this.#valueCodec, defaultTtlMs: this.#defaultTtlMs };
    if (this.#session.handle === 0) throw closedError();
    return new StoreWriteStream(this.#session, encoder, options);
  }

  /**
   * Resolves when everything written so far survives power loss, in every mode.
   *
   * @throws (rejects) `CRABKV_INDETERMINATE` when the sync fails: what power loss would leave is unknown.
   */
  flush(): Promise<void> {
    try {
      return this.#session.flush();
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Deletes every key, or every key that begins with `prefix`, that is there when it is called. Not atomic: it deletes in
   * batches, and a crash leaves some of the keys.
   */
  clear(options?: { readonly prefix?: string | Uint8Array | undefined }): Promise<void> {
    try {
      const { prefix } = checkKnown(options, clearOptionNames, "options") as { prefix?: string | Uint8Array };
      const keys = new StoreIterator<Buffer>(this.#session, "keys", codecOf("buffer", ""), utf8Codec, { prefix });
      return this.#clear(keys);
    } catch (error) {
      return rejected(error);
    }
  }

  /** What the store counts, as a plain object. */
  stats(): StoreStats {
    return native.stats(this.#session.handle);
  }

  /**
   * The failure after which this store takes no more writes, or undefined. Reads go on; reopening recovers. After close():
   * undefined.
   */
  get failure(): Error | undefined {
    return this.#session.handle === 0 ? undefined : native.failure(this.#session.handle);
  }

  /**
   * Refuses new work, waits for what was accepted, syncs it, and closes; a second call answers with the same promise.
   * Iterators end with `CRABKV_CLOSED`. Rejects with the store's failure when it has one; it is closed all the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#session.close();
    return this.#closing;
  }

  #encodeKey(key: unknown): string | Uint8Array {
    const codec = this.#keyCodec;
    return codec === utf8Codec && typeof key === "string" ? key : codec.encode(key, "key");
  }

  #encodeValue(value: unknown): string | Uint8Array {
    const codec = this.#valueCodec;
    return codec === utf8Codec && typeof value === "string" ? value : codec.encode(value, "value");
  }

  #codecOf(options: unknown): Codec {
    const { valueEncoding } = checkKnown(options, readOptionNames, "options") as ReadOptions;
    return valueEncoding === undefined ? this.#valueCodec : codecOf(valueEncoding, "valueEncoding");
  }

  #ttlOf(options: unknown): number {
    const { ttlMs, sync } = checkKnown(options, putOptionNames, "options") as PutOptions;
    resolveWriteSync(sync);
    return resolveTtl(ttlMs, "ttlMs", this.#defaultTtlMs);
  }

  #isDurable(options: unknown): boolean {
    return resolveWriteSync((checkKnown(options, writeOptionNames, "options") as WriteOptions).sync);
  }

  /** One atomic batch into the store; WRITE_NOT_RESIDENT only when rows have a version guard. */
  #write(
    kind: number,
    keys: Column,
    values: Column | undefined,
    rows: Float64Array | undefined,
    existed: Uint8Array | undefined,
  ): Group {
    const { handle } = this.#session;
    const group = native.writeBatch(
      handle,
      kind,
      keys.data,
      keys.lengths,
      values?.data,
      values?.lengths,
      rows,
      existed,
    );
    this.#session.kick();
    return group;
  }

  /** `groupAndExisted` is 2 * group + (1 when the key was there). */
  #settleWith(groupAndExisted: number, durable: boolean): Promise<boolean> {
    const group = Math.floor(groupAndExisted / 2);
    this.#session.kick();
    return this.#session.commitsOf(group, durable).doneWith(group, groupAndExisted % 2 === 1);
  }

  #deleteAll(keys: Column, durable: boolean): Promise<boolean[]> {
    const existed = new Uint8Array(keys.lengths.length);
    const group = this.#write(KIND_DELETE, keys, undefined, undefined, existed);
    return this.#session.commitsOf(group, durable).own(group, group, Array.from(existed, Boolean));
  }

  async #clear(keys: AsyncIterable<Buffer>): Promise<void> {
    const rawKeys = codecOf("buffer", "");
    let found: Buffer[] = [];
    for await (const key of keys) {
      found.push(key);
      if (found.length < CLEAR_BATCH_KEYS) continue;
      await this.#deleteAll(encodeKeys(found, rawKeys), false);
      found = [];
    }
    await this.#deleteAll(encodeKeys(found, rawKeys), false);
  }

  /** A guard's record has to be read from the disk: the batch runs on a reader thread. */
  #batchCold(batch: EncodedBatch, durable: boolean): Promise<BatchResult> {
    const { keys, values, rows } = batch;
    const session = this.#session;
    const arrived = session.acknowledgements.late();
    return native
      .writeBatchCold(session.handle, KIND_PUT, keys.data, keys.lengths, values.data, values.lengths, rows)
      .then(([group, version, committed, failedIndex]) =>
        this.#batchResult(group, version, committed, failedIndex, durable),
      )
      .finally(arrived);
  }

  #batchResult(
    group: Group,
    version: number,
    committed: number,
    failedIndex: number,
    durable: boolean,
  ): Promise<BatchResult> {
    if (committed === 0) return Promise.resolve({ committed: false, failedIndex });
    return this.#session.commitsOf(group, durable).own(group, group, { committed: true, version });
  }

  #readMany(keys: Column, codec: Codec, wait: boolean): unknown[] | null {
    if (codec.form === "bytes") {
      const stored = readManyBytes(this.#session.handle, keys, wait);
      return stored === null ? null : decodeAll(stored, codec);
    }
    const texts = native.getMany(this.#session.handle, keys.data, keys.lengths, wait, undefined);
    return texts === null ? null : decodeAll(texts as (string | undefined)[], codec);
  }
}

// Older releases of Node 20 have no Symbol.asyncDispose.
if ((Symbol.asyncDispose as symbol | undefined) !== undefined) {
  Object.defineProperty(Store.prototype, Symbol.asyncDispose, {
    configurable: true,
    writable: true,
    value(this: Store<unknown, unknown>) {
      return this.close();
    },
  });
}

function entryOf(value: unknown, version: number, expiresAtMs: number): Entry<unknown> {
  return expiresAtMs === 0 ? { value, version } : { value, version, expiresAtMs };
}

function decodeAll(stored: (string | Buffer | undefined)[], codec: Codec): unknown[] {
  return codec === utf8Codec ? stored : stored.map((item) => (item === undefined ? undefined : codec.decode(item)));
}
