// Compaction as a user of the library sees it: space comes back by itself and on request, and nothing else changes.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { CompactionReport } from "../src/index.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const KIB = 1024;
const MIB = 1024 * KIB;

function bytesIn(directory: string): number {
  return readdirSync(directory)
    .filter((name) => /\.(log|seg)$/.test(name))
    .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

async function churn(db: { putMany(records: { key: string; value: string }[]): Promise<unknown> }, rounds: number) {
  for (let round = 0; round < rounds; round++) {
    await db.putMany(Array.from({ length: 500 }, (_, i) => ({ key: `k${i}`, value: `${round} ${"v".repeat(200)}` })));
  }
}

async function until(condition: () => boolean): Promise<void> {
  let holds = condition();
  for (let i = 0; i < 2000 && !holds; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    // Once: compaction may begin again between two looks.
    holds = condition();
  }
  expect(holds).toBe(true);
}

/** The nice level of each of the store's threads, by name. */
function niceLevels(): Record<string, number> {
  const levels: Record<string, number> = {};
  for (const thread of readdirSync("/proc/self/task")) {
    levels[readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trim()] = getPriority(Number(thread));
  }
  return levels;
}

test.skipIf(process.platform !== "linux")("compaction gives way to the store's other threads", async () => {
  await openStore(temporaryDirectory());
  const usual = getPriority();
  const lower = Math.min(usual + 10, 19);
  await vi.waitFor(() => {
    expect(niceLevels()).toMatchObject({ "crabkv-writer": usual, "crabkv-syncer": usual, "crabkv-compact": lower });
  });
});

test("what is overwritten gives its space back by itself, down to half as much again as what is live", async () => {
  const path = join(temporaryDirectory(), "data");
  const db = await openStore(path, { sync: "os", segmentBytes: 256 * KIB, compaction: { ioShare: 1 } });
  const reports: CompactionReport[] = [];
  db.on("compacted", (report) => reports.push(report));
  await churn(db, 60); // 7 MB, of which 0.12 are live
  const small = () => db.stats().logBytes <= 1.5 * db.stats().liveBytes + MIB;
  // Each event comes a little after what it tells of is in stats().
  const told = () => reports.reduce((sum, { recordsDropped }) => sum + recordsDropped, 0);
  const allTold = () => reports.length > 0 && told() === db.stats().compactionDroppedRecords;
  await until(() => small() && !db.stats().compacting && allTold());
  expect(await db.get("k499")).toBe(`59 ${"v".repeat(200)}`);
  await db.close();
  expect(bytesIn(path)).toBeLessThan(2 * MIB);
  const again = await openStore(path);
  expect(await again.getMany(["k0", "k499", "k500"])).toEqual([
    `59 ${"v".repeat(200)}`,
    `59 ${"v".repeat(200)}`,
    undefined,
  ]);
  expect(again.stats().keys).toBe(500);
});

test("compact() looks through everything, and again finds nothing", async () => {
  const db = await openStore(join(temporaryDirectory(), "data"), { compaction: { auto: false } });
  await churn(db, 5);
  const before = db.stats().logBytes;
  const report = await db.compact();
  expect(report.recordsDropped).toBe(2000);
  expect(report.recordsKept).toBe(500);
  expect(db.stats().logBytes).toBeLessThan(before / 4);
  expect((await db.compact()).compactions).toBe(0);
  const all = await Promise.all([db.compact(), db.compact()]);
  expect(all.map(({ compactions }) => compactions)).toEqual([0, 0]);
});

test("auto: false leaves the log alone", async () => {
  const db = await openStore(join(temporaryDirectory(), "data"), {
    sync: "os",
    segmentBytes: 64 * KIB,
    compaction: { auto: false },
  });
  await churn(db, 20);
  expect(db.stats().compactions).toBe(0);
});

test("a signal gives a compaction up, and the store goes on", async () => {
  const db = await openStore(join(temporaryDirectory(), "data"), {
    sync: "os",
    compaction: { auto: false, ioShare: 0.01 },
  });
  await churn(db, 50);
  await expect(db.compact({ signal: AbortSignal.abort(new Error("not at all")) })).rejects.toThrow("not at all");
  const controller = new AbortController();
  const compacting = db.compact({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(compacting).rejects.toThrow("enough");
  expect(await db.get("k1")).toBe(`49 ${"v".repeat(200)}`);
  await db.put("k1", "on");
});

test("closing gives a compaction up", async () => {
  const path = join(temporaryDirectory(), "data");
  const db = await openStore(path, { sync: "os", compaction: { auto: false, ioShare: 0.01 } });
  await churn(db, 50);
  const compacting = db.compact();
  const closing = db.close();
  await expect(compacting).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await closing;
  const again = await openStore(path);
  expect(again.stats().keys).toBe(500);
});

test("a watch from before what was compacted says where it can begin", async () => {
  const db = await openStore(join(temporaryDirectory(), "data"), { compaction: { auto: false } });
  await churn(db, 3);
  await db.compact();
  const { feedFloor } = db.stats();
  expect(feedFloor).toBeGreaterThan(0);
  const gone = db.watch({ from: 1 });
  await expect(gone.next()).rejects.toMatchObject({ code: "CRABKV_POSITION_GONE" });
  await expect(db.watch({ from: 1 }).next()).rejects.toThrow(String(feedFloor));
  const watch = db.watch({ from: feedFloor });
  await db.put("new", "1");
  expect((await watch.next()).value).toMatchObject({ key: "new", value: "1" });
  await watch.return();
});

test("entries in log order go on across a compaction", async () => {
  const db = await openStore(join(temporaryDirectory(), "data"), { compaction: { auto: false } });
  await churn(db, 4);
  const { value: version } = await db
    .put("marker", "m")
    .then(async () => ({ value: (await db.getEntry("marker"))?.version }));
  await db.put("after", "a");
  const keys: string[] = [];
  const entries = db.entries({ order: "log", from: version });
  await db.compact();
  for await (const [key] of entries) keys.push(key);
  expect(keys).toEqual(["after"]);
  const all: string[] = [];
  for await (const [key] of db.entries({ order: "log" })) all.push(key);
  expect(all.length).toBe(502);
  expect(all.slice(-2)).toEqual(["marker", "after"]);
});

test.each([
  [{ auto: 1 }, /compaction\.auto/],
  [{ deadRatio: 0 }, /compaction\.deadRatio/],
  [{ deadRatio: "1" }, /compaction\.deadRatio/],
  [{ minBytes: -1 }, /compaction\.minBytes/],
  [{ ioShare: 2 }, /compaction\.ioShare/],
  [{ when: "now" }, /unknown option when/],
  [7, /compaction must be an object/],
])("%j is refused", async (compaction, message) => {
  await expect(openStore(join(temporaryDirectory(), "data"), { compaction: compaction as object })).rejects.toThrow(
    message,
  );
});
