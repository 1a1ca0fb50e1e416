// The store's events, and how they are told: an `error` that nobody listens to becomes a process warning, never a crash.
import { EventEmitter } from "node:events";
import type { CompactionReport } from "./native.js";
import type { SlotMove } from "./rebalance-policy.js";

/** What a store emits, with the arguments of its listeners. */
export interface StoreEvents<K> {
  /**
   * Keys that this handle's active expiry removed, after their removal was acknowledged. Each handle of a store has a cycle, and
   * whichever comes first to a key tells of it; `watch` shows all handles each removal, as a delete.
   */
  expired: [keys: K[]];
  /** Slots that this handle's rebalancing gave to another shard, in one round. */
  rebalanced: [moves: readonly SlotMove[]];
  /** Compactions that ended well, requested or automatic, of this store whichever handle it was. */
  compacted: [report: CompactionReport];
  /** The failure after which the store takes no more writes, once. */
  failure: [error: Error];
  /** Trouble of work that nobody waits for, such as active expiry. Without a listener: a process warning. */
  error: [error: Error];
}

export class StoreEmitter<K> extends EventEmitter<StoreEvents<K>> {
  /** @internal */
  protected report(error: Error): void {
    if (this.listenerCount("error") > 0) {
      (this as EventEmitter).emit("error", error);
    } else {
      process.emitWarning(error);
    }
  }
}
