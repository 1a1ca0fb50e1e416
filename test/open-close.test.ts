// Opening and closing: what is created, attached to, refused and waited for, and what the store tells of itself.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

test("a path that does not exist is created, with its parents", async () => {
  const path = join(temporaryDirectory(), "a", "b");
  const db = await openStore(path);
  await db.put("k", "v");
  expect(readdirSync(path)).toContain("LOCK");
});

test("createIfMissing: false and errorIfExists: true refuse, by code", async () => {
  const path = join(temporaryDirectory(), "data");
  await expect(open(path, { createIfMissing: false })).rejects.toMatchObject({ code: "CRABKV_MISSING" });
  await (await open(path)).close();
  await expect(open(path, { errorIfExists: true })).rejects.toMatchObject({ code: "CRABKV_EXISTS" });
});

test("a read-only store reads, and refuses writes without changing anything", async () => {
  const path = temporaryDirectory();
  const db = await open(path);
  await db.put("k", "v");
  await db.close();
  const reader = await openStore(path, { readOnly: true });
  expect(await reader.get("k")).toBe("v");
  await expect(reader.put("k", "w")).rejects.toMatchObject({ code: "CRABKV_READ_ONLY" });
  await expect(reader.delete("k")).rejects.toMatchObject({ code: "CRABKV_READ_ONLY" });
  expect(await reader.get("k")).toBe("v");
});

test("a second open in this process is the same store; other options are refused by name", async () => {
  const path = temporaryDirectory();
  const first = await openStore(path);
  const second = await openStore(path);
  await first.put("k", "v");
  expect(await second.get("k")).toBe("v");
  await expect(open(path, { sync: "os" })).rejects.toMatchObject({
    code: "CRABKV_OPTIONS_DIFFER",
    message: expect.stringContaining("sync") as string,
  });
  await first.close();
  expect(await second.get("k")).toBe("v");
  await second.put("k", "w");
  await second.close();
});

test("the number of shards can differ at every open", async () => {
  const path = temporaryDirectory();
  for (const shards of [1, 7, 64]) {
    const db = await open(path, { shards });
    await db.put(`shards ${shards}`, "v");
    await db.close();
  }
  const db = await openStore(path, { shards: 3 });
  expect(await db.getMany(["shards 1", "shards 7", "shards 64"])).toEqual(["v", "v", "v"]);
});

test("close waits for writes in flight, and a second close is the same promise", async () => {
  const path = temporaryDirectory();
  const db = await open(path);
  const writes = Array.from({ length: 200 }, (_, i) => db.put(`k${i}`, "v"));
  const closing = db.close();
  expect(db.close()).toBe(closing);
  await closing;
  await Promise.all(writes);
  const again = await openStore(path);
  expect(again.stats().keys).toBe(200);
});

test("Symbol.asyncDispose closes the store", async () => {
  const path = temporaryDirectory();
  const db = await open(path);
  await db.put("k", "v");
  await db[Symbol.asyncDispose]();
  await expect(db.get("k")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
});

test("stats are plain numbers that follow what happens", async () => {
  const db = await temporaryStore();
  await db.put("a", "1");
  await db.put("b", "2", { ttlMs: 60_000 });
  const stats = db.stats();
  expect(stats).toMatchObject({
    keys: 2,
    keysWithDeadline: 1,
    diskFull: false,
    lastVersion: 2,
    acknowledgedVersion: 2,
  });
  expect(stats.indexBytes).toBeGreaterThan(0);
  expect(stats.logBytes).toBeGreaterThan(0);
  expect(JSON.parse(JSON.stringify(stats))).toEqual(stats);
  expect(db.failure).toBeUndefined();
});
