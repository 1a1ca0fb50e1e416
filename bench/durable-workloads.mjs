// What durability costs CrabKV by the way it is used, from every write by itself to all that can be shared (the ladder), and how long stores
// keep the event loop waiting meanwhile. See workloads.mjs.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { records, keyOf, valueOf } from "./data.mjs";
import { measureSync } from "./machine.mjs";
import { percentilesOf } from "./statistics.mjs";

const IN_FLIGHT = 1000;
const BATCH = 100;
const VERIFIED_MAX = 20_000;
/** A second, in `eventLoop`: what every store keeps up with, so that it is the waiting that is measured and not the queue. */
const PACE = 1000;

/** Each takes the next records from `begin` on, waits until they are acknowledged, and says how many they were. */
const rungs = {
  one: async (db, keys, values, begin) => {
    await db.put(keys[begin], values[begin]);
    return 1;
  },
  many: async (db, keys, values, begin) => {
    const end = Math.min(begin + IN_FLIGHT, keys.length);
    let last;
    for (let at = begin; at < end; at++) last = db.put(keys[at], values[at]);
    await last;
    return end - begin;
  },
  batch: async (db, keys, values, begin) => {
    const end = Math.min(begin + BATCH, keys.length);
    const batch = [];
    for (let at = begin; at < end; at++) batch.push({ key: keys[at], value: values[at] });
    await db.putMany(batch);
    return end - begin;
  },
};

/** Puts until the time is over; what is buffered is flushed then, within the time that counts. */
async function ladder(_, db, { load, count, seconds, path }) {
  const { keys, values } = records(count);
  const put = rungs[load.rung];
  globalThis.gc();
  const start = performance.now();
  const endMs = start + seconds * 1000;
  let done = 0;
  while (done < count && performance.now() < endMs) done += await put(db, keys, values, done);
  await db.flush();
  const ms = performance.now() - start;
  for (let at = 0; at < done; at += Math.max(1, Math.floor(done / VERIFIED_MAX))) {
    if (db.getSync(keyOf(at)) !== valueOf(at)) throw new Error(`record ${at} reads back wrong`);
  }
  const syncMs = measureSync(path).median;
  const measures = { "fdatasync of 4 KiB here": `${syncMs.toFixed(3)} ms, ${Math.round(1000 / syncMs)} a second` };
  return { operations: done, ms, measures };
}

/** What a store's putEach takes, of one record. */
class OneRecord {
  #at;

  constructor(at) {
    this.#at = at;
  }

  take() {
    const at = this.#at;
    this.#at = -1;
    return at;
  }
}

/** Durable puts at a steady pace. The figure is the 99th percentile of the delay of the event loop, looked at every millisecond. */
async function eventLoop(store, db, task) {
  const count = Math.round(PACE * task.seconds);
  const { keys, values } = records(count);
  const latenciesMs = new Float64Array(count);
  const puts = [];
  globalThis.gc();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  const dueMs = (at) => (at / PACE) * 1000;
  const put = async (at) => {
    await store.putEach(db, keys, values, new OneRecord(at), task);
    latenciesMs[at] = performance.now() - start - dueMs(at);
  };
  while (puts.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - start) / 1000) * PACE) + 1);
    while (puts.length < due) puts.push(put(puts.length));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(puts);
  const ms = performance.now() - start;
  delay.disable();
  const milliseconds = (nanoseconds) => nanoseconds / 1e6;
  const measures = {
    "event-loop delay, median": `${milliseconds(delay.percentile(50)).toFixed(2)} ms`,
    "event-loop delay, at most": `${milliseconds(delay.max).toFixed(2)} ms`,
  };
  const latencyMs = percentilesOf(latenciesMs);
  return { operations: count, ms, figure: milliseconds(delay.percentile(99)), latencyMs, measures };
}

export const durableWorkloads = { ladder, eventLoop };
