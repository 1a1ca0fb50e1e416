// The Keyv adapters beyond Keyv's suite: what is stored and for how long, namespaces, whose store it is; and what builds on Keyv.
import { setTimeout as sleep } from "node:timers/promises";
import { createCache } from "cache-manager";
import { Cacheable } from "cacheable";
import { Keyv } from "keyv";
import type { KeyvStoreAdapter } from "keyv";
import { expect, onTestFinished, test } from "vitest";
import { Keyv5Storage } from "../../src/adapters/keyv.js";
import { open } from "../../src/index.js";
import { collect, temporaryDirectory, temporaryStore } from "../temporary.js";

/** A Keyv whose errors are the test's. */
function keyvOn(store: KeyvStoreAdapter, options: { namespace?: string } = {}): Keyv {
  return new Keyv({ store, useKeyPrefix: false, throwOnErrors: true, ...options });
}

test("the store knows what Keyv keeps by a readable key, and when it ends", async () => {
  const db = await temporaryStore({ defaultTtlMs: 1000 });
  const users = keyvOn(new Keyv5Storage({ store: db }), { namespace: "users" });
  await users.set("1", { name: "crab" });
  await users.set("2", "short", 60_000.5);
  await users.setMany([
    { key: "3", value: 3, ttl: 60_000 },
    { key: "4", value: 4 },
  ]);
  expect(await db.get("keyv:users:1")).toBe('{"value":{"name":"crab"}}');
  expect(await db.ttl("keyv:users:1")).toBe(Infinity);
  expect(await db.ttl("keyv:users:2")).toBeGreaterThan(30_000);
  expect(await db.ttl("keyv:users:2")).toBeLessThanOrEqual(60_001);
  expect(await db.ttl("keyv:users:3")).toBeLessThanOrEqual(60_000);
  expect(await db.ttl("keyv:users:4")).toBe(Infinity);
  expect(await users.getMany(["4", "none", "1"])).toEqual([4, undefined, { name: "crab" }]);
  expect(await users.hasMany(["4", "none"])).toEqual([true, false]);
  expect(await users.deleteMany(["3", "4"])).toBe(true);
  expect(await users.deleteMany(["1", "4"])).toBe(false);
  expect(await collect(db.keys())).toEqual(["keyv:users:2"]);
});

test("a value whose time is over is gone, from the store too", async () => {
  const db = await temporaryStore();
  const storage = new Keyv5Storage({ store: db });
  await storage.set("soon", "v", 20);
  await storage.set("kept", "old");
  await storage.set("kept", "new", -1);
  await storage.setMany([{ key: "never", value: "v", ttl: -5 }]);
  expect(await storage.hasMany(["kept", "never"])).toEqual([false, false]);
  await sleep(40);
  expect([await storage.get("soon"), await storage.has("soon")]).toEqual([undefined, false]);
});

test("with a write-back buffer values wait there, the newest of each key", async () => {
  const db = await temporaryStore({ writeBack: { everyMs: 60_000 } });
  const storage = new Keyv5Storage({ store: db });
  for (let i = 0; i < 100; i++) await storage.set("hot", `${i}`, 60_000);
  expect(db.stats()).toMatchObject({ writeBackEntries: 1, writeBackCoalesced: 99 });
  expect([await storage.get("hot"), await collect(storage.iterator())]).toEqual(["99", [["hot", "99"]]]);
});

test("no namespace sees or clears what is in another, whatever they are called", async () => {
  const db = await temporaryStore();
  const names = [undefined, "a", "a:", "a:b", "%3A", ":", "%"];
  const storages = names.map((namespace) => new Keyv5Storage({ store: db, namespace }));
  const elsewhere = new Keyv5Storage({ store: db, prefix: "other:", namespace: "a" });
  for (const storage of [...storages, elsewhere]) {
    await storage.setMany(["k", ":k", "b:k"].map((key) => ({ key, value: String(storage.namespace) })));
  }
  expect((await collect(db.keys())).length).toBe((names.length + 1) * 3);
  for (const [i, storage] of storages.entries()) {
    const found = await collect(storage.iterator());
    expect(found.map(([key]) => key).sort()).toEqual([":k", "b:k", "k"]);
    expect(found.every(([, value]) => value === String(names[i]))).toBe(true);
  }
  await storages[0]!.clear();
  await storages[1]!.clear();
  expect((await collect(db.keys())).length).toBe((names.length - 1) * 3);
  expect(await elsewhere.get("k")).toBe("a");
});

test("values that Keyv does not serialize come back as they were", async () => {
  const db = await temporaryStore();
  const storage = new Keyv5Storage({ store: db });
  const values = [
    Buffer.from([0, 255]),
    { at: new Date(5), map: new Map([[1n, /x/]]) },
    "\0v",
    "\0",
    "",
    7,
    null,
    true,
  ];
  for (const [i, value] of values.entries()) await storage.set(`${i}`, value);
  expect(await storage.getMany(values.map((_, i) => `${i}`))).toEqual(values);
  await expect(storage.set("f", () => 1)).rejects.toThrow("could not be cloned");
  const plain = new Keyv({ store: storage, serialize: undefined, deserialize: undefined } as never);
  await plain.set("date", { at: new Date(5) });
  expect(await plain.get("date")).toEqual({ at: new Date(5) });
});

