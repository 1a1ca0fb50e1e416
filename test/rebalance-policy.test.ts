// The policy of rebalancing by itself: what it moves makes the shards more even, and it comes to rest, also while loads waver.
import fc from "fast-check";
import { expect, test } from "vitest";
import { planMoves } from "../src/rebalance-policy.js";
import type { MoveRules } from "../src/rebalance-policy.js";
import { SLOT_COUNT, slotTable } from "../src/router.js";
import type { SlotReport } from "../src/slot-loads.js";
import { randomOf } from "./seed.js";

const rules: MoveRules = { movesMax: 16, threshold: 1.5 };

function shardLoads(report: SlotReport, shards: number): number[] {
  const loads = new Array<number>(shards).fill(0);
  report.loads.forEach((load, slot) => (loads[report.shards[slot]!]! += load));
  return loads;
}

const sum = (loads: readonly number[]) => loads.reduce((total, load) => total + load, 0);
const overMean = (loads: readonly number[]) => Math.max(...loads) / (sum(loads) / loads.length);

/** Plans a round and carries it out. */
function round(report: SlotReport, shards: number, used = rules): number {
  const moves = planMoves(report, shards, used);
  for (const { slot, from, to, operationsPerSecond } of moves) {
    expect(report.shards[slot]).toBe(from);
    expect(to).not.toBe(from);
    expect(operationsPerSecond).toBe(report.loads[slot]);
    report.shards[slot] = to;
  }
  expect(new Set(moves.map(({ slot }) => slot)).size).toBe(moves.length);
  expect(moves.length).toBeLessThanOrEqual(used.movesMax);
  return moves.length;
}

/** Rounds until there is nothing to do. */
function settle(report: SlotReport, shards: number, used = rules): number {
  let moves = 0;
  for (let i = 0; i < 10_000; i++) {
    const moved = round(report, shards, used);
    if (moved === 0) return moves;
    moves += moved;
  }
  throw new Error("it does not come to rest");
}

function loadsOn(slots: Iterable<readonly [slot: number, load: number]>): Float64Array {
  const loads = new Float64Array(SLOT_COUNT);
  for (const [slot, load] of slots) loads[slot] = load;
  return loads;
}

/** Loads of every kind: a few heavy slots, many light ones, slots of one shard only. */
const skewed = fc
  .record({
    shards: fc.integer({ min: 1, max: 64 }),
    heavy: fc.array(fc.tuple(fc.nat(SLOT_COUNT - 1), fc.integer({ min: 1, max: 1_000_000 })), { maxLength: 60 }),
    background: fc.constantFrom(0, 0.01, 1, 100),
    onOneShard: fc.boolean(),
  })
  .map(({ shards, heavy, background, onOneShard }) => {
    const report = { shards: slotTable(shards), loads: new Float64Array(SLOT_COUNT).fill(background) };
    const home = report.shards.map((shard, slot) => (shard === 0 ? slot : 0)).filter((slot) => slot > 0);
    for (const [slot, load] of heavy) report.loads[onOneShard ? home[slot % home.length]! : slot]! += load;
    return { shards, report };
  });

test("every round lowers or keeps the fullest shard, and evens the shards out, until it rests", () => {
  fc.assert(
    fc.property(skewed, ({ shards, report }) => {
      const squares = (loads: number[]) => sum(loads.map((load) => load * load));
      for (let rounds = 0, moved = 1; moved > 0; rounds++) {
        expect(rounds).toBeLessThan(2000);
        const before = shardLoads(report, shards);
        moved = round(report, shards);
        const after = shardLoads(report, shards);
        expect(Math.max(...after)).toBeLessThanOrEqual(Math.max(...before) * (1 + 1e-9));
        if (moved > 0) expect(squares(after)).toBeLessThan(squares(before));
      }
    }),
    { numRuns: 60 },
  );
});

