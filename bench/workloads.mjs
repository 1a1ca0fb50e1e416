// What one process measures: a workload takes an open store, warms up where it reads, runs for a bounded time, and checks
// that what it did was done. Rates are operations (records, keys) a second.
import { durableWorkloads } from "./durable-workloads.mjs";
import { ownWorkloads } from "./own-workloads.mjs";
import { serverWorkloads } from "./server-workloads.mjs";
import { spaceWorkloads } from "./space-workloads.mjs";
import { ycsbWorkloads } from "./ycsb-workloads.mjs";
import { checkOf, keyOf, randomIndexes, records, valueOf } from "./data.mjs";

const CHUNK = 1000;
const MANY = 100;
// Of what was written, so many records are read back and compared.
const VERIFIED_MAX = 20_000;

/** Indexes 0, 1, 2, ... for concurrent loops, until all are taken or the time is over. */
class Supply {
  #next = 0;
  #count;
  #endMs;

  constructor(count, seconds) {
    this.#count = count;
    this.#endMs = performance.now() + seconds * 1000;
  }

  /** -1: no more. The clock is looked at once in 16 times, to cost nothing. */
  take() {
    if (this.#next % 16 === 0 && performance.now() >= this.#endMs) this.#count = this.#next;
    return this.#next < this.#count ? this.#next++ : -1;
  }

  get taken() {
    return this.#next;
  }
}

async function verifyWritten(store, db, count, form) {
  const step = Math.max(1, Math.floor(count / VERIFIED_MAX));
  const read = form === "bytes" ? store.getBytes : store.getText;
  for (let index = 0; index < count; index += step) {
    if ((await read(db, [keyOf(index)], 0, 1)) !== checkOf(index)) throw new Error(`record ${index} reads back wrong`);
  }
}

async function putAll(store, db, task) {
  const { keys, values } = records(task.count);
  globalThis.gc();
  const start = performance.now();
  await store.putAll(db, keys, values);
  const ms = performance.now() - start;
  await verifyWritten(store, db, task.count, task.form);
  return { operations: task.count, ms };
}

async function putEach(store, db, task) {
  const { keys, values } = records(task.count);
  globalThis.gc();
  const supply = new Supply(task.count, task.seconds);
  const start = performance.now();
  const loops = Array.from({ length: task.inFlight }, () => store.putEach(db, keys, values, supply, task));
  await Promise.all(loops);
  const ms = performance.now() - start;
  await verifyWritten(store, db, supply.taken, task.form);
  return { operations: supply.taken, ms };
}

/** Runs `run(begin, end)` over 0..count in chunks until the time is over; answers with how far it got. */
async function inChunks(count, chunk, seconds, run) {
  const endMs = performance.now() + seconds * 1000;
  let done = 0;
  while (done < count && performance.now() < endMs) {
    const end = Math.min(done + chunk, count);
    await run(done, end);
    done = end;
  }
  return done;
}

function sumOfChecks(indexes, count) {
  let sum = 0;
  for (let at = 0; at < count; at++) sum += checkOf(indexes[at]);
  return sum;
}

// A first round over other keys compiles the code and touches the files; then the round that counts.
async function measureReads(task, inputOf, perInput, run) {
  let measured;
  for (const seed of [1, 2]) {
    const indexes = randomIndexes(task.count, task.count, seed);
    const input = inputOf(indexes);
    let check = 0;
    globalThis.gc();
    const start = performance.now();
    const done = await inChunks(input.length, CHUNK / perInput, task.seconds, async (begin, end) => {
      check += await run(input, begin, end);
    });
    const ms = performance.now() - start;
    if (check !== sumOfChecks(indexes, done * perInput)) throw new Error("the values read are not those written");
    measured = { operations: done * perInput, ms };
  }
  return measured;
}

// Keys are made in the order of reading: a server has just parsed the key that it looks up, it is in the cache.
const keysOf = (indexes) => Array.from(indexes, keyOf);

function batchesOf(indexes) {
  const keys = keysOf(indexes);
  return Array.from({ length: Math.floor(keys.length / MANY) }, (_, at) => keys.slice(at * MANY, (at + 1) * MANY));
}

async function get(store, db, task) {
  // What keeps nothing is filled by the process that reads it.
  if (store.volatile) await fill(store, db, task);
  const read = task.form === "bytes" ? store.getBytes : store.getText;
  return measureReads(task, keysOf, 1, (keys, begin, end) => read(db, keys, begin, end));
}

function getMany(store, db, task) {
  return measureReads(task, batchesOf, MANY, (batches, begin, end) => store.getMany(db, batches, begin, end, task));
}

/** Makes the store that the read workloads open. */
async function fill(store, db, task) {
  const keys = Array.from({ length: task.count }, (_, index) => keyOf(index));
  const values = Array.from({ length: task.count }, (_, index) => valueOf(index));
  const start = performance.now();
  await (store.fill ?? store.putAll)(db, keys, values);
  await store.settle?.(db);
  return { operations: task.count, ms: performance.now() - start };
}

export const workloads = {
  fill,
  putAll,
  putEach,
  get,
  getMany,
  ...durableWorkloads,
  ...ownWorkloads,
  ...spaceWorkloads,
  ...serverWorkloads,
  ...ycsbWorkloads,
};
