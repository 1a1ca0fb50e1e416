// What the benchmarks' figures rest on: a driver that counts what a stall costs, keys drawn by the law that is claimed, a page that
// shows what was measured and loads nothing, and flags that are understood or refused.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";

const bench = join(import.meta.dirname, "..", "bench");

interface Driven {
  latenciesMs: Float64Array;
}
type Drive = (port: number, settings: object) => Promise<Driven>;

/** Answers every SET at once; but from the `stallAt`-th on, nothing for `stallMs`, and then all that has come. */
async function stallingServer(requestBytes: number, stallAt: number, stallMs: number) {
  let seen = 0;
  let stalledUntilMs = 0;
  const server = createServer((socket) => {
    let bytes = 0;
    socket.on("data", (chunk) => {
      bytes += chunk.length;
      const requests = Math.floor(bytes / requestBytes);
      bytes -= requests * requestBytes;
      if (seen < stallAt && seen + requests >= stallAt) stalledUntilMs = performance.now() + stallMs;
      seen += requests;
      const answers = "+OK\r\n".repeat(requests);
      setTimeout(() => socket.write(answers), Math.max(0, stalledUntilMs - performance.now()));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

test("a stall of the server shows in every request that was due meanwhile, not in one a connection", async () => {
  const { drive } = (await import(join(bench, "load-driver.mjs"))) as { drive: Drive };
  const { protocols, keyOf } = (await import(join(bench, "protocols.mjs"))) as {
    protocols: { resp: { set(key: string, value: string): string } };
    keyOf: (index: number) => string;
  };
  const valueBytes = 100;
  const requestBytes = protocols.resp.set(keyOf(0), "y".repeat(valueBytes)).length;
  const server = await stallingServer(requestBytes, 200, 400);
  const load = { protocol: "resp", connections: 4, rate: 1000, seconds: 1, keys: 100, getShare: 0, valueBytes };
  const { latenciesMs } = await drive((server.address() as AddressInfo).port, load);
  server.close();
  expect(latenciesMs).toHaveLength(1000);
  // Of the 400 that were due in the stall, half were so 200 ms before its end. A client that waits would count four.
  expect(latenciesMs.filter((latency) => latency > 100).length).toBeGreaterThan(150);
  expect(Math.max(...latenciesMs)).toBeGreaterThan(300);
});

test("zipfian keys are YCSB's: a seventh of all operations go to the most frequent of a thousand, and all are within bounds", async () => {
  const { zipfianRanks, randomKeys, randomNumbers } = (await import(join(bench, "distributions.mjs"))) as {
    zipfianRanks: (count: number, random: () => number) => () => number;
    randomKeys: (distribution: string, count: number, random: () => number) => () => number;
    randomNumbers: (seed: number) => () => number;
  };
  const DRAWN = 100_000;
  const next = zipfianRanks(1000, randomNumbers(5));
  const counts = new Float64Array(1000);
  for (let i = 0; i < DRAWN; i++) counts[next()]!++;
  let zeta = 0;
  for (let rank = 1; rank <= 1000; rank++) zeta += 1 / rank ** 0.99;
  expect(counts[0]! / DRAWN).toBeCloseTo(1 / zeta, 2);
  expect(counts[1]! / DRAWN).toBeCloseTo(0.5 ** 0.99 / zeta, 2);
  for (const distribution of ["uniform", "zipfian"]) {
    const [one, again] = [7, 7].map((seed) => randomKeys(distribution, 300, randomNumbers(seed)));
    for (let i = 0; i < 1000; i++) {
      const key = one!();
      expect(key).toBe(again!());
      expect(key).toBeGreaterThanOrEqual(0);
      expect(key).toBeLessThan(300);
    }
  }
});

test("the page shows every side, warning and store left out, and loads nothing from elsewhere", async () => {
  const { page } = (await import(join(bench, "html-report.mjs"))) as { page: (data: object) => string };
  const side = {
    store: "crabkv",
    version: "1",
    options: { sync: "os" },
    median: 2e6,
    min: 1e6,
    max: 3e6,
    rates: [1e6, 2e6, 3e6],
  };
  const row = {
    name: "put-os",
    title: "put <fast>",
    unit: "operations/s",
    durability: "none",
    sides: [
      { ...side, label: "crabkv", latencyMs: { p50: 0.1, p99: 1, p999: 2, max: 30 } },
      { ...side, store: "lmdb", label: "lmdb", median: 1e6 },
    ],
    comparisons: [{ peer: "lmdb", ratio: 2, atLeast: 3, reached: false }],
  };
  const machine = {
    cpu: "a cpu",
    cores: 2,
    memoryGiB: 4,
    kernel: "k",
    node: "v20",
    commit: "abc",
    fdatasyncMs: { median: 1, min: 1, max: 2 },
  };
  const leftOut = [{ store: "memcached", reason: "not installed" }];
  const html = page({
    machine,
    settings: { count: 10, repetitions: 3 },
    warnings: ["busy & slow"],
    leftOut,
    rows: [row],
  });
  for (const text of [
    "2.00 M/s",
    "1.00 M/s",
    "lmdb",
    "put &lt;fast&gt;",
    "busy &amp; slow",
    "memcached",
    "not installed",
    "not reached",
    "30.0 ms",
  ]) {
    expect(html).toContain(text);
  }
  expect(html).not.toMatch(/<(?:script|link|img|iframe)|https?:|url\(|undefined|NaN/);
});

test.each([
  [["--qick"], /^Unknown option '--qick'/],
  [["--only", "put-os,gets"], /^--only: no row begins with gets$/m],
  [["--quick", "--only", "keys-10m"], /^--only: no row of --quick begins with keys-10m$/m],
  [["--repetitions", "0"], /^--repetitions is a number from 1 to 9999: 0$/m],
])("flags that are wrong are named, with those that there are: %j", (flags, message) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(bench, "run.mjs"), ...flags], {
    encoding: "utf8",
  });
  expect(stderr).toMatch(message);
  expect(stderr).toContain("npm run bench -- --quick ");
  expect(stdout).toBe("");
  expect(status).toBe(2);
});
