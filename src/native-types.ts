// What goes to the addon and comes back: options, reports and figures, as native/addon makes them.

/** An open store: a number that is never used again. 0 is none. */
export type Handle = number;
/** The commit group that a write went into: what to wait for. 0: nothing had to be written. */
export type Group = number;
/** What a key or a value is on its way to the addon. */
export type Bytes = string | Uint8Array;

/** Called with the watermarks, whether there is room again after CRABKV_BUSY, and failures as
 * [first, first that was not acknowledged, last, error, ...]. */
export type OnCommit = (
  acknowledged: Group,
  durable: Group,
  room: boolean,
  failures: readonly unknown[] | undefined,
  compacted: CompactionReport | undefined,
) => void;

/** What one or more compactions did. */
export interface CompactionReport {
  readonly compactions: number;
  /** Segments that were replaced, and those that took their place. */
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Records that were copied, and those that nobody needs any more. */
  readonly recordsKept: number;
  readonly recordsDropped: number;
}

/** One thing that is wrong with what a store has on disk. */
export interface Fault {
  /** Its name in the data directory. */
  readonly file: string;
  /** In bytes from the file's start. */
  readonly offset: number;
  /** How many are concerned; 0: not known, or the whole file. */
  readonly bytes: number;
  /** What is wrong, for people. */
  readonly what: string;
  /** The versions that are missing or may be, 0 when none are in particular. */
  readonly firstVersion: number;
  readonly lastVersion: number;
  /** Something that was stored may be missing because of this; false: all that it concerns can be read nevertheless. */
  readonly dataLost: boolean;
  /** Keys of damaged records, as stored and as far as they can be read: the first 16, and how many there are. */
  readonly keys: readonly Uint8Array[];
  readonly keyCount: number;
}

/** What {@link Store.verify} found. */
export interface VerifyReport {
  readonly files: number;
  /** Read. */
  readonly bytes: number;
  /** That check out, as do the records. */
  readonly frames: number;
  readonly records: number;
  /** Of the last record. */
  readonly lastVersion: number;
  /** The first 1,000; none when all is well. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
  /** Where the log ends with a write that a crash left unfinished, which opening cuts off: no fault. */
  readonly unfinished?: { readonly file: string; readonly offset: number };
}

/** What a backup took: the store as of `version`. */
export interface BackupReport {
  readonly version: number;
  readonly files: number;
  /** Of the files: shared with the store's own, until compaction replaces these. */
  readonly linkedBytes: number;
  readonly copiedBytes: number;
  /** Of the files that an earlier backup in the same directory had taken. */
  readonly skippedBytes: number;
}

/** What a restoration made: a store as it was at `version`. */
export interface RestoreReport {
  readonly version: number;
  /** Copied, and what is in them. */
  readonly files: number;
  readonly bytes: number;
  readonly records: number;
  /** When the backup was made, in milliseconds since 1970. */
  readonly backupTimeMs: number;
}

/** What a repair found and did, see repair.ts. */
export interface NativeRepairReport extends VerifyReport {
  readonly keys: number;
  readonly keptBytes: number;
  readonly expired: number;
  readonly dataLost: boolean;
  readonly kept: readonly (readonly number[])[];
}

/** Options by the names of native/core/options.h, all present. */
export interface NativeOptions {
  readonly shards: number;
  readonly slotToShard: Uint16Array;
  readonly sync: number;
  readonly syncEveryMs: number;
  readonly createIfMissing: boolean;
  readonly errorIfExists: boolean;
  readonly readOnly: boolean;
  readonly compression: number;
  readonly autoCompaction: boolean;
  readonly compactionDeadPercent: number;
  readonly compactionLogBytesMin: number;
  readonly compactionIoPercent: number;
  readonly segmentBytes: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly batchOperationsMax: number;
  readonly batchBytesMax: number;
  readonly pendingBytesMax: number;
  readonly readerQueueMax: number;
}

/** Of an opening that takes long, see OpenProgress in native/core/store.h. */
export type OnOpenProgress = (bytesDone: number, bytesTotal: number, records: number) => void;

