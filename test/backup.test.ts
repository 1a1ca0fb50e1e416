// Backups and restoring them, as a user of the library sees them.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open, restore, verify } from "../src/index.js";
import type { Store } from "../src/index.js";
import { untilAborted, untilGivenUp } from "./given-up.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const KIB = 1024;

function fill(db: Store<string, string>, from: number, to: number): Promise<void> {
  return db.putMany(
    Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: `${from + i} ${"v".repeat(300)}` })),
  );
}

function contentsOf(directory: string): Map<string, Buffer> {
  const names = readdirSync(directory).filter((name) => name !== "LOCK");
  return new Map(names.map((name) => [name, readFileSync(join(directory, name))]));
}

test("a backup has what was written before it, is read like a store, and is restored into one", async () => {
  const root = temporaryDirectory();
  const [backup, restored] = [join(root, "backup"), join(root, "restored")];
  const db = await openStore(join(root, "data"), { segmentBytes: 64 * KIB });
  await fill(db, 0, 1000);
  await db.put("session", "on", { ttlMs: 3_600_000 });
  await db.delete("k7");
  const report = await db.backup(backup);
  expect(report.version).toBe(db.stats().lastVersion);
  expect(report.files).toBeGreaterThan(1);
  expect(report.linkedBytes).toBeGreaterThan(300_000);
  expect(report.copiedBytes + report.skippedBytes).toBe(0);
  await db.put("k8", "later");

  const reader = await openStore(backup, { readOnly: true });
  expect(reader.stats().keys).toBe(1000);
  expect(await reader.get("k7")).toBeUndefined();
  expect(await reader.get("k8")).toBe(`8 ${"v".repeat(300)}`);
  await expect(db.backup(backup)).rejects.toMatchObject({ code: "CRABKV_LOCKED" });
  await reader.close();
  expect((await verify(backup)).faultCount).toBe(0);
  await expect(open(backup)).rejects.toMatchObject({
    code: "CRABKV_READ_ONLY",
    message: expect.stringContaining("crabkv restore") as string,
  });

  const before = contentsOf(backup);
  const made = await restore(backup, restored);
  expect(made).toMatchObject({ version: report.version, files: report.files, records: 1002 });
  expect(Math.abs(made.backupTimeMs - Date.now())).toBeLessThan(600_000);
  const store = await openStore(restored);
  expect(store.stats()).toMatchObject({ keys: 1000, lastVersion: report.version });
  expect(store.stats().epoch).toBeGreaterThan(db.stats().epoch);
  expect(await store.ttl("session")).toBeGreaterThan(3_000_000);
  await fill(store, 0, 500);
  await store.compact();
  await store.close();
  await db.compact();
  await db.close();
  expect(contentsOf(backup)).toEqual(before);
});

test("again into the same directory it takes what is new, and lets go of what compaction has replaced", async () => {
  const root = temporaryDirectory();
  const backup = join(root, "backup");
  const db = await openStore(join(root, "data"), { segmentBytes: 64 * KIB, compaction: { auto: false } });
  await fill(db, 0, 1000);
  const first = await db.backup(backup);
  const unchanged = await db.backup(backup);
  expect(unchanged).toEqual({ ...first, linkedBytes: 0, skippedBytes: first.linkedBytes });
  await fill(db, 0, 10);
  const second = await db.backup(backup);
  expect(second).toMatchObject({ files: first.files + 1, skippedBytes: first.linkedBytes });
  expect(second.linkedBytes).toBeLessThan(10 * KIB);
  await fill(db, 0, 1000);
  await db.compact();
  const third = await db.backup(backup);
  expect(readdirSync(backup).filter((name) => /\.(log|seg)$/.test(name))).toHaveLength(third.files);
  const reader = await openStore(backup, { readOnly: true });
  expect(await collect(reader.keys())).toHaveLength(1000);
});

