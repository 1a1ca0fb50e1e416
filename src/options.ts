// What open() and writes can be told: checks it, fills in defaults, and turns it into the positional or plain values that
// the addon takes. Bounds are those of native/core/options.h, which checks again.
import { resolveCompaction } from "./compaction-options.js";
import type { CompactionOptions } from "./compaction-options.js";
import { codecOf } from "./encodings.js";
import type { Codec, EncodingOption } from "./encodings.js";
import { describe } from "./errors.js";
import type { NativeOptions, OnOpenProgress } from "./native.js";
import type { RebalanceRules } from "./rebalancer.js";
import { slotTable } from "./router.js";

/**
 * When a write is acknowledged, and what can then still be lost:
 *
 * - `"always"` (default): after `fdatasync`. An acknowledged write survives a killed process and power loss.
 * - `{ everyMs }`: after `write`; synced at least every `everyMs` milliseconds (1 to 60,000) while there is something to
 *   sync. An acknowledged write survives a killed process; power loss takes at most the last `everyMs` and the sync then in
 *   flight.
 * - `"os"`: after `write`; the operating system syncs when it likes. An acknowledged write survives a killed process; power
 *   loss takes what the system had not written back, often the last 30 seconds.
 *
 * In every mode `flush()` makes everything written so far survive power loss, and what power loss takes is the end of the
 * log: never something older than what it leaves, never half of a batch.
 */
export type Sync = "always" | "os" | { readonly everyMs: number };

/** Options of {@link open}. Unknown ones are a `TypeError`. */
export interface OpenOptions<KE extends EncodingOption = EncodingOption, VE extends EncodingOption = EncodingOption> {
  /** Latches over the 16,384 slots of the index, 1 to 4096; any number at any open. Default 16. */
  readonly shards?: number | undefined;
  /** When a write is acknowledged, see {@link Sync}. Default `"always"`. */
  readonly sync?: Sync | undefined;
  /** Compresses values where that makes them smaller. A store can be read whatever this says. Default `"none"`. */
  readonly compression?: "none" | "snappy" | undefined;
  /**
   * Moves slots between shards while the store runs, when a few of them carry the load; see {@link RebalanceOptions}. For stores
   * that several threads use: a shard's operations wait for each other. Default: false.
   */
  readonly rebalance?: boolean | RebalanceOptions | undefined;
  /** When and how space is given back; see {@link CompactionOptions}. Default: on. */
  readonly compaction?: CompactionOptions | undefined;
  /** Keeps recently read values in JavaScript memory. Default: off. */
  readonly cache?: CacheOptions | false | undefined;
  /**
   * Keeps puts in memory, the newest of each key, until `flush()`, a bound or `close()` writes them as one batch. For keys
   * that are written often. Default: false.
   *
   * A put is then acknowledged at once and survives only a flush: a killed process, `process.exit()`, a terminated worker
   * and power loss take all puts since the last one. A program that ends by itself flushes. This handle's reads and scans
   * see buffered puts, those of other handles and workers do not. Every other write (batches, deletes, `expire` …) goes to the
   * log as ever, behind the buffered puts of the keys that it touches; puts of other keys stay buffered, so the log does not
   * have the order of all calls. A background flush that fails is an `error` event, its puts stay buffered and are tried again.
   */
  readonly writeBack?: boolean | WriteBackOptions | undefined;
  /** Milliseconds until a put without `ttlMs` expires. Default: never. */
  readonly defaultTtlMs?: number | undefined;
  /** Default `"utf8"`. Not stored: open a store with the encodings it was written with. */
  readonly keyEncoding?: KE | undefined;
  /** Default `"utf8"`. */
  readonly valueEncoding?: VE | undefined;
  /** Default true; else a missing store is `CRABKV_MISSING`. */
  readonly createIfMissing?: boolean | undefined;
  /** Default false; else an existing store is `CRABKV_EXISTS`. */
  readonly errorIfExists?: boolean | undefined;
  /** Default false; else nothing is written and writes are `CRABKV_READ_ONLY`. */
  readonly readOnly?: boolean | undefined;
  /** Told how far an opening is that takes over a second, about ten times a second from then on. What it throws is a process warning. */
  readonly onProgress?: ((progress: OpenProgress) => void) | undefined;
  /** Size at which a new segment of the log begins, 64 KiB to 1 GiB. Default 64 MiB. */
  readonly segmentBytes?: number | undefined;
  /** Longest key that may be put, up to 1 MiB; longer ones, from under a larger bound, are read and deleted all the same. Default 64 KiB. */
  readonly keyBytesMax?: number | undefined;
  /** Largest value that may be written, up to 512 MiB. Default 16 MiB. */
  readonly valueBytesMax?: number | undefined;
  /** Most operations in one batch. Default 1,048,576. */
  readonly batchOperationsMax?: number | undefined;
  /** Largest batch, encoded, up to 1 GiB. Default 64 MiB. */
  readonly batchBytesMax?: number | undefined;
  /** Most bytes accepted and not yet written; beyond it writes are `CRABKV_BUSY`. Default 256 MiB. */
  readonly pendingBytesMax?: number | undefined;
  /** Most reads waiting for the disk; beyond it reads are `CRABKV_BUSY`. Default 65,536. */
  readonly readerQueueMax?: number | undefined;
}

