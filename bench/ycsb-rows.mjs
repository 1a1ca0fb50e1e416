// YCSB's core workloads, in three sizes of values, with keys asked for uniformly and by a zipfian law; every embedded peer.
const titles = {
  a: "half reads, half updates",
  b: "95 % reads, 5 % updates",
  c: "reads only",
  d: "95 % reads of the newest, 5 % inserts",
  f: "half reads, half read-modify-writes",
};
const sizes = [
  { valueBytes: 100, label: "100", text: "100 B" },
  { valueBytes: 1024, label: "1k", text: "1 KiB" },
  { valueBytes: 16_384, label: "16k", text: "16 KiB" },
];

const peers = [
  { store: "lmdb", label: "lmdb" },
  { store: "classic-level", label: "classic-level" },
  { store: "rocksdb-native", label: "rocksdb-native" },
  { store: "better-sqlite3", label: "better-sqlite3" },
  { store: "map", label: "Map: the bound, nothing is kept" },
];

const row = (mix, distribution, { valueBytes, label, text }) => ({
  name: `ycsb-${mix}-${distribution}-${label}`,
  title: `YCSB ${mix.toUpperCase()}: ${titles[mix]}; ${mix === "d" ? "the newest most" : distribution}, ${text}`,
  durability: "killed",
  workload: "ycsb",
  form: "text",
  load: { mix, distribution, valueBytes },
  repetitionsMax: 3,
  latencyOf: "of groups of 100 operations",
  notQuick: distribution === "uniform" || valueBytes !== 100 || !["a", "c"].includes(mix),
  ours: { store: "crabkv", label: "crabkv" },
  peers: peers.map((side) => ({ variants: [side] })),
});

export const ycsbRows = sizes.flatMap((size) => [
  ...["a", "b", "c", "d", "f"].map((mix) => row(mix, "zipfian", size)),
  // D has a law of its own: the newest keys are asked for most.
  ...["a", "b", "c", "f"].map((mix) => row(mix, "uniform", size)),
]);