test("a directory that is something else is refused, and left as it is", async () => {
  const root = temporaryDirectory();
  const data = join(root, "data");
  const db = await openStore(data);
  await db.put("k", "v");
  const full = join(root, "full");
  mkdirSync(full);
  writeFileSync(join(full, "mine"), "x");
  const other = await open(join(root, "other"));
  await other.backup(join(root, "other-backup"));
  await other.close();
  for (const [name, code] of [
    ["full", "CRABKV_EXISTS"],
    ["full/mine", "CRABKV_IO"],
    ["other", "CRABKV_EXISTS"],
    ["other-backup", "CRABKV_EXISTS"],
  ] as const) {
    await expect(db.backup(join(root, name)), name).rejects.toMatchObject({ code });
  }
  for (const path of [data, join(data, "inside"), join(data, "deep/inside"), join(full, "..", "data")]) {
    await expect(db.backup(path)).rejects.toThrow(TypeError);
  }
  expect(readdirSync(full)).toEqual(["mine"]);
  expect(existsSync(join(data, "inside"))).toBe(false);
  for (const path of [undefined, 7, "", null]) {
    await expect(db.backup(path as string)).rejects.toThrow(/targetPath/);
    await expect(restore(path as string, "x")).rejects.toThrow(/backupPath/);
    await expect(restore("x", path as string)).rejects.toThrow(/targetPath/);
  }
  await expect(db.backup(join(root, "b\0"))).rejects.toThrow(/targetPath must not contain null bytes/);
  await expect(db.backup(join(root, "b"), { signal: 7 as never })).rejects.toThrow(TypeError);
  await expect(db.backup(join(root, "b"), { fast: true } as never)).rejects.toThrow(/fast/);
  expect(existsSync(join(root, "b"))).toBe(false);
});

test("what is no whole backup is not restored, and a target that is there is left alone", async () => {
  const root = temporaryDirectory();
  const backup = join(root, "backup");
  const db = await openStore(join(root, "data"), { segmentBytes: 64 * KIB });
  await fill(db, 0, 500);
  await db.backup(backup);
  await db.close();
  await expect(restore(join(root, "none"), join(root, "r"))).rejects.toMatchObject({ code: "CRABKV_MISSING" });
  await expect(restore(join(root, "data"), join(root, "r"))).rejects.toMatchObject({ code: "CRABKV_FORMAT" });
  await expect(restore(backup, join(root, "data"))).rejects.toMatchObject({ code: "CRABKV_EXISTS" });
  await expect(restore(backup, join(backup, "inside"))).rejects.toThrow(TypeError);
  const segment = readdirSync(backup).find((name) => name.endsWith(".log"))!;
  const bytes = readFileSync(join(backup, segment));
  bytes[bytes.length >> 1]! ^= 1;
  // A new file: the one that is there may be the store's.
  const damaged = join(root, "damaged");
  mkdirSync(damaged);
  for (const [name, content] of contentsOf(backup)) writeFileSync(join(damaged, name), content);
  writeFileSync(join(damaged, segment), bytes);
  await expect(restore(damaged, join(root, "r"))).rejects.toMatchObject({
    code: "CRABKV_CORRUPTION",
    message: expect.stringContaining(segment) as string,
  });
  expect(readdirSync(root).sort()).toEqual(["backup", "damaged", "data"]);
});