/** How far an opening is. */
export interface OpenProgress {
  /** Of the store's segments, those parts that are in the index; and all of them. */
  readonly bytes: number;
  readonly bytesTotal: number;
  /** Records read so far, and keys taken from hints. */
  readonly records: number;
}

/** Bounds of the cache, at least one. Least recently used entries go first. */
export interface CacheOptions {
  /** Most entries, 1 to 16,777,216. */
  readonly entries?: number | undefined;
  /** Most memory, in bytes, about; at least 1 KiB. */
  readonly bytes?: number | undefined;
}

/**
 * When and how slots are moved. Every `everyMs` this handle looks at the loads of the slots (see {@link SlotLoad}). Where a shard
 * has more than `threshold` times the mean of all shards, its slots go one by one to the shard with the least, those first that
 * even the two out best, until it is near the mean. A slot moves only if at least a quarter of its load is gained, so one that
 * is hot by itself does not wander. A move is a matter of a microsecond, nothing is copied and nobody is stopped. It shows as the event
 * `rebalanced` and in `stats()`, and lasts until the store is closed.
 */
export interface RebalanceOptions {
  /** Milliseconds between looks, 100 to 3,600,000. Default 1000. */
  readonly everyMs?: number | undefined;
  /** Most slots moved at a time, 1 to 1024. Default 16. */
  readonly movesMax?: number | undefined;
  /** How many times the mean a shard has to carry before it gives slots away, 1.1 to 100. Default 1.5. */
  readonly threshold?: number | undefined;
}

/** When the write-back buffer is flushed, apart from `flush()` and `close()`. */
export interface WriteBackOptions {
  /**
   * Before it takes more memory than this, about; 1 KiB up to half of `batchBytesMax`. Larger puts pass the buffer by. When the
   * flush fails, puts are `CRABKV_BUSY` until one goes well. Handing a flush to the log takes this thread about a microsecond a put,
   * so less means shorter pauses. Default 8 MiB (27,000 puts of 100 bytes, some 30 ms), or that half when it is less.
   */
  readonly bytes?: number | undefined;
  /** So many milliseconds after the first put that it holds, 1 to 3,600,000. Default 1000. */
  readonly everyMs?: number | undefined;
}

