// db.createWriteStream(): records in, many puts to a crossing. Not a batch: each record is a put of its own, and a crash
// leaves a prefix of them. The stream takes records as fast as the store's queue does, and no faster.
import { Writable } from "node:stream";
import { encodeRecords } from "./batch.js";
import type { EncodedRecords, PutRecord } from "./batch.js";
import { namesOf } from "./buffered-writes.js";
import type { Codec } from "./encodings.js";
import { native, results, RESULT_BUSY, RESULT_FIRST_GROUP, RESULT_LAST_GROUP } from "./native.js";
import type { Group } from "./native.js";
import { checkKnown, integer } from "./options.js";
import type { Session } from "./session.js";

/** Options of `createWriteStream`. */
export interface WriteStreamOptions {
  /** Records that the stream buffers before `write` returns false, or fewer that have 32 MiB together. Default 4096. */
  readonly highWaterMark?: number | undefined;
}

/** How the store encodes what it is given. */
export interface Encoder {
  readonly keyCodec: Codec;
  readonly valueCodec: Codec;
  readonly defaultTtlMs: number;
}

// Records given to the store and not acknowledged; beyond it the stream waits, so that memory is bounded well below
// pendingBytesMax, which all writers of the store share.
const UNACKNOWLEDGED_BYTES_MAX = 32 * 1024 * 1024;
const RECORD_OVERHEAD_BYTES = 64;
// The same of records that wait in the stream, which Node counts by their number only.
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
// What is copied into one column, and crosses at once.
const PIECE_BYTES = 4 * 1024 * 1024;

type Callback = (error?: Error | null) => void;

const optionNames: ReadonlySet<string> = new Set<keyof WriteStreamOptions>(["highWaterMark"]);

/**
 * A stream of records `{ key, value, ttlMs? }` into a store. `write` returns false, and `pipeline` waits, while the store
 * has enough to do. `'finish'` comes after the last record is acknowledged, as durable as the store's `sync` says.
 *
 * A record that cannot be stored destroys the stream with the error; {@link StoreWriteStream.committed} then says how many
 * of the records written are certainly stored, counted from the first.
 */
export class StoreWriteStream<K, V> extends Writable {
  readonly #session: Session;
  readonly #encoder: Encoder;
  #committed = 0;
  #unacknowledgedBytes = 0;
  #resume: Callback | undefined;
  /** Of records that were written and not yet taken from Node's buffer. */
  #waitingBytes = 0;
  /** Whether write() has returned false for their bytes alone, so that Node knows of nobody who waits for 'drain'. */
  #owesDrain = false;
  /** Of a key and a value, on average, when they were last encoded. */
  #encodedBytes = 0;
  /** Settles when everything given to the store so far has. */
  #tail: Promise<unknown> = Promise.resolve();
  #failed = false;

  constructor(session: Session, encoder: Encoder, options: unknown) {
    const { highWaterMark } = checkKnown(options, optionNames, "options") as WriteStreamOptions;
    super({ objectMode: true, highWaterMark: integer(highWaterMark, "highWaterMark", 4096, 1, 2 ** 24) });
    this.#session = session;
    this.#encoder = encoder;
  }

  /** How many records, from the first one on, are acknowledged. */
  get committed(): number {
    return this.#committed;
  }

  override write(record: unknown, callback?: Callback): boolean;
  override write(record: unknown, encoding?: BufferEncoding, callback?: Callback): boolean;
  override write(record: unknown, encoding?: BufferEncoding | Callback, callback?: Callback): boolean {
    this.#waitingBytes += this.#bytesOf(record);
    // Node finds out by itself which of the two it is.
    const isBelowMark = super.write(record, encoding as BufferEncoding, callback);
    if (isBelowMark && this.#waitingBytes < WAITING_BYTES_MAX) return true;
    this.#owesDrain = !this.writableNeedDrain;
    return false;
  }

  override _write(record: PutRecord<K, V>, _encoding: BufferEncoding, callback: Callback): void {
    this.#take([record], callback);
  }

  override _writev(chunks: { chunk: unknown }[], callback: Callback): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    this.#tail.then(() => callback(), callback);
  }