test("a signal gives a backup up, and so does closing the store", async () => {
  const root = temporaryDirectory();
  const db = await openStore(join(root, "data"), { segmentBytes: 64 * KIB });
  await fill(db, 0, 3000);
  const reason = new Error("enough");
  await expect(db.backup(join(root, "b"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const cancelled = await untilAborted(reason, (signal) => {
    rmSync(join(root, "b"), { recursive: true, force: true });
    return db.backup(join(root, "b"), { signal });
  });
  expect(cancelled).toBe(reason);
  expect(existsSync(join(root, "b"))).toBe(false);
  const { version } = await db.backup(join(root, "b"));
  expect(version).toBe(3000);
  await db.close();
  const closed = await untilGivenUp(async () => {
    rmSync(join(root, "c"), { recursive: true, force: true });
    const again = await openStore(join(root, "data"), { segmentBytes: 64 * KIB });
    const running = again.backup(join(root, "c"));
    running.catch(() => undefined); // close() is awaited first
    await again.close();
    await running;
  });
  expect(closed).toMatchObject({ code: "CRABKV_CLOSED" });
  expect(existsSync(join(root, "c"))).toBe(false);
  await expect(db.backup(join(root, "c"))).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
});

test("what waits in the write-back buffer is in the backup, and a read-only store makes none", async () => {
  const root = temporaryDirectory();
  const db = await openStore(join(root, "data"), { writeBack: { everyMs: 60_000 } });
  await db.put("buffered", "1");
  await db.backup(join(root, "b"));
  const reader = await openStore(join(root, "b"), { readOnly: true });
  expect(await reader.get("buffered")).toBe("1");
  await expect(reader.backup(join(root, "c"))).rejects.toMatchObject({ code: "CRABKV_READ_ONLY" });
});

test("on another file system it is copied", async ({ skip }) => {
  const root = temporaryDirectory();
  const elsewhere = "/dev/shm";
  if (!existsSync(elsewhere) || statSync(elsewhere).dev === statSync(root).dev) skip();
  const { mkdtempSync, rmSync } = await import("node:fs");
  const backup = mkdtempSync(join(elsewhere, "crabkv-"));
  try {
    const db = await openStore(join(root, "data"), { segmentBytes: 64 * KIB });
    await fill(db, 0, 1000);
    const report = await db.backup(backup);
    expect(report.linkedBytes).toBe(0);
    expect(report.copiedBytes).toBeGreaterThan(300_000);
    await restore(backup, join(root, "restored"));
    const store = await openStore(join(root, "restored"), { readOnly: true });
    expect(store.stats().keys).toBe(1000);
  } finally {
    rmSync(backup, { recursive: true, force: true });
  }
});

// Each batch moves something from one account to another: the sum tells whether a view is of one moment.
test("entries() and a backup each show one moment, while batches are written", async () => {
  const root = temporaryDirectory();
  const db = await openStore(join(root, "data"), { sync: "os", segmentBytes: 64 * KIB });
  const accounts = Array.from({ length: 50 }, (_, i) => `account${i}`);
  const balances = new Map(accounts.map((name) => [name, 100]));
  await db.putMany(accounts.map((key) => ({ key, value: "100" })));
  const state = { writing: true };
  const writer = (async () => {
    for (let i = 0; state.writing; i++) {
      const [from, to] = [accounts[i % 50]!, accounts[(i * 7 + 3) % 50]!];
      balances.set(from, balances.get(from)! - 1);
      balances.set(to, balances.get(to)! + 1);
      const put = (key: string) => ({ key, value: String(balances.get(key)) });
      await db.putMany([put(from), put(to), { key: `filler${i % 100}`, value: "f".repeat(500) }]);
    }
  })();
  try {
    for (let round = 0; round < 10; round++) {
      const seen: number[] = [];
      for await (const [, value] of db.entries({ prefix: "account" })) {
        seen.push(Number(value));
        // Others write between any two entries.
        await new Promise(setImmediate);
      }
      expect(seen).toHaveLength(50);
      expect(seen.reduce((sum, balance) => sum + balance)).toBe(5000);
      await db.backup(join(root, "b"));
      const reader = await open(join(root, "b"), { readOnly: true });
      const entries = await collect(reader.entries({ prefix: "account" }));
      await reader.close();
      expect(entries.reduce((sum, [, balance]) => sum + Number(balance), 0)).toBe(5000);
    }
  } finally {
    state.writing = false;
    await writer;
  }
});