/** Bounds of the write-back buffer. */
export interface WriteBackBounds {
  readonly bytes: number;
  readonly everyMs: number;
  readonly operationsMax: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

/** Options of a put. */
export interface PutOptions {
  /** Milliseconds until the key expires: a positive integer, or `Infinity` for never (also against `defaultTtlMs`). */
  readonly ttlMs?: number | undefined;
  /** Acknowledge this write only when it survives power loss, whatever the store's mode. It can only strengthen. */
  readonly sync?: "always" | undefined;
}

/** Options of every other write. */
export type WriteOptions = Pick<PutOptions, "sync">;

/** Options of {@link Store.update}. */
export interface UpdateOptions extends WriteOptions {
  /** Milliseconds to live from now on, or `Infinity`. Default: a key keeps what it has, a new one gets `defaultTtlMs`. */
  readonly ttlMs?: number | undefined;
}

/** Options of {@link Store.increment}. */
export interface IncrementOptions extends UpdateOptions {
  /** `"create"`: `ttlMs` is for a key that is not there; one that is keeps what it has. Default `"write"`: for both. */
  readonly ttlOn?: "create" | "write" | undefined;
}

/** The time to live of what a read-modify-write writes, as the addon takes it (0: never). */
export interface TtlRule {
  /** For a key that is not there. */
  readonly createMs: number;
  /** For one that is; undefined: it keeps what it has. */
  readonly changeMs: number | undefined;
}

/** The options of a read-modify-write, checked. */
export interface Modification {
  readonly ttl: TtlRule;
  readonly durable: boolean;
}

/** Everything that a Store needs from the options, checked. */
export interface ResolvedOptions {
  readonly native: NativeOptions;
  readonly onProgress: OnOpenProgress | undefined;
  readonly keyCodec: Codec;
  readonly valueCodec: Codec;
  readonly cache: CacheOptions | undefined;
  readonly writeBack: WriteBackBounds | undefined;
  readonly rebalance: RebalanceRules | undefined;
  /** 0: never. */
  readonly defaultTtlMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const SYNC_ALWAYS = 0;
const SYNC_INTERVAL = 1;
const SYNC_OS = 2;

const openOptionNames: ReadonlySet<string> = new Set<keyof OpenOptions>([
  "shards",
  "sync",
  "compression",
  "cache",
  "writeBack",
  "rebalance",
  "compaction",
  "defaultTtlMs",
  "keyEncoding",
  "valueEncoding",
  "createIfMissing",
  "errorIfExists",
  "readOnly",
  "onProgress",
  "segmentBytes",
  "keyBytesMax",
  "valueBytesMax",
  "batchOperationsMax",
  "batchBytesMax",
  "pendingBytesMax",
  "readerQueueMax",
]);

/** Checks all of the options of open(). Throws a TypeError or a RangeError that names the option. */
export function resolveOpenOptions(given: unknown): ResolvedOptions {
  const options = checkKnown(given, openOptionNames, "options") as OpenOptions;
  const [sync, syncEveryMs] = resolveSync(options.sync);
  const shards = integer(options.shards, "shards", 16, 1, 4096);
  const native: NativeOptions = {
    shards,
    slotToShard: slotTable(shards),
    sync,
    syncEveryMs,
    compression: oneOf(options.compression, "compression", ["none", "snappy"]),
    createIfMissing: flag(options.createIfMissing, "createIfMissing", true),
    errorIfExists: flag(options.errorIfExists, "errorIfExists", false),
    readOnly: flag(options.readOnly, "readOnly", false),
    ...resolveCompaction(options.compaction),
    segmentBytes: integer(options.segmentBytes, "segmentBytes", 64 * MIB, 64 * KIB, GIB),
    keyBytesMax: integer(options.keyBytesMax, "keyBytesMax", 64 * KIB, 1, MIB),
    valueBytesMax: integer(options.valueBytesMax, "valueBytesMax", 16 * MIB, 1, 512 * MIB),
    batchOperationsMax: integer(options.batchOperationsMax, "batchOperationsMax", MIB, 1, 16 * MIB),
    batchBytesMax: integer(options.batchBytesMax, "batchBytesMax", 64 * MIB, 4 * KIB, GIB),
    pendingBytesMax: integer(options.pendingBytesMax, "pendingBytesMax", 256 * MIB, 256 * KIB, 16 * GIB),
    readerQueueMax: integer(options.readerQueueMax, "readerQueueMax", 65_536, 1, 16 * MIB),
  };
  return {
    native,
    onProgress: resolveOnProgress(options.onProgress),
    keyCodec: codecOf(options.keyEncoding, "keyEncoding"),
    valueCodec: codecOf(options.valueEncoding, "valueEncoding"),
    cache: resolveCache(options.cache),
    writeBack: resolveWriteBack(options.writeBack, native),
    rebalance: resolveRebalance(options.rebalance),
    defaultTtlMs: resolveTtl(options.defaultTtlMs, "defaultTtlMs", 0),
  };
}

function resolveOnProgress(given: unknown): OnOpenProgress | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "function") throw new TypeError(`onProgress must be a function, not ${describe(given)}`);
  const tell = given as (progress: OpenProgress) => void;
  return (bytes, bytesTotal, records) => {
    try {
      tell({ bytes, bytesTotal, records });
    } catch (error) {
      process.emitWarning(error as Error);
    }
  };
}

