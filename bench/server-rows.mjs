// The rows that compare the server with redis-server by redis-benchmark, and with memcached too by a driver of our own.

const CONNECTIONS = 50;
const MANY_CONNECTIONS = 1500;

const row = (name, title, durability, workload, load, atLeast) => ({
  name,
  title,
  durability,
  workload,
  load,
  needs: "redis", // for redis-benchmark
  ours: { store: "crabkv-server", label: "crabkv serve" },
  notQuick: load.pipeline === 64 || load.connections > CONNECTIONS || durability !== "second",
  peers: [{ atLeast, variants: [{ store: "redis", label: "redis-server" }] }],
});

const serve = (test, pipeline, durability, atLeast) =>
  row(
    `server-${test}-${pipeline}-${durability}`,
    `${test.toUpperCase()} from ${CONNECTIONS} connections, pipeline ${pipeline}`,
    durability,
    "serve",
    { test, pipeline, connections: CONNECTIONS },
    atLeast,
  );

export const serverRows = [
  serve("set", 1, "memory", 0.8),
  serve("set", 16, "memory"),
  serve("set", 64, "memory"),
  serve("set", 1, "second", 0.8),
  serve("set", 16, "second", 2),
  serve("set", 64, "second", 3),
  serve("set", 1, "power"),
  serve("set", 16, "power", 1.5),
  serve("set", 64, "power"),
  serve("get", 1, "memory", 0.8),
  serve("get", 16, "memory", 1.2),
  serve("get", 64, "memory", 2),
  serve("get", 1, "second", 0.8),
  serve("get", 16, "second", 1.2),
  serve("get", 64, "second", 2),
  serve("get", 1, "power", 0.8),
  serve("get", 16, "power", 1.2),
  serve("get", 64, "power", 2),
  row(
    "server-mixed-1500",
    `80 % GET, 20 % SET from ${MANY_CONNECTIONS} connections`,
    "second",
    "serveMixed",
    { pipeline: 1, connections: MANY_CONNECTIONS },
    0.8,
  ),
];

const steadily = (rate, label, durability, notQuick) => ({
  name: `steady-${label}-${durability}`,
  title: `p99 of ${rate.toLocaleString("en-US")} requests a second due at a steady pace, 80 % GET, ${CONNECTIONS} connections`,
  durability,
  workload: "serveSteadily",
  unit: "ms",
  load: { rate, connections: CONNECTIONS, getShare: 0.8 },
  notQuick,
  ours: { store: "crabkv-server", label: "crabkv serve" },
  peers: [
    { variants: [{ store: "redis", label: "redis-server" }] },
    ...(durability === "memory" ? [{ variants: [{ store: "memcached", label: "memcached" }] }] : []),
  ],
});

export const steadyRows = [
  steadily(10_000, "10k", "memory", true),
  steadily(40_000, "40k", "memory", false),
  steadily(40_000, "40k", "second", true),
  steadily(10_000, "10k", "power", true),
];