test("a store at rest stays at rest while its loads waver by a tenth", () => {
  fc.assert(
    fc.property(skewed, fc.integer(), ({ shards, report }, seed) => {
      settle(report, shards);
      const random = randomOf(seed);
      const moves = new Map<number, number>();
      for (let i = 0; i < 50; i++) {
        const loads = report.loads.map((load) => load * (0.95 + 0.1 * random()));
        for (const { slot, to } of planMoves({ loads, shards: report.shards }, shards, rules)) {
          report.shards[slot] = to;
          moves.set(slot, (moves.get(slot) ?? 0) + 1);
        }
      }
      // What was at the brink of a move may still be moved, and that is the end of it.
      expect(Math.max(0, ...moves.values())).toBeLessThanOrEqual(2);
      expect(sum([...moves.values()])).toBeLessThanOrEqual(2 * shards);
    }),
    { numRuns: 40 },
  );
});

test("hot slots of one shard spread until the shards are near even", () => {
  const report = { shards: slotTable(16), loads: new Float64Array(SLOT_COUNT) };
  const hot = [...report.shards.keys()].filter((slot) => report.shards[slot] === 5).slice(0, 64);
  for (const slot of hot) report.loads[slot] = 1000;
  const moves = settle(report, 16);
  expect(overMean(shardLoads(report, 16))).toBeLessThanOrEqual(1.25);
  expect(moves).toBeLessThanOrEqual(60); // each at most once: there were 60 to send away
});

test("a slot that is hot by itself gets a shard to itself, and then does not wander", () => {
  const report = { shards: slotTable(4), loads: new Float64Array(SLOT_COUNT).fill(0.1) };
  const [giant, ...others] = [...report.shards.keys()].filter((slot) => report.shards[slot] === 0);
  report.loads[giant!] = 100_000;
  for (const slot of others.slice(0, 12)) report.loads[slot] = 5000;
  settle(report, 4);
  const loads = shardLoads(report, 4);
  const home = report.shards[giant!]!;
  expect(loads[home]).toBeLessThan(101_000);
  expect(Math.max(...loads.filter((_, shard) => shard !== home))).toBeLessThan(62_000);
  for (let i = 0; i < 20; i++) {
    report.loads[giant!] = 90_000 + 1000 * i;
    for (const { slot, to } of planMoves(report, 4, rules)) report.shards[slot] = to;
    expect(report.shards[giant!]).toBe(home);
  }
});

test("nothing moves when there is one shard, no load worth the name, or no shard far above the mean", () => {
  const skew = loadsOn([[3, 10_000]]);
  expect(planMoves({ shards: slotTable(1), loads: skew }, 1, rules)).toEqual([]);
  const little = {
    shards: new Uint16Array(SLOT_COUNT),
    loads: loadsOn(Array.from({ length: 8 }, (_, slot) => [slot, 40])),
  };
  expect(planMoves(little, 4, rules)).toEqual([]); // 80 a second on the average shard
  expect(planMoves({ ...little, loads: little.loads.map((load) => 10 * load) }, 4, rules)).not.toEqual([]);
  const shards = slotTable(4);
  const uneven = new Float64Array(SLOT_COUNT);
  for (let slot = 0; slot < SLOT_COUNT; slot += 256) uneven[slot] = shards[slot] === 0 ? 1400 : 1000;
  expect(planMoves({ shards, loads: uneven }, 4, rules)).toEqual([]);
  expect(planMoves({ shards, loads: uneven }, 4, { ...rules, threshold: 1.2 })).not.toEqual([]);
});

test("a round moves no more than it may, the heaviest that fit first", () => {
  const slots = [7, 100, 101, 102, 103, 104, 105].map((slot) => [slot, 1000] as const);
  const report = { shards: new Uint16Array(SLOT_COUNT), loads: loadsOn([...slots, [77, 3000]]) };
  const moves = planMoves(report, 8, { movesMax: 3, threshold: 1.5 });
  expect(moves).toHaveLength(3);
  expect(moves[0]).toEqual({ slot: 77, from: 0, to: 1, operationsPerSecond: 3000 });
  expect(moves.map(({ to }) => to)).toEqual([1, 2, 3]);
});
