// The addon as TypeScript sees it: gives every native function its type. With what finds it (addon.cts, load-addon.ts), the
// only file that knows native code exists. Arguments are positional and already valid here; the addon checks them again.
import { loadAddon } from "./load-addon.js";
import { errorOfStatus } from "./errors.js";
import type {
  Handle,
  Group,
  Bytes,
  OnCommit,
  CompactionReport,
  VerifyReport,
  BackupReport,
  RestoreReport,
  NativeRepairReport,
  NativeOptions,
  OnOpenProgress,
  NativeStats,
  ColdEntry,
} from "./native-types.js";

export type * from "./native-types.js";

interface Native {
  init(
    createError: typeof errorOfStatus,
    arrayOf: (...items: unknown[]) => unknown[],
    arrayPush: (...items: unknown[]) => number,
  ): Float64Array;

  open(path: string, options: NativeOptions, onCommit: OnCommit, onProgress?: OnOpenProgress): Promise<Handle>;
  close(handle: Handle): Promise<void>;

  put(handle: Handle, key: Bytes, value: Bytes, ttlMs: number): Group;
  /** Of up to 64 keys and values, one after the other, without deadlines: one batch. */
  putRow(handle: Handle, ...keysAndValues: string[]): Group;
  /** 2 * group + (1 when the key was there). */
  delete(handle: Handle, key: Bytes): number;
  /** The same. `ttlMs` 0 takes the deadline away. */
  expire(handle: Handle, key: Bytes, ttlMs: number): number;
  kick(handle: Handle): void;
  /** The group whose durability to wait for; 0 when everything is durable. */
  requestDurable(handle: Handle): Group;
  /** Changes before the log takes changes back in memory; see Store::Rollbacks in native/core/store.h. */
  rollbacks(handle: Handle): number;
  /**
   * Rollbacks, and which groups were taken back up to then whose failure onCommit has still to tell of: [rollbacks, first, last, first,
   * last, ...]. Waits for a roll-back that is under way, in memory.
   */
  takenBackGroups(handle: Handle): readonly number[];

  /**
   * Or NOT_RESIDENT: a guard's page may not be in memory, use writeBatchCold; or TAKEN_BACK, if `rollbacks` is not native.rollbacks: what
   * was known of the store may not be so any more. Results: version, committed, failedIndex.
   */
  writeBatch(
    handle: Handle,
    kind: number,
    keys: Bytes,
    keyLengths: Uint32Array,
    values: Bytes | undefined,
    valueLengths: Uint32Array | undefined,
    rows: Float64Array | undefined,
    rollbacks: number | undefined,
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
    rollbacks: number | undefined,
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
  serverResetCounts(handle: Handle, server: number): void;
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
  /** Of the command that went up, as many as `wordsMax`. */
  sessionArguments(handle: Handle, session: number, wordsMax: number): Buffer[];
  /** Which keyspace notifications are wanted, NOTIFY_… bits; and those of commands that were committed (session.h has their form). */
  serverNotify(handle: Handle, server: number, classes: number): void;
  sessionTakeNotifications(handle: Handle, session: number, target: Uint8Array): void;
  /** Of the commands that the EXEC that went up would run; undefined when these are more words than `wordsMax`. */
  sessionQueued(handle: Handle, session: number, wordsMax: number): Buffer[][] | undefined;
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
  /** Whether bytes match a pattern as KEYS takes it. */
  matchesPattern(pattern: Uint8Array, bytes: Uint8Array): boolean;
  /** Replies in RESP3 as the text protocol has them, in one of its forms; undefined when that is more than `bytesMax`. */
  printReplies(replies: Uint8Array, form: number, bytesMax: number): Buffer | undefined;
  /** The table of commands, as JSON. */
  describeCommands(): string;

  /** The token, of the caller's choice, is for cancelRequest. */
  compact(handle: Handle, token: number): Promise<CompactionReport>;
  /** The token as above. */
  backup(handle: Handle, targetPath: string, token: number): Promise<BackupReport>;
  cancelRequest(handle: Handle, token: number): void;
  /** Of an open store, or with handle 0 of a directory. The token, of the caller's choice, is for cancelTask. */
  verify(handle: Handle, path: string, token: number): Promise<VerifyReport>;
  /** `kept`: for each fault and each of its keys, a KeptVersion of native/core/repair.h. The token as above. */
  repair(path: string, targetPath: string, token: number): Promise<NativeRepairReport>;
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

export const native = loadAddon() as Native;

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
export const SET_TRIM = 6;
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
export const RESULT_HELD_BYTES = 18;

/** Classes of keyspace notifications, as in native/protocol/command.h. */
export const NOTIFY_GENERIC = 1;
export const NOTIFY_STRING = 2;
export const NOTIFY_EXPIRED = 4;
export const NOTIFY_NEW = 8;
export const NOTIFY_MISS = 16;

/** What writeBatch answers instead of a group. */
export const NOT_RESIDENT = -1;
export const TAKEN_BACK = -2;

/** Operation kinds and guards, as in native/core/store.h. */
export const KIND_CHECK = 0;
export const KIND_PUT = 1;
export const KIND_DELETE = 2;
export const KIND_EXPIRE = 3;
export const GUARD_NONE = 0;
export const GUARD_ABSENT = 1;
export const GUARD_PRESENT = 2;
export const GUARD_VERSION = 3;
/** Added to a row's kind and guard: a put keeps the key's time to live. */
export const ROW_KEEP_TTL = 256;
/** Numbers in the row of one operation: kind + 16 * guard, guard version, ttlMs. */
export const ROW_NUMBERS = 3;
