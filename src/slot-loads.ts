// What is asked of the slots of an open store, and which shard has each: as the core tells it, and as stats() does.
import { native } from "./native.js";
import type { Handle, SlotLoad, StoreStats } from "./native.js";
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
  const hottest: SlotLoad[] = [];
  report.loads.forEach((operationsPerSecond, slot) => {
    const shard = report.shards[slot]!;
    shardLoads[shard]! += operationsPerSecond;
    const coldest = hottest.length < HOTTEST_MAX ? 0 : hottest[HOTTEST_MAX - 1]!.operationsPerSecond;
    if (operationsPerSecond <= coldest) return;
    if (hottest.length === HOTTEST_MAX) hottest.pop();
    hottest.push({ slot, shard, operationsPerSecond });
    hottest.sort((a, b) => b.operationsPerSecond - a.operationsPerSecond);
  });
  return { shardLoads, hottestSlots: hottest };
}
