// The addon as TypeScript sees it: loads it, and gives every native function its type. The only file that knows native
// code exists. Arguments are positional and already valid here; the addon checks them again.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { errorOfStatus } from "./errors.js";

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
  /** Sizes of the files, space made ahead and hints included. */
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

interface Native {
  init(
    createError: typeof errorOfStatus,
    arrayOf: (...items: unknown[]) => unknown[],
    arrayPush: (...items: unknown[]) => number,
  ): Float64Array;

  open(path: string, options: NativeOptions, onCommit: OnCommit, onProgress?: OnOpenProgress): Promise<Handle>;
  close(handle: Handle): Promise<void>;

  put(handle: Handle, key: Bytes, value: Bytes, ttlMs: number): Group;
  /** 2 * group + (1 when the key was there). */
  delete(handle: Handle, key: Bytes): number;
  /** The same. `ttlMs` 0 takes the deadline away. */
  expire(handle: Handle, key: Bytes, ttlMs: number): number;
  kick(handle: Handle): void;
  /** The group whose durability to wait for; 0 when everything is durable. */
  requestDurable(handle: Handle): Group;

  /** -1: a guard's page may not be in memory, use writeBatchCold. Results: version, committed, failedIndex. */
  writeBatch(
    handle: Handle,
    kind: number,
    keys: Bytes,
    keyLengths: Uint32Array,
    values: Bytes | undefined,
    valueLengths: Uint32Array | undefined,
    rows: Float64Array | undefined,
    existed: Uint8Array | undefined,
  ): Group;
  writeBatchCold(
    handle: Handle,
    kind: number,
    keys: Bytes,
    keyLengths: Uint32Array,
    values: Bytes | undefined,
    valueLengths: Uint32Array | undefined,
    rows: Float64Array | undefined,
  ): Promise<readonly [group: Group, version: number, committed: number, failedIndex: number]>;
  /** Independent puts; how many were taken, from `from` on. Results: firstGroup, lastGroup, busy. */
  putEach(
    handle: Handle,
    from: number,
    keys: Bytes,
    keyLengths: Uint32Array,
    values: Bytes,
    valueLengths: Uint32Array,
    ttlMs: number | Float64Array,
  ): number;

  /** null: the page may not be in memory, and `wait` is false. Results: version, expiresAtMs, counter…, now. */
  getText(handle: Handle, key: Bytes, wait: boolean): string | undefined | null;
  /** Length of the value; -1 none, -2 as null above. Longer than the room in target: takeRead must follow. */
  getBytes(handle: Handle, key: Bytes, wait: boolean, target: Uint8Array, offset: number): number;
  takeRead(target: Uint8Array): void;
  getMany(
    handle: Handle,
    keys: Bytes,
    keyLengths: Uint32Array,
    wait: boolean,
    lengths: Int32Array | undefined,
  ): (string | undefined)[] | number | null;
  has(handle: Handle, key: Bytes): boolean;
  hasMany(handle: Handle, keys: Bytes, keyLengths: Uint32Array, found: Uint8Array): void;
  /** Milliseconds left; Infinity: never expires; -1: no such key. */
  ttl(handle: Handle, key: Bytes): number;
  getCold(handle: Handle, key: Bytes, asText: boolean): Promise<ColdEntry | undefined>;
  getManyCold(
    handle: Handle,
    keys: Bytes,
    keyLengths: Uint32Array,
    asText: boolean,
  ): Promise<(string | Buffer | undefined)[]>;

  /** Milliseconds until the first key may expire; Infinity: none has a deadline. */
  nextDeadline(handle: Handle): number;
  /** Deletes up to so many expired keys. The chunk has each key's length (u32) and bytes. */
  removeExpired(
    handle: Handle,
    keysMax: number,
  ): Promise<readonly [chunk: ArrayBuffer, removed: number, more: boolean, group: Group]>;

  shardOf(handle: Handle, key: Bytes): number;
  /** Of each slot: operations a second, and its shard. */
  reportSlots(handle: Handle, loads: Float64Array, shards: Uint16Array): void;
  /** Whether it moved: not when it is not `from`'s any more. */
  moveSlot(handle: Handle, slot: number, from: number, to: number): boolean;

