// What commits do, for whoever subscribes to the diagnostics channel `crabkv:commit`. Without subscribers nothing is looked at.
import { channel } from "node:diagnostics_channel";
import { native } from "./native.js";
import type { Handle, NativeStats } from "./native.js";

/**
 * What is published on the channel `crabkv:commit` when commit groups of a store were acknowledged: what has happened since the message
 * before, or since somebody subscribed. Groups that are done at the same time share a message; each open handle tells of all groups of its store.
 */
export interface CommitMessage {
  /** Commit groups that were written. */
  readonly groups: number;
  /** Records in them, and their bytes in the log. */
  readonly records: number;
  readonly bytes: number;
  /** Syncs of the log that ended, and how long these took together. */
  readonly syncs: number;
  readonly syncMs: number;
  /** Up to where the log is acknowledged, and durable. */
  readonly acknowledgedVersion: number;
  readonly durableVersion: number;
}

const NS_PER_MS = 1e6;
const commitChannel = channel("crabkv:commit");

export class CommitChannel {
  #before: NativeStats | undefined;

  /** Something may be committed from now on. */
  prepare(handle: Handle): void {
    if (commitChannel.hasSubscribers && this.#before === undefined && handle !== 0) this.#before = native.stats(handle);
  }

  /** The addon has news of the store. */
  report(handle: Handle): void {
    if (!commitChannel.hasSubscribers || handle === 0) {
      this.#before = undefined;
      return;
    }
    const now = native.stats(handle);
    const before = this.#before;
    this.#before = now;
    if (before === undefined) return;
    const message: CommitMessage = {
      groups: now.commitGroups - before.commitGroups,
      records: now.committedRecords - before.committedRecords,
      bytes: now.committedBytes - before.committedBytes,
      syncs: now.syncs - before.syncs,
      syncMs: (now.syncNsTotal - before.syncNsTotal) / NS_PER_MS,
      acknowledgedVersion: now.acknowledgedVersion,
      durableVersion: now.durableVersion,
    };
    if (message.groups > 0 || message.syncs > 0) commitChannel.publish(message);
  }
}
