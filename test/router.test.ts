// The slot table: balanced for every number of shards, and stable when a shard is added.
import { expect, test } from "vitest";
import { SLOT_COUNT, slotTable } from "../src/router.js";

function loads(table: Uint16Array, shards: number): number[] {
  const counts = new Array<number>(shards).fill(0);
  for (const shard of table) counts[shard]!++;
  return counts;
}

const shardCounts = [...Array.from({ length: 70 }, (_, i) => i + 1), 127, 128, 129, 1000, 4095, 4096];

test.each(shardCounts)("%i shards have loads that differ by one slot at most", (shards) => {
  const counts = loads(slotTable(shards), shards);
  expect(counts.reduce((sum, count) => sum + count)).toBe(SLOT_COUNT);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
});

test.each(shardCounts.filter((shards) => shards < 4096))(
  "a shard added to %i moves no more slots than it gets",
  (shards) => {
    const before = slotTable(shards);
    const after = slotTable(shards + 1);
    let moved = 0;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (before[slot] === after[slot]) continue;
      moved++;
      expect(after[slot]).toBe(shards);
    }
    expect(moved).toBe(Math.floor(SLOT_COUNT / (shards + 1)));
  },
);

test("the table is the same every time", () => {
  expect(slotTable(17)).toEqual(slotTable(17));
});
