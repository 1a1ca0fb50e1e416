// The rows of the report: what is measured, against whom, and the ratio to reach ("at least" in the project's goals; "at most"
// where less is better, which is what a `unit` of time says). A peer with several variants is represented by whichever is
// best in the run.
import { eventLoopRow, ladderRows } from "./durable-rows.mjs";
import { serverRows, steadyRows } from "./server-rows.mjs";
import { ycsbRows } from "./ycsb-rows.mjs";

const lmdbOneStep = { store: "lmdb", variant: "one-step", label: "lmdb, overlappingSync: false, await put" };
const lmdbFlushed = { store: "lmdb", variant: "flushed", label: "lmdb, await put, await flushed" };

/** What has no goal to reach, and is there to be seen beside. */
const beside = (store, label) => ({ variants: [{ store, label }] });
const bound = beside("map", "Map: the bound, nothing is kept");

const putDurably = (inFlight, atLeast, more = []) => ({
  name: `put-always-${inFlight}`,
  title: `put, each awaited, ${inFlight} in flight`,
  durability: "power",
  workload: "putEach",
  inFlight,
  form: "text",
  ours: { store: "crabkv", label: "crabkv" },
  peers: [
    { atLeast, variants: [lmdbFlushed, lmdbOneStep] },
    beside("classic-level", "classic-level, sync: true"),
    ...more,
  ],
});

/** Of CrabKV alone. */
const own = (name, title, workload, options) => ({
  name,
  title,
  durability: "killed",
  workload,
  form: "text",
  options,
  ours: { store: "crabkv", label: "crabkv" },
  peers: [],
});

/** CrabKV with so many keys in it, once: filling it takes the time. */
const manyKeys = (keys, label) => ({
  ...own(`keys-${label}`, `getSync of random ones of ${label} keys`, "manyKeys"),
  keys,
  notQuick: keys >= 1_000_000,
  repetitionsMax: 1,
});

/** Opening a store of so many keys, by hints and by reading all of its log, the pages in memory. */
const openAgain = (keys, label) => ({
  ...own(`open-${label}`, `opening ${label} keys`, "openAgain"),
  keys,
  repetitionsMax: 1,
  notQuick: true,
  ours: { store: "crabkv", hints: true, label: "crabkv, hints" },
  peers: [{ atLeast: 2, variants: [{ store: "crabkv", hints: false, label: "crabkv, no hints" }] }],
});

const inGroup = (group, rows) => rows.map((row) => ({ group, ...row }));

const writeRows = [
  {
    name: "put-os",
    title: "put, fire and wait for the last",
    durability: "killed",
    workload: "putAll",
    form: "text",
    ours: { store: "crabkv", label: "crabkv" },
    peers: [
      { atLeast: 3, variants: [{ store: "lmdb", label: "lmdb" }] },
      { atLeast: 6, variants: [{ store: "classic-level", label: "classic-level, batches of 1000" }] },
      beside("rocksdb-native", "rocksdb-native, batches of 1000"),
      beside("better-sqlite3", "better-sqlite3, transactions of 1000"),
      bound,
    ],
  },
  putDurably(1, 2, [beside("better-sqlite3", "better-sqlite3, a transaction a put")]),
  putDurably(64, 2.5),
  putDurably(1024, 3.5),
];