  scanOpen(handle: Handle, prefix: Bytes, values: boolean, afterVersion: number): number;
  scanNext(
    handle: Handle,
    scan: number,
    entriesMax: number,
    bytesMax: number,
  ): Promise<readonly [chunk: ArrayBuffer, entries: number, done: boolean, version: number]>;
  scanEnd(handle: Handle, scan: number): void;
  /** A scan of changes, see NewFeed in native/core/store.h; without `resume` from now on. Results: version. */
  feedOpen(handle: Handle, prefix: Bytes, resume: boolean, afterVersion: number, lagBytesMax: number): number;
  /** Whether the feed's next change is waited for, which holds the event loop. */
  feedWait(handle: Handle, feed: number, waiting: boolean): void;

  // Sessions of servers, see native/protocol/session.h. What came out is at target[offset] if it fits there, else
  // sessionTake fetches it. Results: reply bytes, replies, reply group,
  // reply form, midway: whether a request has begun that is not there in full, executing: whether EXEC is under way,
  // and what became of the first EXEC that has ended, see EXEC_COMMITTED.
  serverOpen(handle: Handle, numbers: Float64Array): number;
  /** By a command's place in the table, and one more for commands that are not there: 1 when it goes up although it could run natively. */
  serverHook(handle: Handle, server: number, goesUp: Uint8Array): void;
  /** Into `target`, of each command and then of unknown ones: see native/protocol/command_counts.h. */
  serverCounts(handle: Handle, server: number, target: Float64Array): void;
  serverPause(handle: Handle, server: number, what: Paused): void;
  sessionOpen(handle: Handle, server: number): number;
  sessionFeed(handle: Handle, session: number, bytes: Uint8Array, target: Uint8Array, offset: number): SessionOutcome;
  sessionResume(handle: Handle, session: number, target: Uint8Array, offset: number): SessionOutcome;
  /** `captures`: the reply is for TypeScript first, see OUTCOME_REPLIED. */
  sessionProceed(
    handle: Handle,
    session: number,
    target: Uint8Array,
    offset: number,
    captures: boolean,
  ): SessionOutcome;
  sessionAnswer(handle: Handle, session: number, reply: Uint8Array, target: Uint8Array, offset: number): SessionOutcome;
  sessionTake(handle: Handle, session: number, target: Uint8Array): void;
  /** Of the command that went up. */
  sessionArguments(handle: Handle, session: number): Buffer[];
  /** Which keyspace notifications are wanted, NOTIFY_… bits; and those of commands that were committed (session.h has their form). */
  serverNotify(handle: Handle, server: number, classes: number): void;
  sessionTakeNotifications(handle: Handle, session: number, target: Uint8Array): void;
  /** Of the commands that the EXEC that went up would run. */
  sessionQueued(handle: Handle, session: number): Buffer[][];
  /** Whether the command that went up, or one that its EXEC would run, has become this one: not when it cannot run there. */
  sessionReplace(
    handle: Handle,
    session: number,
    queued: number | undefined,
    words: Uint8Array,
    lengths: Uint32Array,
  ): boolean;
  sessionRunJob(handle: Handle, session: number): Promise<void>;
  sessionSet(handle: Handle, session: number, property: number, value: number): void;
  sessionEnd(handle: Handle, session: number): void;
  /** The table of commands, as JSON. */
  /** Whether bytes match a pattern as KEYS takes it. */
  matchesPattern(pattern: Uint8Array, bytes: Uint8Array): boolean;
  describeCommands(): string;

  /** The token, of the caller's choice, is for cancelCompaction. */
  compact(handle: Handle, token: number): Promise<CompactionReport>;
  cancelCompaction(handle: Handle, token: number): void;
  /** Of an open store, or with handle 0 of a directory. The token, of the caller's choice, is for cancelTask. */
  verify(handle: Handle, path: string, token: number): Promise<VerifyReport>;
  /** `kept`: for each fault and each of its keys, a KeptVersion of native/core/repair.h. The token as above. */
  repair(path: string, targetPath: string, token: number): Promise<NativeRepairReport>;
  /** The token, of the caller's choice, is for cancelBackup. */
  backup(handle: Handle, targetPath: string, token: number): Promise<BackupReport>;
  cancelBackup(handle: Handle, token: number): void;
  /** The token is for cancelTask. */
  restore(backupPath: string, targetPath: string, token: number): Promise<RestoreReport>;
  cancelTask(token: number): void;
  stats(handle: Handle): NativeStats;
  failure(handle: Handle): Error | undefined;
  /** The store's change counters (Uint32), shared memory; undefined where the runtime does not allow it. */
  changeCounters(handle: Handle): ArrayBuffer | undefined;
  /** Frames of a segment file as text, from an offset on; `next` is 0 after the last. Reads the file synchronously. */
  dumpSegment(path: string, fromOffset: number, framesMax: number): { text: string; next: number };
}

