// The adapter for Keyv 6, which hands over deadlines instead of times to live. Keyv 6 needs Node 22.19 or newer.
import { setTimeout as sleep } from "node:timers/promises";
import type { Keyv, KeyvStorageAdapter } from "keyv6";
import { expect, test } from "vitest";
import type { TestContext } from "vitest";
import { Keyv5Storage, Keyv6Storage } from "../../src/adapters/keyv.js";
import { collect, temporaryStore } from "../temporary.js";

type Make = (store: KeyvStorageAdapter, namespace?: string) => Keyv;

/** Makes Keyvs whose errors are the test's; skips the test where Keyv 6 does not run. */
async function keyv6({ skip }: TestContext): Promise<Make> {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  if (major < 22 || (major === 22 && minor < 19)) skip("Keyv 6 needs Node 22.19 or newer");
  const { Keyv: Keyv6 } = await import("keyv6");
  return (store, namespace) => {
    const keyv = new Keyv6({ store, ...(namespace !== undefined && { namespace }) });
    keyv.on("error", (error: Error) => {
      throw error;
    });
    return keyv;
  };
}

test("Keyv 6 takes the adapter as it is, and calls its values by readable keys", async (context) => {
  const make = await keyv6(context);
  const db = await temporaryStore();
  const storage = new Keyv6Storage({ store: db });
  const users = make(storage, "users");
  expect(users.store).toBe(storage);
  expect(await users.set("1", { name: "crab", at: 5 })).toBe(true);
  expect(await users.get("1")).toEqual({ name: "crab", at: 5 });
  expect(await collect(db.keys())).toEqual(["keyv:users:1"]);
  expect(await users.setMany([1, 2, 3].map((n) => ({ key: `n${n}`, value: n })))).toEqual([true, true, true]);
  expect(await users.getMany(["n1", "none", "n3"])).toEqual([1, undefined, 3]);
  expect(await users.hasMany(["n1", "none"])).toEqual([true, false]);
  expect(await users.deleteMany(["n1", "none"])).toEqual([true, false]);
  expect([await users.delete("n2"), await users.delete("n2")]).toEqual([true, false]);
  const jobs = make(new Keyv6Storage({ store: db, namespace: "jobs" }));
  expect(jobs.namespace).toBe("jobs");
  await jobs.set("1", "job");
  expect((await collect(users.iterator())).sort()).toEqual([
    ["1", { name: "crab", at: 5 }],
    ["n3", 3],
  ]);
  await users.clear();
  expect(await collect(db.keys())).toEqual(["keyv:jobs:1"]);
});

test("Keyv 6's deadlines are the store's", async (context) => {
  const make = await keyv6(context);
  const db = await temporaryStore();
  const keyv = make(new Keyv6Storage({ store: db }), "a");
  const expires = Date.now() + 60_000;
  await keyv.setRaw("raw", { value: "v", expires });
  await keyv.setManyRaw([
    { key: "many", value: { value: "v", expires } },
    { key: "ever", value: { value: "v" } },
    { key: "over", value: { value: "v", expires: Date.now() - 1 } },
  ]);
  for (const key of ["raw", "many"]) {
    const { expiresAtMs } = (await db.getEntry(`keyv:a:${key}`))!;
    expect(expiresAtMs).toBeGreaterThanOrEqual(expires);
    expect(expiresAtMs).toBeLessThan(expires + 10_000); // as long as the write took
    expect(await keyv.getRaw(key)).toEqual({ value: "v", expires });
  }
  expect(await db.ttl("keyv:a:ever")).toBe(Infinity);
  expect(await db.has("keyv:a:over")).toBe(false);
  await keyv.set("soon", "v", 20);
  await keyv.set("raw", "again", 60_000);
  await sleep(40);
  expect([await keyv.get("soon"), await keyv.get("raw")]).toEqual([undefined, "again"]);
  expect(await db.has("keyv:a:soon")).toBe(false);
});

test("Keyv 6 gets back what it does not serialize as it was", async (context) => {
  const make = await keyv6(context);
  const db = await temporaryStore();
  const keyv = make(new Keyv6Storage({ store: db }));
  keyv.serialization = undefined;
  await keyv.set("plain", { bytes: Buffer.from("x"), at: new Date(5) });
  expect(await keyv.get("plain")).toEqual({ bytes: Buffer.from("x"), at: new Date(5) });
});

test("Keyv 6 bridges the adapter for Keyv 5", async (context) => {
  const make = await keyv6(context);
  const db = await temporaryStore();
  const keyv = make(new Keyv5Storage({ store: db }) as never, "old");
  await keyv.set("a", 1, 60_000);
  expect(await keyv.get("a")).toBe(1);
  expect(await db.ttl("keyv:old:a")).toBeLessThanOrEqual(60_000);
  await keyv.clear();
  expect(await collect(db.keys())).toEqual([]);
});
