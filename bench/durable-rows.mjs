// The ladder: one workload, and five ways to have it durable, beside what the store that this project comes from reported of its own
// on its machine. And how long durable puts keep the event loop waiting.
const rung = (name, rungOfLoad, title, durability, options, seedRate) => ({
  name: `ladder-${name}`,
  title,
  durability,
  workload: "ladder",
  form: "text",
  load: { rung: rungOfLoad },
  options,
  ours: { store: "crabkv", label: "crabkv" },
  peers: [],
  reference: { label: "the seed, on its machine", rate: seedRate },
});

export const ladderRows = [
  rung("none", "one", "none: each put waits for a sync of its own", "power", { sync: "always" }, 759),
  rung("buffered", "many", "buffered: puts, a sync every 100 ms", "tenth", { sync: { everyMs: 100 } }, 115_516),
  rung("batches", "batch", "batches: putMany of 100, each waits for its sync", "power", { sync: "always" }, 75_875),
  rung(
    "write-back",
    "many",
    "write-back: puts into the buffer, flushed with a sync",
    "flushed",
    { sync: "always", writeBack: true },
    68_374,
  ),
  rung(
    "all",
    "many",
    "all: write-back, its flushes as batches, a sync every 100 ms",
    "flushedTenth",
    { sync: { everyMs: 100 }, writeBack: true },
    220_970,
  ),
];

export const eventLoopRow = {
  name: "event-loop",
  title: "p99 of the event loop's delay, 1,000 durable puts a second",
  durability: "power",
  workload: "eventLoop",
  unit: "ms",
  form: "text",
  ours: { store: "crabkv", label: "crabkv" },
  peers: [
    {
      variants: [
        { store: "lmdb", variant: "one-step", label: "lmdb, overlappingSync: false, await put" },
        { store: "lmdb", variant: "flushed", label: "lmdb, await put, await flushed" },
      ],
    },
    { variants: [{ store: "classic-level", label: "classic-level, sync: true" }] },
    { variants: [{ store: "better-sqlite3", label: "better-sqlite3, a transaction a put" }] },
  ],
};