test("a store that is given stays open, a directory is opened at first use and closed by disconnect", async () => {
  const db = await temporaryStore();
  await keyvOn(new Keyv5Storage({ store: db })).disconnect();
  await db.put("still", "open");
  const dataDir = `${temporaryDirectory()}/cache`;
  const storage = new Keyv5Storage({ dataDir, sync: "os" });
  const keyv = keyvOn(storage);
  await Promise.all([keyv.set("a", 1), keyv.set("b", 2)]);
  await keyv.disconnect();
  await keyv.disconnect();
  await expect(storage.get("a")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  const reopened = await open(dataDir, { createIfMissing: false });
  expect((await collect(reopened.keys())).sort()).toEqual(["keyv:keyv:a", "keyv:keyv:b"]);
  await reopened.close();
});

test("a directory that cannot be opened is the error of what needed it, and is tried again", async () => {
  const dataDir = `${temporaryDirectory()}/cache`;
  const other = await open(dataDir, { shards: 3, sync: "os" });
  const storage = new Keyv5Storage({ dataDir, shards: 5 });
  onTestFinished(() => storage.disconnect());
  const errors: unknown[] = [];
  const keyv = new Keyv({ store: storage }).on("error", (error) => errors.push(error));
  expect(await keyv.set("a", 1)).toBe(false);
  expect(errors).toMatchObject([{ code: "CRABKV_OPTIONS_DIFFER" }]);
  await other.close();
  expect(await keyv.set("a", 1)).toBe(true);
});

test("wrong options are named", async () => {
  const db = await temporaryStore();
  const make = (options: unknown) => () => new Keyv5Storage(options as never);
  expect(make({})).toThrow("options must have either store or dataDir");
  expect(make({ store: db, dataDir: "x" })).toThrow("options must have either store or dataDir");
  expect(make({ store: {} })).toThrow("store must be an open store, not an instance of Object");
  expect(make({ dataDir: "" })).toThrow("dataDir must be a string that is not empty");
  expect(make({ store: db, sync: "os" })).toThrow("sync is for dataDir");
  expect(make({ store: db, prefix: 1 })).toThrow("prefix must be a string, not 1");
  expect(make({ store: db, namespaces: "a" })).toThrow("unknown option namespaces");
});

test("cacheable keeps its second layer here", async () => {
  const db = await temporaryStore();
  const layer = (): Keyv => keyvOn(new Keyv5Storage({ store: db }), { namespace: "cache" });
  const cache = new Cacheable({ secondary: layer(), ttl: "1h" });
  await cache.set("a", { n: 1 });
  await cache.setMany([
    { key: "b", value: 2, ttl: 5000 },
    { key: "c", value: 3 },
  ]);
  expect(await db.ttl("keyv:cache:b")).toBeLessThanOrEqual(5000);
  expect(await db.ttl("keyv:cache:a")).toBeGreaterThan(3_000_000);
  // Another process: an empty first layer.
  const later = new Cacheable({ secondary: layer() });
  expect(await later.get("a")).toEqual({ n: 1 });
  expect(await later.getMany(["b", "none", "c"])).toEqual([2, undefined, 3]);
  expect(await later.getOrSet("d", () => Promise.resolve("made"))).toBe("made");
  expect(await db.get("keyv:cache:d")).toContain("made");
  await later.delete("a");
  expect(await db.has("keyv:cache:a")).toBe(false);
  await later.clear();
  expect(await collect(db.keys())).toEqual([]);
});

test("cache-manager keeps its values here", async () => {
  const db = await temporaryStore();
  const cache = createCache({ stores: [keyvOn(new Keyv5Storage({ store: db }), { namespace: "cm" })], ttl: 60_000 });
  await cache.set("a", { n: 1 });
  await cache.mset([
    { key: "b", value: 2, ttl: 5000 },
    { key: "c", value: 3 },
  ]);
  expect(await cache.get("a")).toEqual({ n: 1 });
  expect(await cache.mget(["b", "none", "c"])).toEqual([2, undefined, 3]);
  expect(await cache.ttl("b")).toBeGreaterThan(Date.now());
  expect(await db.ttl("keyv:cm:b")).toBeLessThanOrEqual(5000);
  let made = 0;
  const make = (): number => ++made;
  expect([await cache.wrap("w", make), await cache.wrap("w", make), made]).toEqual([1, 1, 1]);
  await cache.mdel(["a", "b"]);
  expect((await collect(db.keys())).sort()).toEqual(["keyv:cm:c", "keyv:cm:w"]);
  await cache.clear();
  expect(await collect(db.keys())).toEqual([]);
});
