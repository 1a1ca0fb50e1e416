// Time to live from the library: what has expired is invisible at once, and removed soon after, with an event.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";
import type { Store } from "../src/index.js";

/** Resolves with the first `count` keys that expire. */
function expiredKeys(db: Store<string, string>, count: number): Promise<string[]> {
  return new Promise((resolve) => {
    const all: string[] = [];
    db.on("expired", (keys) => {
      all.push(...keys);
      if (all.length >= count) resolve(all);
    });
  });
}

test("expired keys are gone from the index, and their event comes in the order of their deadlines", async () => {
  const db = await temporaryStore();
  const expired = expiredKeys(db, 300);
  const records = Array.from({ length: 300 }, (_, i) => ({ key: `k${i}`, value: "v", ttlMs: 1 + ((i * 7) % 300) }));
  await db.putMany([...records, { key: "stays", value: "v" }, { key: "later", value: "v", ttlMs: 3_600_000 }]);
  const keys = await expired;
  expect([...keys].sort()).toEqual(records.map((record) => record.key).sort());
  expect(db.stats().keys).toBe(2);
  expect(db.stats().keysWithDeadline).toBe(1);
  expect(await db.getMany(["k1", "stays", "later"])).toEqual([undefined, "v", "v"]);
});

test("what expires while the store is closed is removed after the next opening", async () => {
  const directory = temporaryDirectory();
  let db = await openStore(directory);
  await db.put("short", "v", { ttlMs: 1 });
  await db.put("long", "v");
  await db.close();
  db = await openStore(directory);
  expect(await db.get("short")).toBe(undefined);
  expect(await expiredKeys(db, 1)).toEqual(["short"]);
  expect(db.stats().keys).toBe(1);
});

test("keys are decoded for listeners as they are for everybody", async () => {
  const db = await temporaryStore({ keyEncoding: "json" });
  const expired = new Promise((resolve) => db.once("expired", resolve));
  await db.put({ id: 7 }, "v", { ttlMs: 1 });
  expect(await expired).toEqual([{ id: 7 }]);
});

test("a plain put clears the time to live, expire and persist change it, ttl tells it", async () => {
  const db = await temporaryStore();
  await db.put("a", "1", { ttlMs: 60_000 });
  expect(await db.ttl("a")).toBeGreaterThan(50_000);
  await db.put("a", "2");
  expect(await db.ttl("a")).toBe(Infinity);
  expect(await db.expire("a", 30_000)).toBe(true);
  expect(await db.ttl("a")).toBeLessThanOrEqual(30_000);
  expect(await db.persist("a")).toBe(true);
  expect(await db.persist("a")).toBe(false);
  expect(await db.ttl("a")).toBe(Infinity);
  expect(await db.expire("missing", 30_000)).toBe(false);
  expect(await db.ttl("missing")).toBe(undefined);
});

test("closing in the middle of an expiry cycle ends it", async () => {
  for (let round = 0; round < 5; round++) {
    const db = await temporaryStore();
    await db.putMany(Array.from({ length: 20_000 }, (_, i) => ({ key: `k${i}`, value: "v", ttlMs: 1 })));
    await new Promise((resolve) => setTimeout(resolve, 40 + round * 10));
    await db.close();
  }
});

test("a damaged record is told of once, and other keys go on expiring", async () => {
  const path = join(temporaryDirectory(), "data");
  const db = await openStore(path, { sync: "os" });
  const errors: string[] = [];
  const gone: string[] = [];
  db.on("error", (error) => errors.push((error as Error & { code: string }).code));
  db.on("expired", (keys) => gone.push(...keys));
  await db.put("damaged", "v", { ttlMs: 20 });
  await db.put("first", "v", { ttlMs: 40 });
  const file = join(path, "00000001.log");
  const at = readFileSync(file).indexOf("damaged");
  const fd = openSync(file, "r+");
  writeSync(fd, "D", at);
  closeSync(fd);
  await expect.poll(() => gone).toEqual(["first"]);
  await expect.poll(() => errors).toEqual(["CRABKV_CORRUPTION"]);
  await db.put("second", "v", { ttlMs: 20 });
  await expect.poll(() => gone).toEqual(["first", "second"]);
  await sleep(600); // two cycles and more
  expect(errors).toEqual(["CRABKV_CORRUPTION"]);
});