/** What a store counts; see {@link Native.stats}. Sizes are in bytes, `…Ms` in milliseconds, `…Ns` in nanoseconds. */
export interface NativeStats {
  /** Keys in the index; expired ones count until they are removed. */
  readonly keys: number;
  readonly keysWithDeadline: number;
  /** Memory of the index. */
  readonly indexBytes: number;
  readonly segments: number;
  /** In use in all segments. */
  readonly logBytes: number;
  /** An estimate of what compaction would leave. */
  readonly liveBytes: number;
  /** Sizes of the files, space made ahead and hints included; a segment that is still empty (128 bytes) does not count. */
  readonly diskBytes: number;
  /** Of them, hints: small files by which opening takes segments without reading them. */
  readonly hintBytes: number;
  /** Segments that have one. The last one never has, nor have very short ones, or those of very small records. */
  readonly hintedSegments: number;
  /** The highest version given out. */
  readonly lastVersion: number;
  readonly acknowledgedVersion: number;
  readonly durableVersion: number;
  /** Openings for writing so far. */
  readonly epoch: number;
  readonly commitGroups: number;
  readonly committedRecords: number;
  /** Of these records in the log. */
  readonly committedBytes: number;
  readonly syncs: number;
  readonly syncNsTotal: number;
  readonly syncNsMax: number;
  /** Accepted and not yet written. */
  readonly pendingBytes: number;
  /** Values put since opening, before and after compression. */
  readonly rawValueBytes: number;
  readonly storedValueBytes: number;
  /** Promise reads answered at once, and those that went to a reader thread. */
  readonly inlineReads: number;
  readonly coldReads: number;
  /** How long opening took. */
  readonly openMs: number;
  /** Records that opening read, from how many segments, and how long that took. */
  readonly openRecords: number;
  readonly openReadSegments: number;
  readonly openReadNs: number;
  /** Keys that opening took from hints instead, of how many segments, and how long that took. */
  readonly openHintedKeys: number;
  readonly openHintedSegments: number;
  readonly openHintsNs: number;
  /** Segments that were read because they have no hint; because it is damaged, or of another segment or state; because not all
   * that they hold was proven durable. */
  readonly openHintsMissing: number;
  readonly openHintsWrong: number;
  readonly openHintsUnproven: number;
  /** Of the unproven tail that recovery wrote again. */
  readonly openRewrittenBytes: number;
  /** Slots that rebalancing gave to another shard since opening, whoever's. */
  readonly slotsMoved: number;
  /** The store had been closed cleanly when it was opened. */
  readonly cleanOpen: boolean;
  readonly diskFull: boolean;
  /** Changes up to this version may be missing from the log: `watch({ from })` works from here on. */
  readonly feedFloor: number;
  /** A compaction is under way. */
  readonly compacting: boolean;
  /** Compactions since the store was opened, and what they read, wrote and dropped. */
  readonly compactions: number;
  readonly compactionReadBytes: number;
  readonly compactionWrittenBytes: number;
  readonly compactionDroppedRecords: number;
  /** Of the backup under way, and how many of them are done; 0 when there is none. */
  readonly backupBytes: number;
  readonly backupBytesDone: number;
}

/** What is asked of a slot. */
export interface SlotLoad {
  /** 0 to 16,383. */
  readonly slot: number;
  /** The shard that has it. */
  readonly shard: number;
  /**
   * Reads and writes of its keys, lately: an average whose weight halves every 30 seconds into the past, or the average since
   * the loads were last looked at when that is longer ago. What the cache or the write-back buffer answers does not count.
   */
  readonly operationsPerSecond: number;
}

/** What {@link Store.stats} tells: the store's counts, and those of this handle's cache and write-back buffer. */
export interface StoreStats extends NativeStats {
  /** Operations a second on the slots that each shard has now, lately; see {@link SlotLoad}. */
  readonly shardLoads: readonly number[];
  /** The slots with the most load, at most 16, the first the hottest; none that nobody asked for. */
  readonly hottestSlots: readonly SlotLoad[];
  /** Expired keys that this handle has removed. */
  readonly expiredKeys: number;
  readonly cacheEntries: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  /** Puts that wait in the write-back buffer, and about what they take. */
  readonly writeBackEntries: number;
  readonly writeBackBytes: number;
  /** Puts that replaced one of the same key in the buffer. */
  readonly writeBackCoalesced: number;
  /** Batches that the buffer wrote. */
  readonly flushes: number;
}

/** A batch's keys or values: back to back, with the length of each in UTF-16 units (string) or bytes (array). */
export interface Column {
  readonly data: Bytes;
  readonly lengths: Uint32Array;
}

/** The cold form of a value read: the value, its version, when it expires (0: never), its change counter,
 * and the time by the store's clock. */
export type ColdEntry = readonly [
  value: string | Buffer,
  version: number,
  expiresAtMs: number,
  counterIndex: number,
  counter: number,
  nowMs: number,
];
