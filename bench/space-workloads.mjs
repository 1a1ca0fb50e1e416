// What compaction costs and gives back, and how the store behaves from ten thousand to ten million keys: workloads of CrabKV
// alone. Each checks that what it did was done. See workloads.mjs.
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { open } from "../dist/index.js";
import { KEY_BYTES, VALUE_BYTES, keyOf, randomIndexes, records, valueOf, checkOf } from "./data.mjs";
import { percentilesOf } from "./statistics.mjs";

const CHUNK = 1000;
/** Puts a second in `overwriting`: far below what the store takes, so that only a disturbance makes one wait. */
const PACE = 100_000;
const WINDOW_MS = 100;
/** Enough for several segments, so that there is something to choose from. */
const OVERWRITTEN_KEYS = 500_000;
const REST_MS_MAX = 20_000;
const READS = 500_000;
const OPENINGS = 5;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const turn = () => new Promise((resolve) => setImmediate(resolve));
const percent = (part, whole) => `${((part / whole) * 100).toFixed(0)} %`;

/** Puts that are due at a steady pace whatever became of those before; latencies count from when a put was due. */
class PacedPuts {
  latenciesMs;
  /** For each tenth of a second: puts acknowledged, and the longest that one of them took. */
  series = [];
  put = 0;
  #start = 0;

  constructor(count) {
    this.latenciesMs = new Float64Array(count);
  }

