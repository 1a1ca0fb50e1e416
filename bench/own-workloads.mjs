// What CrabKV does beside putting and getting: workloads that no peer has the like of, measured by themselves. Each checks that
// what it did was done. See workloads.mjs.
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { keyOf, randomIndexes, records, valueOf } from "./data.mjs";

const CHUNK = 1000;
const HOT_KEYS = 10_000;
/** All of a million keys expire within this time, some time after the last was put. */
const EXPIRY_SPREAD_MS = 1000;
const EXPIRY_MS_MAX = 60_000;

/** Calls `work(index)` without waiting, and waits at the end of each chunk; until the time is over. */
async function inFlight({ count, seconds }, work) {
  globalThis.gc();
  const start = performance.now();
  let done = 0;
  while (done < count && performance.now() < start + seconds * 1000) {
    const calls = [];
    for (let i = 0; i < CHUNK; i++) calls.push(work(done++));
    await Promise.all(calls);
  }
  return { operations: done, ms: performance.now() - start };
}

async function hotKeys(db) {
  const { keys, values } = records(HOT_KEYS);
  await db.putMany(keys.map((key, at) => ({ key, value: values[at] })));
  return keys;
}

/** Of a cache that holds every key: random ones, synchronously. */
async function cachedGet(_, db, task) {
  const keys = await hotKeys(db);
  for (const key of keys) db.getSync(key);
  const asked = Array.from(randomIndexes(task.count, HOT_KEYS, 1), (index) => keys[index]);
  for (const key of asked.slice(0, 100_000)) db.getSync(key);
  globalThis.gc();
  const before = db.stats().cacheHits;
  const start = performance.now();
  let length = 0;
  for (const key of asked) length += db.getSync(key).length;
  const ms = performance.now() - start;
  const hits = db.stats().cacheHits - before;
  if (hits !== asked.length || length !== asked.length * valueOf(0).length) throw new Error(`${hits} hits`);
  return { operations: asked.length, ms };
}

async function increment(_, db, task) {
  const counters = Array.from({ length: 1000 }, (__, at) => `counter:${at}`);
  const result = await inFlight(task, (at) => db.increment(counters[at % counters.length]));
  const counts = await db.getMany(counters);
  const sum = counts.reduce((total, text) => total + Number(text ?? 0), 0);
  if (sum !== result.operations) throw new Error(`${result.operations} increments made ${sum}`);
  return result;
}

/** Two puts, one of them under a guard, which holds. */
async function guardedBatch(_, db, task) {
  const keys = await hotKeys(db);
  const value = valueOf(1);
  let committed = 0;
  const result = await inFlight(task, async (at) => {
    const answer = await db.batch([
      { type: "put", key: keys[at % HOT_KEYS], value, if: "present" },
      { type: "put", key: keys[(at * 7 + 1) % HOT_KEYS], value },
    ]);
    if (answer.committed) committed++;
  });
  if (committed !== result.operations) throw new Error(`${committed} of ${result.operations} batches were committed`);
  return result;
}

async function expire(_, db, task) {
  const keys = await hotKeys(db);
  const result = await inFlight(task, (at) => db.expire(keys[at % HOT_KEYS], 3_600_000));
  if (!((await db.ttl(keys[0])) > 3_000_000)) throw new Error("no key has a time to live");
  return result;
}

/** Keys that all expire within a second, removed by the cycle: from the first deadline until none is left. */
async function activeExpiry(_, db, { count }) {
  let removed = 0;
  db.on("expired", (keys) => (removed += keys.length));
  const { indexBytes: emptyBytes } = db.stats();
  const value = valueOf(1);
  const firstMs = Date.now() + 3000 + count / 200;
  let last;
  for (let at = 0; at < count; at++) {
    const deadlineMs = firstMs + (at / count) * EXPIRY_SPREAD_MS;
    last = db.put(keyOf(at), value, { ttlMs: Math.max(1, Math.ceil(deadlineMs - Date.now())) });
    if (at % 10_000 === 0) await last;
  }
  await last;
  const { indexBytes: fullBytes } = db.stats();
  globalThis.gc();
  if (Date.now() >= firstMs) throw new Error("the first keys expired before the last was put");
  await new Promise((resolve) => setTimeout(resolve, firstMs - Date.now()));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  while (db.stats().keys > 0) {
    if (performance.now() - start > EXPIRY_MS_MAX) throw new Error(`${db.stats().keys} keys outlive their deadline`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const ms = performance.now() - start;
  delay.disable();
  await new Promise((resolve) => setTimeout(resolve, 100));
  if (removed !== count) throw new Error(`${count} keys expired, ${removed} were told of`);
  const left = ((db.stats().indexBytes - emptyBytes) / (fullBytes - emptyBytes)) * 100;
  const measures = {
    [`keys expired within ${EXPIRY_SPREAD_MS} ms`]: count.toLocaleString("en-US"),
    "gone after": `${Math.round(ms)} ms`,
    "event-loop delay at most": `${(delay.max / 1e6).toFixed(1)} ms`,
    "of their index memory left": `${left.toFixed(1)} %`,
  };
  return { operations: count, ms, measures };
}

/** Threads of mixed-worker.mjs; what they did together. */
async function runWorkers(count, seconds, data) {
  const program = new URL("mixed-worker.mjs", import.meta.url);
  const threads = Array.from(
    { length: count },
    (_, worker) => new Worker(program, { workerData: { ...data, worker } }),
  );
  const ended = threads.map((thread) => once(thread, "exit"));
  await Promise.all(threads.map((thread) => once(thread, "message")));
  const start = performance.now();
  for (const thread of threads) thread.postMessage(seconds);
  const done = await Promise.all(threads.map((thread) => once(thread, "message")));
  const ms = performance.now() - start;
  await Promise.all(ended);
  return { operations: done.reduce((sum, [operations]) => sum + operations, 0), ms };
}

/** Threads, each with a handle of its own, that put and get as many; and what as many threads get out of this machine. */
async function mixed(store, db, { path, seconds, workers }) {
  const keys = await hotKeys(db);
  const result = await runWorkers(workers, seconds, { path, keys });
  if (workers === 1) return result;
  const [one, all] = [
    await runWorkers(1, seconds / 2, { keys, withMap: true }),
    await runWorkers(workers, seconds / 2, { keys, withMap: true }),
  ];
  const ratio = all.operations / all.ms / (one.operations / one.ms);
  return { ...result, measures: { "the same with a Map in each worker": `${ratio.toFixed(2)}× one worker` } };
}

export const ownWorkloads = { cachedGet, increment, guardedBatch, expire, activeExpiry, mixed };
