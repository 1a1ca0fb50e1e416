// What a store, its iterators and its streams share while it is open: the handle, the commits they wait for, and the kick
// at the end of the turn. The addon talks back to this object only, through onCommit.
import { flushBuffer } from "./buffered-writes.js";
import type { ReadCache } from "./cache.js";
import type { Changes } from "./changes.js";
import { CommitChannel } from "./commit-channel.js";
import { Commits } from "./commits.js";
import { native } from "./native.js";
import type { CompactionReport, Group, Handle, OnCommit } from "./native.js";
import { endRow } from "./put-row.js";
import type { RowBounds } from "./put-row.js";
import type { WriteBack } from "./write-back.js";
import type { BatchBounds } from "./writes.js";

/** How often close() tries to flush the write-back buffer while others keep the queue full: for about five seconds. */
const LAST_FLUSH_TRIES = 500;

/** Told of every report of the addon: how far groups are acknowledged, and which failed. */
export interface CommitObserver {
  acknowledgedUpTo(group: Group): void;
  failedBetween(first: Group, last: Group, error: Error): void;
  /** Active expiry has removed these keys, see keysOf() in ttl.ts; that is acknowledged. */
  expired(chunk: ArrayBuffer): void;
  /** The newest group whose fate it waits for; 0 for none. */
  readonly awaitedGroup: Group;
  /** The store is about to close, and still holds its directory's lock. */
  storeCloses(): void;
}

export class Session {
  #handle: Handle = 0;
  /** The handle while close() waits: writes that were on their way to another thread still have to become durable. */
  #closingHandle: Handle = 0;
  /** Of read values, when the store has one. */
  cache: ReadCache | undefined;
  /** Of puts that wait for a flush, when the store has one. */
  writeBack: WriteBack | undefined;
  readonly acknowledgements = new Commits();
  /** Undefined: nobody wants to hear of writes. */
  changes: Changes | undefined;
  /** Servers on this store. */
  readonly observers = new Set<CommitObserver>();
  /** Whether the expiry cycle removes what is due; off only for a while, by DEBUG SET-ACTIVE-EXPIRE. */
  activeExpiry = true;
  /** Keys that this handle's cycle has removed. */
  expiredKeys = 0;
  /** The highest group that is known to be acknowledged. */
  acknowledgedGroup: Group = 0;
  readonly #durability = new Commits();
  readonly commitChannel = new CommitChannel();
  /** Reports of the addon so far, and whom to wake at the next one, or at close: they take themselves out. */
  newsCount = 0;
  readonly sleepers = new Set<() => void>();
  /** Whether a write can be acknowledged before it is durable. */
  readonly #lazy: boolean;
  #kickScheduled = false;
  /** Told of the sticky failure, once. */
  onFailure: ((error: Error) => void) | undefined;
  failed = false;
  /** Told of compactions that ended, whoever asked for them. */
  onCompacted: ((report: CompactionReport) => void) | undefined;
  #room: Promise<void> | undefined;
  #roomArrived: (() => void) | undefined;

  constructor(
    lazy: boolean,
    /** Largest value of the store. */
    readonly valueBytesMax: number,
    readonly rowBounds: RowBounds,
    readonly batchBounds: BatchBounds,
  ) {
    this.#lazy = lazy;
  }

  /**
   * 0 from close() on: every native call with it fails with CRABKV_CLOSED. What begins with asking for it comes after all puts
   * that were made before, also those that waited for company; and what it commits is seen by the commit channel, however early
   * the log's writer, if it is awake, takes it.
   */
  get handle(): Handle {
    endRow();
    this.commitChannel.prepare(this.#handle);
    return this.#handle;
  }

  set handle(handle: Handle) {
    endRow();
    this.#handle = handle;
  }

  /** The handle, and while close() waits still that. */
  get openHandle(): Handle {
    const { handle } = this;
    return handle === 0 ? this.#closingHandle : handle;
  }

  readonly onCommit: OnCommit = (acknowledged, durable, room, failures, compacted) => {
    this.commitChannel.report(this.handle);
    if (failures !== undefined) {
      for (let i = 0; i < failures.length; i += 4) {
        const first = failures[i] as Group;
        const firstUnacknowledged = failures[i + 1] as Group;
        const last = failures[i + 2] as Group;
        const error = failures[i + 3] as Error;
        this.acknowledgements.fail(firstUnacknowledged, last, error);
        this.#durability.fail(first, last, error);
        this.writeBack?.failedBetween(firstUnacknowledged, last, error);
        for (const observer of this.observers) observer.failedBetween(firstUnacknowledged, last, error);
      }
    }
    this.acknowledgements.settle(acknowledged);
    this.#durability.settle(durable);
    this.writeBack?.settled(acknowledged);
    this.acknowledgedGroup = acknowledged;
    for (const observer of this.observers) observer.acknowledgedUpTo(acknowledged);
    if (room) this.#makeRoom();
    if (failures !== undefined) this.#checkFailure();
    if (compacted !== undefined) this.onCompacted?.(compacted);
    this.newsCount++;
    this.#wakeSleepers();
  };

  #wakeSleepers(): void {
    for (const wake of this.sleepers) wake();
  }

