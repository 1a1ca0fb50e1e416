// An open store apart from its data: its events, its work in the background, what it tells of itself, and its end. store.ts
// builds the operations on it.
import { markAsUntransferable } from "node:worker_threads";
import { backupSession } from "./backup.js";
import type { BackupOptions } from "./backup.js";
import { compact } from "./compaction.js";
import type { CompactOptions } from "./compaction.js";
import type { Codec } from "./encodings.js";
import { rejected } from "./errors.js";
import { StoreEmitter } from "./events.js";
import { decodeRange } from "./iteration.js";
import { native } from "./native.js";
import type { BackupReport, CompactionReport, StoreStats, VerifyReport } from "./native.js";
import type { ResolvedOptions } from "./options.js";
import type { SlotMove } from "./rebalance-policy.js";
import { Rebalancer } from "./rebalancer.js";
import type { Session } from "./session.js";
import { loadsOf, reportSlots } from "./slot-loads.js";
import { ExpiryCycle, keysOf } from "./ttl.js";
import { verifySession } from "./verify.js";
import type { VerifyOptions } from "./verify.js";
import { WriteBack } from "./write-back.js";

/** What every {@link Store} is beside its operations. */
export class OpenStore<K> extends StoreEmitter<K> {
  /** `await using db = await open(…)` closes at the end of the block, where the runtime has `Symbol.asyncDispose`. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #session: Session;
  readonly #keyCodec: Codec;
  readonly #shards: number;
  readonly #expiry: ExpiryCycle | undefined;
  readonly #rebalancer: Rebalancer | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  protected constructor(session: Session, options: ResolvedOptions) {
    super();
    this.#session = session;
    this.#keyCodec = options.keyCodec;
    this.#shards = options.native.shards;
    session.onCompacted = (report) => this.emit("compacted", report);
    session.onFailure = (error) => this.emit("failure", error);
    const { writeBack } = options;
    if (writeBack !== undefined) session.writeBack = new WriteBack(session, writeBack, (error) => this.report(error));
    if (!options.native.readOnly)
      this.#expiry = new ExpiryCycle(session, this.#onExpired, (error) => this.report(error));
    if (options.rebalance !== undefined)
      this.#rebalancer = new Rebalancer(session, this.#shards, options.rebalance, this.#onMoved);
  }

  /**
   * Resolves when everything written so far survives power loss, in every mode. With the option `writeBack` it writes the
   * buffered puts first, as one batch; when it rejects they stay buffered.
   *
   * @throws (rejects) `CRABKV_INDETERMINATE` when the sync fails: what power loss would leave is unknown.
   */
  flush(): Promise<void> {
    try {
      return this.#session.flush().then(() => undefined);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Looks through everything that is in the log now and gives back the space of what is overwritten, deleted or expired and
   * removed, in the background and within `compaction.ioShare`; reads and writes go on. Calls that wait for each other share
   * one run. Rejects with the signal's reason when that is aborted, with `CRABKV_CLOSED` when the store closes (both give up
   * what is under way, which changes nothing), with `CRABKV_DISK_FULL`, `CRABKV_IO` or `CRABKV_CORRUPTION` when it can't, with
   * `CRABKV_BUSY` when writes failed meanwhile, with `CRABKV_FAILED` after a failure of the store, and with `CRABKV_READ_ONLY`.
   */
  compact(options?: CompactOptions): Promise<CompactionReport> {
    try {
      return compact(this.#session, options);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Reads everything that the store has on disk as of this call and reports what fails a check; reads and writes go on. Resolves
   * also when there are faults: see the report.
   *
   * @throws (rejects) `CRABKV_IO`; `CRABKV_CLOSED` when the store closes meanwhile; the signal's reason.
   */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    try {
      return verifySession(this.#session, options);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Makes the directory `targetPath` a backup of the store, or brings the backup of this store that is there up to date: everything
   * accepted before the call, and of what is written meanwhile a prefix of the log, so batches as a whole; the report's `version` says
   * up to where. Reads and writes go on; no compaction runs meanwhile, and the work keeps to `compaction.ioShare`. Files that nothing
   * changes any more are hard links where the file system can do that, so a backup that is to survive the disk belongs on another one.
   * A backup opens with `readOnly` only; {@link restore} makes a store of it. Until the last step the directory has the backup of
   * before, or none.
   *
   * @throws (rejects) `TypeError` when `targetPath` is the store's directory or inside of it; `CRABKV_EXISTS` when it is something else
   * than a backup of this store, or one of a later state; `CRABKV_LOCKED` while somebody reads it; `CRABKV_DISK_FULL`, `CRABKV_IO`,
   * `CRABKV_CORRUPTION`; `CRABKV_BUSY` when writes failed meanwhile; `CRABKV_FAILED`, `CRABKV_READ_ONLY`, `CRABKV_CLOSED`; the signal's
   * reason.
   */
  backup(targetPath: string, options?: BackupOptions): Promise<BackupReport> {
    try {
      return backupSession(this.#session, targetPath, options);
    } catch (error) {
      return rejected(error);
    }
  }

  /** What the store counts, as a plain object. */
  stats(): StoreStats {
    const { handle, cache, writeBack, expiredKeys } = this.#session;
    return {
      ...native.stats(handle),
      ...loadsOf(reportSlots(handle), this.#shards),
      expiredKeys,
      cacheEntries: cache?.size ?? 0,
      cacheHits: cache?.hits ?? 0,
      cacheMisses: cache?.misses ?? 0,
      writeBackEntries: writeBack?.size ?? 0,
      writeBackBytes: writeBack?.bytes ?? 0,
      writeBackCoalesced: writeBack?.coalesced ?? 0,
      flushes: writeBack?.flushes ?? 0,
    };
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
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#rebalancer?.stop();
    const expiryEnded = this.#expiry?.stop();
    await this.#session.close(expiryEnded);
  }

  readonly #onMoved = (moves: readonly SlotMove[]): void => {
    this.emit("rebalanced", moves);
  };

  readonly #onExpired = (chunk: ArrayBuffer): void => {
    for (const observer of this.#session.observers) observer.expired(chunk);
    if (this.listenerCount("expired") === 0) return;
    markAsUntransferable(chunk); // keys as Buffers share it
    this.emit(
      "expired",
      keysOf(chunk).map((key) => decodeRange(this.#keyCodec, key, 0, key.length) as K),
    );
  };
}

// Older releases of Node 20 have no Symbol.asyncDispose.
if ((Symbol.asyncDispose as symbol | undefined) !== undefined) {
  Object.defineProperty(OpenStore.prototype, Symbol.asyncDispose, {
    configurable: true,
    writable: true,
    value(this: OpenStore<unknown>) {
      return this.close();
    },
  });
}
