// The rows of the report: what is measured, against whom, and the ratio to reach ("at least" in the project's goals). A
// peer with several variants is represented by whichever is fastest in the run.
const lmdbOneStep = { store: "lmdb", variant: "one-step", label: "lmdb, overlappingSync: false, await put" };
const lmdbFlushed = { store: "lmdb", variant: "flushed", label: "lmdb, await put, await flushed" };

const putDurably = (inFlight, atLeast) => ({
  name: `put-always-${inFlight}`,
  title: `put, each awaited, ${inFlight} in flight`,
  durability: "power",
  workload: "putEach",
  inFlight,
  form: "text",
  ours: { store: "crabkv", label: "crabkv" },
  peers: [{ atLeast, variants: [lmdbFlushed, lmdbOneStep] }],
});

export const rows = [
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
    ],
  },
  putDurably(1, 2),
  putDurably(64, 2.5),
  putDurably(1024, 3.5),
  {
    name: "get-text",
    title: "getSync to string, random",
    durability: "killed",
    workload: "get",
    form: "text",
    ours: { store: "crabkv", label: "crabkv" },
    peers: [{ atLeast: 2, variants: [{ store: "lmdb", label: "lmdb get" }] }],
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
    ],
  },
];

/** What a row's durability promises, for people. */
export const durabilities = {
  killed: "an acknowledged write survives a killed process",
  power: "an acknowledged write survives power loss",
};

export const sidesOf = (row) => [row.ours, ...row.peers.flatMap((peer) => peer.variants)];
/** Workloads that need a store with all records in it. */
export const reads = (row) => row.workload === "get" || row.workload === "getMany";