  #checkFailure(): void {
    if (this.failed || this.handle === 0) return;
    const failure = native.failure(this.handle);
    if (failure === undefined) return;
    this.failed = true;
    this.onFailure?.(failure);
  }

  /** Wakes the writer once at the end of the turn, so that the writes of a turn share a commit group. */
  kick(): void {
    if (this.#kickScheduled) return;
    this.#kickScheduled = true;
    queueMicrotask(this.#kickNow);
  }

  readonly #kickNow = (): void => {
    this.#kickScheduled = false;
    native.kick(this.handle);
  };

  /** Where to wait for the group that was just written. `durable`: until it survives power loss, in any mode. */
  commitsOf(durable: boolean): Commits {
    if (!durable || !this.#lazy) return this.acknowledgements;
    // Watermarks that nobody asked for are not reported, so this may be the first to hear that the group is durable.
    if (native.requestDurable(this.openHandle) !== 0) return this.#durability;
    // It is durable, or it has failed: the next report of acknowledgements says which.
    return this.acknowledgements;
  }

  /** See {@link Commits.late}: for a write that may be waited for until it is durable. */
  late(): () => void {
    const acknowledged = this.acknowledgements.late();
    const durable = this.#durability.late();
    return () => {
      acknowledged();
      durable();
    };
  }

  /** Resolves when everything written so far is durable, what waits in the write-back buffer included. */
  flush(): Promise<unknown> {
    const { writeBack, handle } = this;
    if (writeBack === undefined || handle === 0) return this.#flushLog(handle);
    return this.#flushBuffered(writeBack, handle);
  }

  async #flushBuffered(writeBack: WriteBack, handle: Handle): Promise<unknown> {
    const begun = this.late(); // a close() in between waits until it is known what is waited for here
    let flushed: Promise<unknown>;
    try {
      await flushBuffer(this, writeBack, handle, 0);
      const log = this.#flushLog(handle); // before anything else is waited for: it may throw
      const [first, last] = writeBack.openGroups;
      flushed = Promise.all([last !== 0 && this.acknowledgements.own(first, last, undefined), log]);
    } finally {
      begun();
    }
    return flushed;
  }

  #flushLog(handle: Handle): Promise<unknown> {
    const group = native.requestDurable(handle);
    // The log does not wait for a group that failed already, and that is not known here before the next report.
    const acknowledged = this.acknowledgements.allWaiting();
    if (group === 0) return acknowledged;
    // A failure of any group up to this one is a failure to do what was asked.
    return Promise.all([acknowledged, this.#durability.allUpTo(group)]);
  }

  /** Resolves when the store has room again after CRABKV_BUSY, or is closed. */
  room(): Promise<void> {
    return (this.#room ??= new Promise((resolve) => {
      this.#roomArrived = resolve;
    }));
  }

  #makeRoom(): void {
    this.#roomArrived?.();
    this.#room = this.#roomArrived = undefined;
  }

  /** Refuses new work, waits for what was accepted (and for `others`), and closes. */
  async close(others: Promise<void> | undefined): Promise<void> {
    const { handle, writeBack } = this;
    for (const observer of this.observers) {
      observer.storeCloses();
      this.#waitWith(observer);
    }
    const flushed = writeBack && this.#flushLast(writeBack, handle); // begins while the handle is there
    this.handle = 0;
    this.#closingHandle = handle;
    this.#makeRoom();
    this.#wakeSleepers();
    native.kick(handle);
    await others;
    const loss = await flushed;
    await this.acknowledgements.drained();
    await this.#durability.drained();
    this.#closingHandle = 0;
    await native.close(handle);
    if (loss !== undefined) throw loss;
  }

  /** What is not reported when the native store closes is never reported. */
  #waitWith({ awaitedGroup }: CommitObserver): void {
    if (awaitedGroup > 0) this.acknowledgements.own(awaitedGroup, awaitedGroup, undefined).catch(() => undefined);
  }

  /** Resolves with what kept the buffer from being flushed, if anything did. */
  async #flushLast(writeBack: WriteBack, handle: Handle): Promise<Error | undefined> {
    try {
      await flushBuffer(this, writeBack, handle, LAST_FLUSH_TRIES);
      native.kick(handle); // the session's own kick has no handle any more
      const [first, last] = writeBack.openGroups;
      if (last !== 0) await this.acknowledgements.own(first, last, undefined);
      return undefined;
    } catch (error) {
      return error as Error;
    } finally {
      writeBack.end();
    }
  }
}
