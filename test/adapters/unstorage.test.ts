// The assertions of unstorage's own driver tests (its package does not bring them), and what this driver has beyond them.
import { setTimeout as sleep } from "node:timers/promises";
import { createStorage, restoreSnapshot, snapshot } from "unstorage";
import type { Storage } from "unstorage";
import { describe, expect, onTestFinished, test } from "vitest";
import crabkvDriver from "../../src/adapters/unstorage.js";
import type { CrabKVDriverOptions } from "../../src/adapters/unstorage.js";
import { open } from "../../src/index.js";
import { collect, temporaryDirectory, temporaryStore } from "../temporary.js";

async function temporaryStorage(options: Partial<CrabKVDriverOptions> = {}) {
  const db = await temporaryStore();
  return { db, storage: createStorage({ driver: crabkvDriver({ store: db, ...options }) }) };
}

async function fill(storage: Storage, keys: readonly string[]): Promise<void> {
  for (const key of keys) await storage.setItem(key, "test_data");
}

describe.each([{}, { base: "app:data" }])("unstorage's own assertions, with options %j", (options) => {
  test("a snapshot is restored", async () => {
    const { storage } = await temporaryStorage(options);
    await restoreSnapshot(storage, { initial: "works", "deep:er": { n: 1 } });
    expect(await storage.getItem("initial")).toBe("works");
    expect(await snapshot(storage, "")).toEqual({ initial: "works", "deep:er": { n: 1 } });
    await storage.clear();
    expect(await storage.getKeys()).toEqual([]);
    await storage.clear();
    expect(await storage.getKeys()).toEqual([]);
  });

  test("at first there is nothing", async () => {
    const { storage } = await temporaryStorage(options);
    expect([await storage.hasItem("s1:a"), await storage.getItem("s2:a"), await storage.getKeys()]).toEqual([
      false,
      null,
      [],
    ]);
  });

  test("items are set, found whatever their query, listed by base and depth, and removed", async () => {
    const { storage } = await temporaryStorage(options);
    await fill(storage, ["s1:a", "s2:a", "s3:a?q=1"]);
    expect([await storage.hasItem("s1:a"), await storage.getItem("s1:a")]).toEqual([true, "test_data"]);
    expect(await storage.getItem("s3:a?q=2")).toBe("test_data");
    expect((await storage.getKeys()).sort()).toEqual(["s1:a", "s2:a", "s3:a"]);
    expect(await storage.getKeys("s1")).toEqual(["s1:a"]);
    await storage.removeItem("s1:a", false);
    expect([await storage.hasItem("s1:a"), await storage.getItem("s1:a")]).toEqual([false, null]);
    await storage.clear();
    const [at0, at1, at2] = [["top"], ["a:mid0", "a:mid1"], ["a:b:low0", "a:b:low1"]] as const;
    await fill(storage, [...at0, ...at1, ...at2]);
    expect(await storage.getKeys(undefined, { maxDepth: 0 })).toEqual(at0);
    expect((await storage.getKeys(undefined, { maxDepth: 1 })).sort()).toEqual([...at1, ...at0]);
    expect((await storage.getKeys(undefined, { maxDepth: 2 })).sort()).toEqual([...at2, ...at1, ...at0]);
  });

  test("values keep their kind", async () => {
    const { storage } = await temporaryStorage(options);
    class AsText {
      toJSON = () => "SERIALIZED";
    }
    class AsObject {
      toJSON = () => ({ serializedObj: "works" });
    }
    const values = [{ json: "works" }, true, false, 0, "text"];
    for (const [i, value] of values.entries()) await storage.setItem(`/data/${i}.json`, value);
    for (const [i, value] of values.entries()) expect(await storage.getItem(`/data/${i}.json`)).toEqual(value);
    await storage.setItem("/data/text.json", new AsText());
    await storage.setItem("/data/object.json", new AsObject());
    expect(await storage.getItem("/data/text.json")).toBe("SERIALIZED");
    expect(await storage.getItem("/data/object.json")).toEqual({ serializedObj: "works" });
    await expect(storage.setItem("/data/bad.json", new Map())).rejects.toThrow("[unstorage] Cannot stringify value!");
  });

  test("raw values are bytes", async () => {
    const { storage } = await temporaryStorage(options);
    const bytes = new Uint8Array([1, 2, 3, 0, 255]);
    await storage.setItemRaw("/data/raw.bin", bytes);
    expect(Buffer.from((await storage.getItemRaw<Uint8Array>("/data/raw.bin"))!)).toEqual(Buffer.from(bytes));
  });

  test("many items are set and read at once", async () => {
    const { storage } = await temporaryStorage(options);
    await storage.setItems(["t:1", "t:2", "t:3?q=1"].map((key) => ({ key, value: `data of ${key}` })));
    expect(await storage.getItem("t:2")).toBe("data of t:2");
    expect(await storage.getItems([{ key: "t:1" }, "t:2", { key: "t:3?q=1" }, "t:none"])).toEqual([
      { key: "t:1", value: "data of t:1" },
      { key: "t:2", value: "data of t:2" },
      { key: "t:3", value: "data of t:3?q=1" },
      { key: "t:none", value: null },
    ]);
  });
});