  /** About: what another encoding makes of an object is known when it is encoded, and taken to be like the last ones. */
  #bytesOf(record: unknown): number {
    const { key, value } = (record ?? {}) as Partial<PutRecord<unknown, unknown>>;
    const keyBytes = typeof key === "string" || key instanceof Uint8Array ? key.length : 0;
    const valueBytes = typeof value === "string" || value instanceof Uint8Array ? value.length : this.#encodedBytes;
    return keyBytes + valueBytes + RECORD_OVERHEAD_BYTES;
  }

  /** Puts all that waited: Node hands over its whole buffer. */
  #take(records: unknown[], callback: Callback): void {
    this.#waitingBytes = 0;
    this.#putAll(records, 0, (error) => {
      callback(error);
      if (error || !this.#owesDrain || this.writableLength > 0) return;
      this.#owesDrain = false;
      if (!this.destroyed && !this.writableEnded) this.emit("drain");
    });
  }

  /** Puts the records from `begin` on, piece by piece. */
  #putAll(records: unknown[], begin: number, callback: Callback): void {
    const { keyCodec, valueCodec, defaultTtlMs } = this.#encoder;
    let encoded: EncodedRecords;
    try {
      encoded = encodeRecords(records, keyCodec, valueCodec, defaultTtlMs, begin, PIECE_BYTES);
    } catch (error) {
      callback(error as Error);
      return;
    }
    const { keys, values } = encoded;
    const end = begin + keys.lengths.length;
    this.#encodedBytes = (keys.data.length + values.data.length) / (end - begin);
    const next: Callback = (error) => (error ? callback(error) : this.#putAll(records, end, callback));
    this.#putFrom(0, encoded, end < records.length ? next : callback);
  }

  #putFrom(from: number, records: EncodedRecords, callback: Callback): void {
    if (this.destroyed) {
      callback(this.errored ?? destroyedError());
      return;
    }
    const session = this.#session;
    const { keys, values, ttls } = records;
    const count = keys.lengths.length;
    const ttl = ttls ?? this.#encoder.defaultTtlMs;
    let taken: number;
    try {
      taken = native.putEach(session.handle, from, keys.data, keys.lengths, values.data, values.lengths, ttl);
    } catch (error) {
      callback(error as Error);
      return;
    }
    const busy = results[RESULT_BUSY] === 1;
    if (taken > 0) {
      session.changes?.notePuts(keys, from, taken, ttl, results[RESULT_LAST_GROUP]!);
      session.kick();
      let bytes = 0;
      session.writeBack?.overtake(namesOf(keys).slice(from, from + taken), results[RESULT_LAST_GROUP]!);
      for (let i = from; i < from + taken; i++) bytes += keys.lengths[i]! + values.lengths[i]! + RECORD_OVERHEAD_BYTES;
      this.#follow(taken, bytes, results[RESULT_FIRST_GROUP]!, results[RESULT_LAST_GROUP]!);
    }
    if (from + taken < count) {
      const rest = (): void => this.#putFrom(from + taken, records, callback);
      if (busy) void session.room().then(rest);
      else rest();
    } else if (this.#unacknowledgedBytes > UNACKNOWLEDGED_BYTES_MAX) {
      this.#resume = callback;
    } else {
      // Later, so that what a caller writes in one turn comes in one piece.
      process.nextTick(callback);
    }
  }

  #follow(records: number, bytes: number, first: Group, last: Group): void {
    this.#unacknowledgedBytes += bytes;
    const settled = this.#session.acknowledgements.own(first, last, undefined).then(
      () => {
        // What comes after a failure is no prefix any more.
        if (!this.#failed) this.#committed += records;
        this.#acknowledge(bytes);
      },
      (error: unknown) => {
        this.#failed = true;
        this.#acknowledge(bytes);
        this.destroy(error as Error);
        throw error;
      },
    );
    // Groups settle in order, so the last one settles last; earlier failures have destroyed the stream by then.
    this.#tail = settled;
    settled.catch(() => undefined);
  }

  #acknowledge(bytes: number): void {
    this.#unacknowledgedBytes -= bytes;
    if (this.#resume === undefined || this.#unacknowledgedBytes > UNACKNOWLEDGED_BYTES_MAX / 2) return;
    const resume = this.#resume;
    this.#resume = undefined;
    resume();
  }
}

/** As Node's own streams say it. */
function destroyedError(): Error {
  return Object.assign(new Error("Cannot call write after a stream was destroyed"), { code: "ERR_STREAM_DESTROYED" });
}
