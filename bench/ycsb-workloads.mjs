// YCSB's core workloads A, B, C, D and F. A store is filled, and then runs the same operations as every other, a hundred in
// flight at a time: what a service has at hand in one turn of its event loop. Each store reads the group's keys and writes its
// records in the quickest way that it has for several at once, and a group ends when its writes are acknowledged.
import { KEY_BYTES, keyOf, valueOf } from "./data.mjs";
import { randomKeys, randomNumbers, zipfianRanks } from "./distributions.mjs";
import { percentilesOf } from "./statistics.mjs";

const GROUP = 100;
const DATA_BYTES_MAX = 32 << 20;
/** Operations are made before, as keys and values are; who is through with them sooner stops sooner. */
const OPERATIONS_A_SECOND_MAX = 600_000;
const VERIFIED_MAX = 2000;
const SEED = 11;

/** The share of operations that are not reads, and what they are: what YCSB's workload files say. */
const mixes = {
  a: { share: 0.5, other: "update" },
  b: { share: 0.05, other: "update" },
  c: { share: 0, other: "update" },
  d: { share: 0.05, other: "insert" },
  f: { share: 0.5, other: "modify" },
};

/** Keys as strings, each made once: a server has just parsed the key that it looks up. */
function keyStrings(count) {
  const keys = Array.from({ length: count }, (_, index) => keyOf(index));
  return (index) => (keys[index] ??= keyOf(index));
}

/**
 * Makes one group after the other: { reads, keys, values }, the keys to read, and the records to put. "modify" reads the key
 * that it then writes. In D, the newest keys are read most, of those that were there when the group began.
 */
class Groups {
  #mix;
  #bytes;
  #random = randomNumbers(SEED);
  #next;
  #age;
  #key;
  #count;
  #written = 0;

  constructor({ mix, distribution, valueBytes }, count) {
    this.#mix = mixes[mix];
    this.#bytes = valueBytes;
    this.#count = count;
    this.#key = keyStrings(count);
    this.#next = randomKeys(distribution, count, this.#random);
    if (this.#mix.other === "insert") this.#age = zipfianRanks(count, this.#random);
  }

  make() {
    const group = { reads: [], keys: [], values: [] };
    const newest = this.#count - 1;
    for (let at = 0; at < GROUP; at++) {
      if (this.#random() >= this.#mix.share)
        group.reads.push(this.#key(this.#age === undefined ? this.#next() : newest - this.#age()));
      else this.#write(group);
    }
    return group;
  }

  #write(group) {
    const { other } = this.#mix;
    const key = this.#key(other === "insert" ? this.#count++ : this.#next());
    if (other === "modify") group.reads.push(key);
    group.keys.push(key);
    group.values.push(valueOf(++this.#written * 7, this.#bytes));
  }
}

/** What the last of the groups wrote to each key that they wrote. */
function lastWritten(groups) {
  const last = new Map();
  for (const { keys, values } of groups) for (let at = 0; at < keys.length; at++) last.set(keys[at], values[at]);
  return last;
}

async function verify(store, db, groups) {
  let left = VERIFIED_MAX;
  for (const [key, value] of lastWritten(groups)) {
    if (left-- === 0) return;
    if ((await store.getOne(db, key)) !== value) throw new Error(`record ${key} reads back wrong`);
  }
}

/** Runs groups from `begin` on, until there is none left or the time is over. */
async function run(store, db, groups, begin, { seconds, valueBytes }) {
  const latenciesMs = new Float64Array(groups.length - begin);
  globalThis.gc();
  const start = performance.now();
  const endMs = start + seconds * 1000;
  let end = begin;
  let before = start;
  let length = 0;
  while (end < groups.length && before < endMs) {
    length += await store.runGroup(db, groups[end]);
    const now = performance.now();
    latenciesMs[end++ - begin] = now - before;
    before = now;
  }
  const reads = groups.slice(begin, end).reduce((sum, group) => sum + group.reads.length, 0);
  if (length !== reads * valueBytes) throw new Error("the values read are not those written");
  return { end, ms: before - start, latenciesMs: latenciesMs.subarray(0, end - begin) };
}

/** `load` of the row: { mix, distribution, valueBytes }. A first part compiles the code and touches the files. */
async function ycsb(store, db, { load, count, seconds }) {
  const { valueBytes } = load;
  const records = Math.min(count, Math.floor(DATA_BYTES_MAX / (KEY_BYTES + valueBytes)));
  const keys = Array.from({ length: records }, (_, index) => keyOf(index));
  const values = Array.from({ length: records }, (_, index) => valueOf(index, valueBytes));
  await (store.fill ?? store.putAll)(db, keys, values);
  await store.settle?.(db);
  const maker = new Groups(load, records);
  const warmingSeconds = seconds / 2;
  const operations = OPERATIONS_A_SECOND_MAX * (warmingSeconds + seconds);
  const groups = Array.from({ length: Math.ceil(operations / GROUP) }, () => maker.make());
  const warmed = await run(store, db, groups.slice(0, groups.length / 3), 0, { seconds: warmingSeconds, valueBytes });
  const { end, ms, latenciesMs } = await run(store, db, groups, warmed.end, { seconds, valueBytes });
  await verify(store, db, groups.slice(0, end));
  const note = `${records.toLocaleString("en-US")} records at the start`;
  return { operations: (end - warmed.end) * GROUP, ms, latencyMs: percentilesOf(latenciesMs), note };
}

export const ycsbWorkloads = { ycsb };