// dist/native.js and src/native.ts are both one folder below the package.
const override = process.env.CRABKV_ADDON;
const addonPath = override === undefined ? "../build/Release/crabkv.node" : resolve(override);

export const native = createRequire(import.meta.url)(addonPath) as Native;

/** Why a session stopped, as in native/protocol/session.h. */
export const OUTCOME_NEED_MORE = 0;
export const OUTCOME_UP = 1;
export const OUTCOME_JOB = 2;
export const OUTCOME_BUDGET = 3;
export const OUTCOME_BUSY = 4;
export const OUTCOME_CLOSE = 5;
export const OUTCOME_PAUSED = 6;
export const OUTCOME_REPLIED = 7;
export type SessionOutcome = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** CLIENT PAUSE: commands that wait, as in native/protocol/session.h. */
export const PAUSE_NOTHING = 0;
export const PAUSE_WRITES = 1;
export const PAUSE_ALL = 2;
export type Paused = 0 | 1 | 2;

/** Properties that sessionSet takes, as in native/addon/sessions.cc. */
export const SET_FORM = 0;
export const SET_AUTHENTICATED = 1;
export const SET_FORGET = 2;
export const SET_CLOSE_AFTER_REPLIES = 3;
export const SET_MUTE = 4;
export const SET_SUBSCRIBED = 5;
/** What SET_MUTE takes. */
export const MUTE_NONE = 0;
export const MUTE_NEXT = 1;
export const MUTE_ALL = 2;

/** What native calls return beside their value; read at once, before the next call. Indexes as in environment.h. */
export const results = native.init(errorOfStatus, (...items) => items, Array.prototype.push);
export const RESULT_VERSION = 0;
export const RESULT_EXPIRES_AT_MS = 1;
export const RESULT_COMMITTED = 2;
export const RESULT_FAILED_INDEX = 3;
export const RESULT_FIRST_GROUP = 4;
export const RESULT_LAST_GROUP = 5;
export const RESULT_BUSY = 6;
export const RESULT_COUNTER_INDEX = 7;
export const RESULT_COUNTER = 8;
export const RESULT_NOW_MS = 9;
export const RESULT_REPLY_BYTES = 10;
export const RESULT_REPLIES = 11;
export const RESULT_REPLY_GROUP = 12;
export const RESULT_REPLY_FORM = 13;
export const RESULT_MIDWAY = 14;
export const RESULT_EXECUTING = 15;
export const RESULT_EXEC_FATE = 16;
/** What it is: none has ended, or the first that has. */
export const EXEC_NONE = 0;
export const EXEC_COMMITTED = 1;
export const RESULT_NOTIFICATION_BYTES = 17;

/** Classes of keyspace notifications, as in native/protocol/command.h. */
export const NOTIFY_GENERIC = 1;
export const NOTIFY_STRING = 2;
export const NOTIFY_EXPIRED = 4;
export const NOTIFY_NEW = 8;

/** Operation kinds and guards, as in native/core/store.h. */
export const KIND_CHECK = 0;
export const KIND_PUT = 1;
export const KIND_DELETE = 2;
export const KIND_EXPIRE = 3;
export const GUARD_NONE = 0;
export const GUARD_ABSENT = 1;
export const GUARD_PRESENT = 2;
export const GUARD_VERSION = 3;
/** Numbers in the row of one operation: kind + 16 * guard, guard version, ttlMs. */
/** Added to a row's kind and guard: a put keeps the key's time to live. */
export const ROW_KEEP_TTL = 256;
export const ROW_NUMBERS = 3;
