// The slot table: balanced for every number of shards, and stable when a shard is added. And which keys share a slot.
import fc from "fast-check";
import { expect, test } from "vitest";
import { SLOT_COUNT, slotTable } from "../src/router.js";
import { temporaryStore } from "./temporary.js";

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

test("going from any number of shards to one more moves at most 1.2 / (n + 1) of the slots, all to the new shard", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4095 }), (shards) => {
      const before = slotTable(shards);
      const moved = slotTable(shards + 1).filter((shard, slot) => shard !== before[slot]);
      expect(moved.length).toBeLessThanOrEqual((1.2 / (shards + 1)) * SLOT_COUNT);
      expect(moved.every((shard) => shard === shards)).toBe(true);
    }),
    { numRuns: 20 },
  );
  for (let shards = 1, before = slotTable(1); shards <= 256; shards++) {
    const after = slotTable(shards + 1);
    const moved = after.filter((shard, slot) => shard !== before[slot]).length;
    expect(moved, `${shards} shards and one more`).toBeLessThanOrEqual((1.2 / (shards + 1)) * SLOT_COUNT);
    before = after;
  }
});

/** The part of a key that decides its slot, written down once more: as the documentation of Redis Cluster says. */
function tagOf(key: string): string {
  return /^[^{]*\{([^}]+)\}/s.exec(key)?.[1] ?? key;
}

test("keys with one hashtag are in one shard, whatever else is in them", async () => {
  const db = await temporaryStore({ shards: 4096 });
  const part = fc.string({ unit: fc.constantFrom("a", "b", "{", "}", "é", "\0"), maxLength: 6 });
  fc.assert(
    fc.property(part, part, part, (before, tag, after) => {
      const key = `${before}{${tag}}${after}`;
      expect(db.shardOf(key)).toBe(db.shardOf(tagOf(key)));
    }),
    { numRuns: 2000 },
  );
});

test("an empty or unfinished hashtag is none, and the first one counts", async () => {
  const db = await temporaryStore({ shards: 4096 });
  // Of so many keys, two in each group would share a shard by chance once in 4,096 times; not all of them.
  const spread = (keys: string[]) => new Set(keys.map((key) => db.shardOf(key))).size;
  const numbers = Array.from({ length: 20 }, (_, i) => String(i));
  expect(spread(numbers.map((i) => `{user}${i}`))).toBe(1);
  expect(spread(numbers.map((i) => `${i}{user}`))).toBe(1);
  expect(spread(numbers.map((i) => `{user}{${i}}`))).toBe(1);
  expect(spread(numbers.map((i) => `{}${i}{user}`))).toBeGreaterThan(10);
  expect(spread(numbers.map((i) => `{user${i}`))).toBeGreaterThan(10);
  expect(spread(numbers.map((i) => `}user${i}{`))).toBeGreaterThan(10);
  expect(db.shardOf("{{user}")).toBe(db.shardOf("{user"));
});

test("shardOf is below the number of shards, also for bytes, and the same at every open", async () => {
  const db = await temporaryStore({ shards: 3, keyEncoding: "buffer" });
  for (let i = 0; i < 100; i++) expect(db.shardOf(Buffer.of(i, 255))).toBeLessThan(3);
  expect(() => db.shardOf(7 as never)).toThrow(TypeError);
  await db.close();
  expect(() => db.shardOf(Buffer.of(1))).toThrow(expect.objectContaining({ code: "CRABKV_CLOSED" }));
});
