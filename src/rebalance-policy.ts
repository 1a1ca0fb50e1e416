// Which slots to move where: a pure function from the slots' loads and their shards. What keeps it from moving slots to and fro:
// the loads are averages over half a minute; a shard gives only when it is far above the mean, and stops when it is near; and a
// move must gain a good part of what it moves. The more even the shards are, the less it does; even ones it leaves alone.
import type { SlotReport } from "./slot-loads.js";

/** A slot on its way to another shard. */
export interface SlotMove {
  readonly slot: number;
  readonly from: number;
  readonly to: number;
  /** Of the slot, lately. */
  readonly operationsPerSecond: number;
}

export interface MoveRules {
  /** Most moves of one round. */
  readonly movesMax: number;
  /** How many times the mean a shard carries before it gives. */
  readonly threshold: number;
}

/** Where a shard's load stops being worth evening out: operations a second on an average shard. Below, chance rules. */
const MEAN_MIN = 100;
/** A shard gives until this part of what the threshold allows above the mean is left. */
const SETTLED_PART = 0.2;
/** What a move has to take off the fuller of two shards: of the slot's own load, and of the mean. */
const GAIN_OF_SLOT_MIN = 0.25;
const GAIN_OF_MEAN_MIN = 0.02;

/**
 * The moves of one round, none when all is well. Greedy: again and again the fullest shard that is over the threshold gives to
 * the emptiest the slot that evens the two out best. No shard ends fuller than the fullest was.
 */
export function planMoves(report: SlotReport, shards: number, rules: MoveRules): SlotMove[] {
  const loads = new Float64Array(shards);
  report.loads.forEach((load, slot) => (loads[report.shards[slot]!]! += load));
  const mean = loads.reduce((sum, load) => sum + load, 0) / shards;
  if (mean < MEAN_MIN) return [];
  const settled = mean * (1 + (rules.threshold - 1) * SETTLED_PART);
  const givers = giversOf(report, loads, mean * rules.threshold);
  const moves: SlotMove[] = [];
  while (moves.length < rules.movesMax && givers.size > 0) {
    const from = fullest(givers.keys(), loads);
    const to = emptiest(loads);
    const slots = givers.get(from)!;
    const at = loads[from]! <= settled ? -1 : bestSlot(slots, report.loads, loads[from]! - loads[to]!, mean);
    if (at < 0) {
      givers.delete(from);
      continue;
    }
    const [slot] = slots.splice(at, 1) as [number];
    const operationsPerSecond = report.loads[slot]!;
    loads[from]! -= operationsPerSecond;
    loads[to]! += operationsPerSecond;
    moves.push({ slot, from, to, operationsPerSecond });
  }
  return moves;
}

/** The shards that carry more than `load`, with their slots. */
function giversOf(report: SlotReport, loads: Float64Array, load: number): Map<number, number[]> {
  const givers = new Map<number, number[]>();
  loads.forEach((carried, shard) => {
    if (carried > load) givers.set(shard, []);
  });
  if (givers.size > 0) report.shards.forEach((shard, slot) => givers.get(shard)?.push(slot));
  return givers;
}

function fullest(shards: Iterable<number>, loads: Float64Array): number {
  let best = -1;
  for (const shard of shards) if (best < 0 || loads[shard]! > loads[best]!) best = shard;
  return best;
}

function emptiest(loads: Float64Array): number {
  let best = 0;
  for (let shard = 1; shard < loads.length; shard++) if (loads[shard]! < loads[best]!) best = shard;
  return best;
}

/** Where in `slots` the one is whose move to a shard with `gap` less load evens the two out best; -1: none is worth it. */
function bestSlot(slots: readonly number[], loads: Float64Array, gap: number, mean: number): number {
  let best = -1;
  let bestUnevenness = Infinity;
  slots.forEach((slot, at) => {
    const load = loads[slot]!;
    const gain = Math.min(load, gap - load); // by how much the fuller of the two is less full afterwards
    if (gain < load * GAIN_OF_SLOT_MIN || gain < mean * GAIN_OF_MEAN_MIN) return;
    const unevenness = Math.abs(gap - 2 * load);
    if (unevenness >= bestUnevenness) return;
    best = at;
    bestUnevenness = unevenness;
  });
  return best;
}