test("an item lives as long as its ttl says, or the driver's", async () => {
  const { db, storage } = await temporaryStorage({ ttl: 60 });
  await storage.setItem("a", 1);
  await storage.setItem("b", 1, { ttl: 0.02 });
  await storage.setItem("c", 1, { ttl: Infinity });
  await storage.setItems([
    { key: "d", value: 1, options: { ttl: 10 } },
    { key: "e", value: 1, options: {} },
  ]);
  expect(await db.ttl("a")).toBeLessThanOrEqual(60_000);
  expect(await db.ttl("e")).toBeGreaterThan(10_000);
  const { ttl } = await storage.getMeta("d", { nativeOnly: true });
  expect(ttl).toBeGreaterThan(5);
  expect(ttl).toBeLessThanOrEqual(10);
  expect([await storage.getMeta("c"), await storage.getMeta("none")]).toEqual([{}, {}]);
  await sleep(40);
  expect([await storage.hasItem("b"), await storage.getItem("b")]).toEqual([false, null]);
  await expect(storage.setItem("f", 1, { ttl: -1 })).rejects.toThrow("ttl must be a positive number of seconds");
  await expect(storage.setItem("f", 1, { ttl: "1" })).rejects.toThrow("ttl must be a number of seconds");
});

test("a base keeps to itself", async () => {
  const { db, storage } = await temporaryStorage({ base: "app" });
  await db.put("application", "other");
  await fill(storage, ["x:1", "x:2", "y:1"]);
  expect((await collect(db.keys())).sort()).toEqual(["app:x:1", "app:x:2", "app:y:1", "application"]);
  await storage.getMount().driver.clear!("x:", {});
  expect((await collect(db.keys())).sort()).toEqual(["app:y:1", "application"]);
  await storage.clear();
  expect(await collect(db.keys())).toEqual(["application"]);
});

test("watchers hear of every change, whoever makes it, until they stop", async () => {
  const { db, storage } = await temporaryStorage({ base: "app" });
  const heard: string[] = [];
  const unwatch = await storage.watch((event, key) => void heard.push(`${event} ${key}`));
  onTestFinished(() => storage.unwatch());
  await storage.setItem("a", 1);
  await db.put("app:b", "by another", { ttlMs: 60_000 });
  await db.expire("app:b", 50_000);
  await db.put("other", "elsewhere");
  await storage.removeItem("a");
  await expect.poll(() => heard).toEqual(["update a", "update b", "remove a"]);
  await unwatch();
  await storage.setItem("c", 1);
  await db.flush();
  await sleep(20);
  expect(heard.length).toBe(3);
});

test("after dispose nobody hears of changes, though the store stays open", async () => {
  const { db, storage } = await temporaryStorage();
  const heard: string[] = [];
  await storage.watch((event, key) => void heard.push(`${event} ${key}`));
  await storage.setItem("a", 1);
  await expect.poll(() => heard).toEqual(["update a"]);
  await storage.dispose();
  await db.put("b", "2");
  await sleep(20);
  expect(heard).toEqual(["update a"]);
});

test("a watch that is disposed of while it begins hears nothing", async () => {
  const db = await temporaryStore();
  const driver = crabkvDriver({ store: db });
  const heard: string[] = [];
  const watching = driver.watch!((event, key) => void heard.push(`${event} ${key}`));
  await driver.dispose!();
  await watching;
  await db.put("a", "1");
  await sleep(20);
  expect(heard).toEqual([]);
});

test("what a listener throws is an uncaught error, and the watching goes on", async () => {
  const uncaught = catchUncaught();
  const { storage } = await temporaryStorage();
  onTestFinished(() => storage.unwatch());
  const heard: string[] = [];
  await storage.watch((_, key) => {
    if (key === "a") throw new Error("the listener's own");
  });
  await storage.watch((event, key) => void heard.push(`${event} ${key}`));
  for (const key of ["a", "b", "c"]) await storage.setItem(key, 1);
  // unstorage itself tells the listeners of a change one after the other, up to the one that throws.
  await expect.poll(() => heard).toEqual(["update b", "update c"]);
  expect(uncaught).toEqual([new Error("the listener's own")]);
});

// In place of vitest, for which each would be a failure.
function catchUncaught(): unknown[] {
  const uncaught: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  return uncaught;
}

test("a directory is opened at first use and closed by dispose, also under a watcher", async () => {
  const dataDir = `${temporaryDirectory()}/data`;
  const driver = crabkvDriver({ dataDir, sync: "os", driver: "crabkv/unstorage" });
  const storage = createStorage({ driver });
  await storage.watch(() => undefined);
  await storage.setItem("a", { n: 1 });
  expect(await (await driver.getInstance!()).get("a")).toBe('{"n":1}');
  await storage.dispose();
  await expect(storage.getItem("a")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  const db = await open(dataDir, { createIfMissing: false });
  expect(await db.get("a")).toBe('{"n":1}');
  await db.close();
  expect(() => crabkvDriver({ dataDir, ttl: 0 })).toThrow("ttl must be a positive number of seconds");
  expect(() => crabkvDriver({ path: dataDir } as never)).toThrow("unknown option path");
});