function resolveCache(given: unknown): CacheOptions | undefined {
  if (given === undefined || given === false) return undefined;
  const { entries, bytes } = checkKnown(given, new Set(["entries", "bytes"]), "cache") as CacheOptions;
  if (entries === undefined && bytes === undefined) throw new TypeError("cache must have entries or bytes");
  return {
    entries: entries === undefined ? undefined : integer(entries, "cache.entries", 0, 1, 16 * MIB),
    bytes: bytes === undefined ? undefined : integer(bytes, "cache.bytes", 0, KIB, Number.MAX_SAFE_INTEGER),
  };
}

function resolveWriteBack(given: unknown, native: NativeOptions): WriteBackBounds | undefined {
  if (given === undefined || given === false) return undefined;
  if (native.readOnly) throw new TypeError("writeBack is for writing, and readOnly is set");
  const known = new Set(["bytes", "everyMs"]);
  const { bytes, everyMs } = (given === true ? {} : checkKnown(given, known, "writeBack")) as WriteBackOptions;
  // A flush is one batch, so it has to fit, and with it the batch that goes in the same frame.
  const bytesMax = Math.floor(native.batchBytesMax / 2);
  if (typeof bytes === "number" && bytes > bytesMax) {
    throw new RangeError(`writeBack.bytes must be at most half of batchBytesMax, which is ${bytesMax}, not ${bytes}`);
  }
  return {
    bytes: integer(bytes, "writeBack.bytes", Math.min(8 * MIB, bytesMax), KIB, bytesMax),
    everyMs: integer(everyMs, "writeBack.everyMs", 1000, 1, 3_600_000),
    operationsMax: native.batchOperationsMax,
    keyBytesMax: native.keyBytesMax,
    valueBytesMax: native.valueBytesMax,
  };
}

function resolveRebalance(given: unknown): RebalanceRules | undefined {
  if (given === undefined || given === false) return undefined;
  const known = new Set(["everyMs", "movesMax", "threshold"]);
  const options = (given === true ? {} : checkKnown(given, known, "rebalance")) as RebalanceOptions;
  const threshold: unknown = options.threshold ?? 1.5;
  if (typeof threshold !== "number") {
    throw new TypeError(`rebalance.threshold must be a number, not ${describe(threshold)}`);
  }
  if (!(threshold >= 1.1 && threshold <= 100)) {
    throw new RangeError(`rebalance.threshold must be from 1.1 to 100, not ${threshold}`);
  }
  return {
    everyMs: integer(options.everyMs, "rebalance.everyMs", 1000, 100, 3_600_000),
    movesMax: integer(options.movesMax, "rebalance.movesMax", 16, 1, 1024),
    threshold,
  };
}

