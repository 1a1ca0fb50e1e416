// Rebalancing of whole stores: a skewed load spreads over the shards while everything goes on, it is seen in events and stats,
// and without the option nothing ever moves.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import type { SlotMove, Store } from "../src/index.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

const SHARDS = 4;

/** So many keys of different slots, all in shard 0 at first. */
function keysOfOneShard(db: Store<string, string>, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) if (db.shardOf(`key${i}`) === 0) keys.push(`key${i}`);
  return keys;
}

const fullestPart = (loads: readonly number[]) => Math.max(...loads) / loads.reduce((sum, load) => sum + load, 0);

/** Puts and reads the keys, a turn at a time and checking every value, until `done` or for ten seconds. */
async function work(db: Store<string, string>, keys: readonly string[], done: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  for (let turns = 0; !done() && Date.now() < end; turns++) {
    const value = (key: string) => `${key} in turn ${turns}`;
    const written = db.batch(keys.map((key) => ({ type: "put", key, value: value(key) })));
    for (const key of keys) for (let i = 0; i < 5; i++) expect(db.getSync(key)).toBe(value(key));
    await written;
    expect(await db.getMany(keys)).toEqual(keys.map(value));
    if (turns % 20 === 0) expect((await collect(db.entries())).map(([key]) => key).sort()).toEqual([...keys].sort());
  }
}

test("a load on slots of one shard spreads while reads and writes go on, and is told", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path, { sync: "os", shards: SHARDS, rebalance: { everyMs: 100 } });
  const keys = keysOfOneShard(db, 40);
  const moves: SlotMove[] = [];
  db.on("rebalanced", (round) => moves.push(...round));
  await work(db, keys, () => new Set(keys.map((key) => db.shardOf(key))).size === SHARDS && moves.length >= 20);
  const stats = db.stats();
  expect(stats.slotsMoved).toBe(moves.length);
  expect(moves.length).toBeGreaterThanOrEqual(20);
  for (const move of moves) expect(move.operationsPerSecond).toBeGreaterThan(0);
  expect(stats.shardLoads).toHaveLength(SHARDS);
  expect(fullestPart(stats.shardLoads)).toBeLessThan(0.5);
  await db.close();
  // Nothing of it is on disk.
  const again = await openStore(path, { shards: SHARDS });
  expect(new Set(keys.map((key) => again.shardOf(key))).size).toBe(1);
  expect(await again.get(keys[0]!)).toContain(keys[0]);
});

test("without the option nothing moves, and stats tell where the load is", async () => {
  const db = await temporaryStore({ shards: SHARDS });
  expect(db.stats().hottestSlots).toEqual([]);
  expect(db.stats().shardLoads).toEqual([0, 0, 0, 0]);
  db.on("rebalanced", () => expect.unreachable());
  const keys = keysOfOneShard(db, 20);
  const end = Date.now() + 400;
  await work(db, keys, () => Date.now() > end);
  for (let i = 0; i < 20_000; i++) db.getSync(keys[7]!);
  await sleep(10);
  const { hottestSlots, shardLoads, slotsMoved } = db.stats();
  expect(slotsMoved).toBe(0);
  expect(keys.every((key) => db.shardOf(key) === 0)).toBe(true);
  expect(shardLoads[0]).toBeGreaterThan(0);
  expect(shardLoads.slice(1)).toEqual([0, 0, 0]);
  expect(hottestSlots).toHaveLength(16);
  expect(hottestSlots.every(({ shard }) => shard === 0)).toBe(true);
  const loads = hottestSlots.map(({ operationsPerSecond }) => operationsPerSecond);
  expect(loads).toEqual([...loads].sort((a, b) => b - a));
});

test("two handles that both rebalance one store agree with the core about every slot", async () => {
  const path = temporaryDirectory();
  const options = { sync: "os", shards: SHARDS, rebalance: { everyMs: 100 } } as const;
  const handles = [await openStore(path, options), await openStore(path, options)];
  const keys = keysOfOneShard(handles[0]!, 40);
  const moves: SlotMove[] = [];
  for (const db of handles) db.on("rebalanced", (round) => moves.push(...round));
  const [first, second] = handles as [Store<string, string>, Store<string, string>];
  await work(first, keys, () => moves.length >= 20);
  expect(moves.length).toBeGreaterThanOrEqual(20);
  expect(second.stats().slotsMoved).toBe(moves.length);
  for (const key of keys) {
    expect(first.shardOf(key)).toBe(second.shardOf(key));
    expect(second.getSync(key)).toBe(first.getSync(key));
  }
  // Each move began where the one before left the slot.
  const home = new Map<number, number>();
  for (const { slot, from, to } of moves) {
    expect(home.get(slot) ?? 0).toBe(from);
    home.set(slot, to);
  }
  await first.close();
  for (const key of keys) expect(second.getSync(key)).toContain(key);
});

test("wrong rules are refused by name", async () => {
  const refused = async (rebalance: unknown, error: string) =>
    expect(open(temporaryDirectory(), { rebalance: rebalance as boolean })).rejects.toThrow(error);
  await refused(5, "rebalance");
  await refused({ everyms: 5 }, "everyms");
  await refused({ everyMs: 99 }, "rebalance.everyMs must be an integer from 100 to 3600000, not 99");
  await refused({ movesMax: 0 }, "rebalance.movesMax");
  await refused({ threshold: 1 }, "rebalance.threshold must be from 1.1 to 100, not 1");
  await refused({ threshold: Number.NaN }, "rebalance.threshold");
  await refused({ threshold: "2" }, "rebalance.threshold must be a number");
});