  async run(db, keys, indexes, value) {
    const count = this.latenciesMs.length;
    this.#start = performance.now();
    let last;
    while (this.put < count) {
      const due = Math.min(count, Math.floor(((performance.now() - this.#start) / 1000) * PACE));
      if (due > this.put) last = this.#putUntil(db, due, keys, indexes, value);
      await turn();
    }
    await last;
  }

  // The puts of one turn of the event loop are of one commit group, or the next; the last is acknowledged last.
  #putUntil(db, end, keys, indexes, value) {
    const first = this.put;
    let last;
    for (; this.put < end; this.put++) last = db.put(keys[indexes[this.put]], value);
    return last.then(() => this.#count(first, end));
  }

  #count(first, end) {
    const now = performance.now() - this.#start;
    for (let at = first; at < end; at++) this.latenciesMs[at] = now - (at / PACE) * 1000;
    const window = (this.series[Math.floor(now / WINDOW_MS)] ??= { acknowledged: 0, worstMs: 0 });
    window.acknowledged += end - first;
    window.worstMs = Math.max(window.worstMs, this.latenciesMs[first]);
  }
}

// Until nothing is compacted and the log has stopped shrinking.
async function untilAtRest(db) {
  const start = performance.now();
  let { logBytes } = db.stats();
  let quietMs = 0;
  while (quietMs < 1000 && performance.now() - start < REST_MS_MAX) {
    await sleep(100);
    const stats = db.stats();
    quietMs = stats.compacting || stats.logBytes !== logBytes ? 0 : quietMs + 100;
    logBytes = stats.logBytes;
  }
}

/**
 * Overwrites random keys at a steady pace in a log of which half is dead already. The figure is the 99.9th percentile of the
 * puts' latency, in milliseconds.
 */
async function overwriting(_, db, { seconds, options }) {
  const count = OVERWRITTEN_KEYS;
  const { keys, values } = records(count);
  for (const round of [0, 1]) {
    let last;
    for (let at = 0; at < count; at++) {
      last = db.put(keys[at], values[(at + round) % count]);
      if (at % (10 * CHUNK) === 0) await last;
    }
    await last;
  }
  const puts = new PacedPuts(PACE * (1 + 2 * seconds));
  const indexes = randomIndexes(puts.latenciesMs.length, count, 3);
  globalThis.gc();
  const before = db.stats();
  const start = performance.now();
  await puts.run(db, keys, indexes, valueOf(7));
  const ms = performance.now() - start;
  const after = db.stats();
  if (db.getSync(keys[indexes[0]]) !== valueOf(7)) throw new Error("a record reads back wrong");
  const auto = options.compaction?.auto !== false;
  if (auto) await untilAtRest(db);
  const rest = db.stats();
  const latencyMs = percentilesOf(puts.latenciesMs);
  const own = puts.latenciesMs.length * (rest.liveBytes / count);
  const copied = after.compactionWrittenBytes - before.compactionWrittenBytes;
  const measures = {
    "write amplification": (1 + copied / own).toFixed(2),
    "compactions meanwhile": after.compactions - before.compactions,
    "log, of what is live, at the end": percent(after.logBytes, after.liveBytes),
    "log, of what is live, at rest": percent(rest.logBytes, rest.liveBytes),
  };
  const series = Array.from(puts.series, (window) => window ?? { acknowledged: 0, worstMs: 0 });
  return {
    operations: puts.latenciesMs.length,
    ms,
    figure: latencyMs.p999,
    latencyMs,
    measures,
    series: { windowMs: WINDOW_MS, puts: series },
  };
}

async function fillInChunks(db, count) {
  let ms = 0;
  for (let begin = 0; begin < count; begin += 10 * CHUNK) {
    const end = Math.min(count, begin + 10 * CHUNK);
    const keys = Array.from({ length: end - begin }, (_, at) => keyOf(begin + at));
    const start = performance.now();
    let last;
    for (let at = begin; at < end; at++) last = db.put(keys[at - begin], valueOf(at));
    await last;
    ms += performance.now() - start;
  }
  return ms;
}

function readRandomly(db, count) {
  const indexes = randomIndexes(READS, count, 5);
  const keys = Array.from(indexes, keyOf);
  globalThis.gc();
  const start = performance.now();
  let check = 0;
  for (const key of keys) {
    const value = db.getSync(key);
    check += value.length + value.charCodeAt(value.length - 1);
  }
  const ms = performance.now() - start;
  if (check !== indexes.reduce((sum, index) => sum + checkOf(index), 0))
    throw new Error("the values read are not those written");
  return ms;
}

// RSS counts the mapped pages of the log, which belong to the page cache; what is anonymous is the process's own.
function residentMemory() {
  const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const rss = { RSS: mebibytes(process.memoryUsage.rss()) };
  let rollup;
  try {
    rollup = readFileSync("/proc/self/smaps_rollup", "utf8");
  } catch {
    return rss; // not Linux
  }
  const anonymous = Number(/^Anonymous:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
  return { ...rss, "of that without mapped files": mebibytes(anonymous) };
}

/** Fills an empty store with so many keys, closes and opens it, and reads random ones. The rate is that of the reads. */
async function manyKeys(_, db, { path, keys, options }) {
  const putMs = await fillInChunks(db, keys);
  const { indexBytes, diskBytes } = db.stats();
  await db.close();
  const start = performance.now();
  const again = await open(path, options);
  const openMs = performance.now() - start;
  readRandomly(again, keys);
  const ms = readRandomly(again, keys);
  await again.close();
  const measures = {
    "puts a second, filling": Math.round((keys / putMs) * 1000).toLocaleString("en-US"),
    "index, bytes a key": (indexBytes / keys).toFixed(1),
    "disk, bytes a key": (diskBytes / keys).toFixed(0),
    "write amplification of the disk": (diskBytes / (keys * (KEY_BYTES + VALUE_BYTES))).toFixed(2),
    "opened again in": `${openMs.toFixed(0)} ms`,
    ...residentMemory(),
  };
  return { operations: READS, ms, measures };
}

/**
 * Fills an empty store with so many keys, waits until its full segments have hints, and closes it; then opens it for reading a few
 * times. Without `hints` they are removed before.
 */
async function openAgain(_, db, { path, keys, hints }) {
  await fillInChunks(db, keys);
  for (let waited = 0; waited < 600 && db.stats().hintedSegments + 1 < db.stats().segments; waited++) await sleep(100);
  await db.close();
  if (!hints) for (const name of readdirSync(path)) if (name.endsWith(".hint")) rmSync(join(path, name));
  const times = [];
  let stats;
  for (let i = 0; i < OPENINGS; i++) {
    const start = performance.now();
    const again = await open(path, { readOnly: true });
    times.push(performance.now() - start);
    stats = again.stats();
    if (stats.keys !== keys) throw new Error(`${stats.keys} keys, not ${keys}`);
    if (hints !== stats.openHintedSegments > 0) throw new Error("hints were not as this row wants them");
    await again.close();
  }
  const ms = times.toSorted((a, b) => a - b)[OPENINGS >> 1];
  const rate = Math.round((stats.openRecords * 1e9) / Math.max(1, stats.openReadNs));
  const measures = {
    "opened in": `${ms.toFixed(0)} ms, the fastest ${Math.min(...times).toFixed(0)} ms`,
    "keys from hints": stats.openHintedKeys.toLocaleString("en-US"),
    "records read from the log": `${stats.openRecords.toLocaleString("en-US")}, ${rate.toLocaleString("en-US")} a second`,
    "hints, bytes a key": (stats.hintBytes / keys).toFixed(1),
  };
  return { operations: keys, ms, measures };
}

export const spaceWorkloads = { overwriting, manyKeys, openAgain };