/** The given options as an object without unknown properties; {} for undefined. */
export function checkKnown(given: unknown, known: ReadonlySet<string>, name: string): object {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`${name} must be an object, not ${describe(given)}`);
  }
  for (const option of Object.keys(given)) {
    if (!known.has(option)) throw new TypeError(`unknown option ${option}; known are ${[...known].join(", ")}`);
  }
  return given;
}

/** The given signal, or a TypeError. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new TypeError(`signal must be an AbortSignal, not ${describe(signal)}`);
}

/** Milliseconds to live as the addon takes them: 0 for never. `missing` is the answer for undefined, if that is allowed. */
export function resolveTtl(ttlMs: unknown, name: string, missing?: number): number {
  if (ttlMs === undefined && missing !== undefined) return missing;
  if (typeof ttlMs !== "number")
    throw new TypeError(`${name} must be a number of milliseconds, not ${describe(ttlMs)}`);
  if (ttlMs === Infinity) return 0;
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0) return ttlMs;
  throw new RangeError(`${name} must be a positive integer of milliseconds, or Infinity, not ${ttlMs}`);
}

/** Whether a write asks for more than the store's mode. Asking for less is refused: the caller could not tell. */
export function resolveWriteSync(sync: unknown): boolean {
  if (sync === undefined) return false;
  if (sync === "always") return true;
  throw new TypeError(
    `sync of one write can only be "always", which is at least what the store does; not ${describe(sync)}`,
  );
}

const updateOptionNames: ReadonlySet<string> = new Set<keyof UpdateOptions>(["ttlMs", "sync"]);
const incrementOptionNames: ReadonlySet<string> = new Set<keyof IncrementOptions>(["ttlMs", "ttlOn", "sync"]);

export function resolveUpdate(given: unknown, defaultTtlMs: number): Modification {
  return resolveModification(checkKnown(given, updateOptionNames, "options"), defaultTtlMs, false);
}

export function resolveIncrement(given: unknown, defaultTtlMs: number): Modification {
  const options = checkKnown(given, incrementOptionNames, "options") as IncrementOptions;
  const onWrite = oneOf(options.ttlOn, "ttlOn", ["write", "create"]) === 0;
  return resolveModification(options, defaultTtlMs, !onWrite);
}

function resolveModification(options: UpdateOptions, defaultTtlMs: number, onlyOnCreate: boolean): Modification {
  const createMs = resolveTtl(options.ttlMs, "ttlMs", defaultTtlMs);
  const changeMs = options.ttlMs === undefined || onlyOnCreate ? undefined : createMs;
  return { ttl: { createMs, changeMs }, durable: resolveWriteSync(options.sync) };
}

export function flag(value: unknown, name: string, missing: boolean): boolean {
  if (value === undefined) return missing;
  if (typeof value !== "boolean") throw new TypeError(`${name} must be a boolean, not ${describe(value)}`);
  return value;
}

export function integer(value: unknown, name: string, missing: number, min: number, max: number): number {
  if (value === undefined) return missing;
  if (typeof value !== "number") throw new TypeError(`${name} must be a number, not ${describe(value)}`);
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
}

function oneOf(value: unknown, name: string, choices: readonly string[]): number {
  const index = value === undefined ? 0 : choices.indexOf(value as string);
  if (index >= 0) return index;
  throw new TypeError(`${name} must be ${choices.map((choice) => `"${choice}"`).join(" or ")}, not ${describe(value)}`);
}

function resolveSync(sync: unknown): readonly [mode: number, everyMs: number] {
  if (sync === undefined || sync === "always") return [SYNC_ALWAYS, 100];
  if (sync === "os") return [SYNC_OS, 100];
  if (typeof sync === "object" && sync !== null && "everyMs" in sync) {
    checkKnown(sync, new Set(["everyMs"]), "sync");
    return [SYNC_INTERVAL, integer(sync.everyMs, "sync.everyMs", 100, 1, 60_000)];
  }
  throw new TypeError(`sync must be "always", "os" or { everyMs }, not ${describe(sync)}`);
}