const readRows = [
  {
    name: "get-text",
    title: "getSync to string, random",
    durability: "killed",
    workload: "get",
    form: "text",
    ours: { store: "crabkv", label: "crabkv" },
    peers: [
      { atLeast: 2, variants: [{ store: "lmdb", label: "lmdb get" }] },
      beside("better-sqlite3", "better-sqlite3, prepared statement"),
      bound,
    ],
  },
  {
    name: "get-buffer",
    title: "getSync to Buffer, random",
    durability: "killed",
    workload: "get",
    form: "bytes",
    ours: { store: "crabkv", label: "crabkv" },
    peers: [
      { atLeast: 2.2, variants: [{ store: "lmdb", label: "lmdb getBinary" }] },
      { atLeast: 8, variants: [{ store: "classic-level", label: "classic-level getSync" }] },
    ],
  },
  {
    name: "get-many",
    title: "getMany(100) to strings, random",
    durability: "killed",
    workload: "getMany",
    form: "text",
    ours: { store: "crabkv", label: "crabkv" },
    peers: [
      {
        atLeast: 2,
        variants: [
          { store: "lmdb", variant: "many", label: "lmdb getMany" },
          { store: "lmdb", variant: "loop", label: "lmdb, loop of get" },
        ],
      },
      beside("rocksdb-native", "rocksdb-native, read batch"),
    ],
  },
];

const ownRows = [
  own("cached-get", "getSync of a cached string, random", "cachedGet", { cache: { entries: 20_000 } }),
  own("increment", "increment of 1,000 counters, 1,000 in flight", "increment"),
  own("guarded-batch", "batch of two puts under a guard, 1,000 in flight", "guardedBatch"),
  own("expire", "expire, 1,000 in flight", "expire"),
  own("active-expiry", "keys that expire within a second, until all are removed", "activeExpiry"),
  {
    ...own("mixed-workers", "puts and gets from two worker threads, together", "mixed"),
    ours: { store: "crabkv", workers: 2, label: "crabkv, 2 workers" },
    peers: [{ atLeast: 1.6, variants: [{ store: "crabkv", workers: 1, label: "crabkv, 1 worker" }] }],
  },
];

const compactionRows = [
  {
    ...own("overwriting", "p99.9 of a put's latency, 100,000 puts a second", "overwriting"),
    unit: "ms",
    ours: { store: "crabkv", label: "crabkv, compacting" },
    peers: [
      {
        atMost: 2,
        variants: [{ store: "crabkv", options: { compaction: { auto: false } }, label: "crabkv, not compacting" }],
      },
    ],
  },
];

const sizeRows = [
  manyKeys(10_000, "10k"),
  manyKeys(100_000, "100k"),
  manyKeys(1_000_000, "1m"),
  manyKeys(10_000_000, "10m"),
  openAgain(1_000_000, "1m"),
  openAgain(10_000_000, "10m"),
];

/**
 * Beside what runOnce() of run.mjs hands on, a row may have `repetitionsMax`, `notQuick` when --quick leaves it out, and `latencyOf`, of what its
 * latencies are when not of single operations, and `reference`, a figure from elsewhere to be seen beside.
 */
export const rows = [
  ...inGroup("Writes", writeRows),
  ...inGroup("The ladder: what durability costs", ladderRows),
  ...inGroup("Reads", readRows),
  ...inGroup("What only CrabKV does", ownRows),
  ...inGroup("Waiting", [...compactionRows, eventLoopRow]),
  ...inGroup("From ten thousand to ten million keys", sizeRows),
  ...inGroup("YCSB, a hundred operations in flight", ycsbRows),
  ...inGroup("Servers, by redis-benchmark", serverRows),
  ...inGroup("Servers, latency at a steady load", steadyRows),
];

/** What a row's durability promises, for people. */
export const durabilities = {
  killed: "an acknowledged write survives a killed process",
  power: "an acknowledged write survives power loss",
  tenth: "power loss takes at most the last 100 ms and the sync then in flight",
  flushed: "what is not flushed yet survives nothing; what is survives power loss",
  flushedTenth:
    "what is not flushed yet survives nothing; of what is, power loss takes at most the last 100 ms and the sync then in flight",
  second: "power loss takes at most the last second and the sync then in flight",
  memory: "redis-server and memcached keep nothing on disk; of CrabKV an acknowledged write survives a killed process",
};

export const sidesOf = (row) => [row.ours, ...row.peers.flatMap((peer) => peer.variants)];
/** Workloads that need a store with all records in it. */
export const reads = (row) => row.workload === "get" || row.workload === "getMany";
