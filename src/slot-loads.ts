// What is asked of the slots of an open store, and which shard has each: as the core tells it, and as stats() does.
import { native } from "./native.js";
import type { Handle, StoreStats } from "./native.js";
import { SLOT_COUNT } from "./router.js";

/** The slots of an open store. */
export interface SlotReport {
  /** Operations a second of each slot, lately. */
  readonly loads: Float64Array;
  /** The shard of each slot. */
  readonly shards: Uint16Array;
}

export function reportSlots(handle: Handle): SlotReport {
  const report = { loads: new Float64Array(SLOT_COUNT), shards: new Uint16Array(SLOT_COUNT) };
  native.reportSlots(handle, report.loads, report.shards);
  return report;
}

/** How many slots {@link StoreStats.hottestSlots} names. */
const HOTTEST_MAX = 16;

/** The report for people. */
export function loadsOf(report: SlotReport, shards: number): Pick<StoreStats, "shardLoads" | "hottestSlots"> {
  const shardLoads = new Array<number>(shards).fill(0);
  const asked: number[] = [];
  report.loads.forEach((load, slot) => {
    shardLoads[report.shards[slot]!]! += load;
    if (load > 0) asked.push(slot);
  });
  asked.sort((a, b) => report.loads[b]! - report.loads[a]! || a - b);
  const hottestSlots = asked.slice(0, HOTTEST_MAX).map((slot) => {
    return { slot, shard: report.shards[slot]!, operationsPerSecond: report.loads[slot]! };
  });
  return { shardLoads, hottestSlots };
}
