// What a store owes its users for single keys: what was put comes back, also after closing, in every sync mode.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { open } from "../src/index.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

function hash(value: string | Uint8Array | undefined): string {
  return value === undefined ? "nothing" : createHash("sha1").update(value).digest("hex");
}

describe("values", () => {
  test("a value put is what every kind of read finds", async () => {
    const db = await temporaryStore();
    await db.put("user:1", "rustacean");
    expect(await db.get("user:1")).toBe("rustacean");
    expect(db.getSync("user:1")).toBe("rustacean");
    expect(await db.getMany(["user:1"])).toEqual(["rustacean"]);
    expect(db.getManySync(["user:1"])).toEqual(["rustacean"]);
    expect((await db.getEntry("user:1"))?.value).toBe("rustacean");
    expect(await db.has("user:1")).toBe(true);
    expect(await db.hasMany(["user:1", "user:2"])).toEqual([true, false]);
  });

  test("a key that is not there is undefined everywhere, not an error", async () => {
    const db = await temporaryStore();
    expect(await db.get("nobody")).toBeUndefined();
    expect(db.getSync("nobody")).toBeUndefined();
    expect(await db.getMany(["nobody"])).toEqual([undefined]);
    expect(await db.getEntry("nobody")).toBeUndefined();
    expect(await db.ttl("nobody")).toBeUndefined();
    expect(await db.has("nobody")).toBe(false);
  });

  test("the last of many puts to a key wins, also when none was awaited", async () => {
    const db = await temporaryStore();
    for (let i = 0; i < 1000; i++) void db.put("counter", String(i));
    expect(db.getSync("counter")).toBe("999");
    await db.flush();
    expect(db.getSync("counter")).toBe("999");
  });

  test("the empty key and the empty value are a key and a value", async () => {
    const db = await temporaryStore();
    await db.put("", "");
    expect(await db.get("")).toBe("");
    expect(await db.has("")).toBe(true);
    expect(await db.delete("")).toBe(true);
    expect(await db.get("")).toBeUndefined();
  });

  test("a value read while its put is still being written is the new one", async () => {
    const db = await temporaryStore({ sync: "always" });
    const written = db.put("k", "v");
    expect(db.getSync("k")).toBe("v");
    expect(await db.get("k")).toBe("v");
    await written;
  });

  test.each([0, 1, 100, 4095, 4096, 65_530, 65_535, 65_536, 65_537, 1_000_000, 5_000_000])(
    "a value of %i bytes comes back whole, as text, as text that is not ASCII, and as bytes",
    async (length) => {
      const db = await temporaryStore();
      const ascii = "0123456789".repeat(Math.ceil(length / 10)).slice(0, length);
      const wide = "é".repeat(Math.floor(length / 2));
      const astral = "😀".repeat(Math.floor(length / 4));
      await db.putMany([
        { key: "ascii", value: ascii },
        { key: "wide", value: wide },
      ]);
      await db.put("astral", astral);
      // Compared by hash, so that a difference does not print megabytes.
      const expected = [hash(ascii), hash(wide), hash(astral)];
      expect([await db.get("ascii"), db.getSync("wide"), await db.get("astral")].map(hash)).toEqual(expected);
      expect((await db.getMany(["ascii", "wide", "astral"])).map(hash)).toEqual(expected);
      expect(hash(await db.get("ascii", { valueEncoding: "buffer" }))).toBe(expected[0]);
      const many = await db.getMany(["astral", "none", "wide"], { valueEncoding: "buffer" });
      expect(many.map(hash)).toEqual([expected[2], "nothing", expected[1]]);
    },
  );

  test("buffers that were read stay as they are while others are read and written", async () => {
    const db = await temporaryStore({ valueEncoding: "buffer" });
    const kept = new Map<string, Buffer>();
    for (let i = 0; i < 3000; i++) {
      const value = Buffer.alloc(i % 300, i % 251);
      await db.put(`k${i}`, value);
      kept.set(`k${i}`, db.getSync(`k${i}`)!);
      value.fill(0xff);
    }
    for (const [key, value] of kept) {
      const i = Number(key.slice(1));
      expect(value.equals(Buffer.alloc(i % 300, i % 251))).toBe(true);
    }
  });

  test("changing a buffer after put or after get changes nothing in the store", async () => {
    const db = await temporaryStore({ valueEncoding: "buffer" });
    const value = Buffer.from("original");
    const written = db.put("k", value);
    value.fill("x");
    await written;
    db.getSync("k")!.fill("y");
    expect(String(await db.get("k"))).toBe("original");
  });
});

describe("deleting", () => {
  test("delete says whether the key was there", async () => {
    const db = await temporaryStore();
    await db.put("a", "1");
    expect(await db.delete("a")).toBe(true);
    expect(await db.delete("a")).toBe(false);
    expect(await db.get("a")).toBeUndefined();
  });

  test("deleteMany says which of the keys were there, each once", async () => {
    const db = await temporaryStore();
    await db.putMany([
      { key: "a", value: "1" },
      { key: "b", value: "2" },
    ]);
    expect(await db.deleteMany(["a", "x", "b", "a"])).toEqual([true, false, true, false]);
    expect(await db.deleteMany([])).toEqual([]);
  });

  test("a deleted key stays deleted after reopening", async () => {
    const path = temporaryDirectory();
    const db = await open(path);
    await db.put("gone", "1");
    await db.put("kept", "2");
    await db.delete("gone");
    await db.close();
    const again = await openStore(path);
    expect(await again.getMany(["gone", "kept"])).toEqual([undefined, "2"]);
  });

  test("clear empties the store, or one prefix of it", async () => {
    const db = await temporaryStore();
    for (let i = 0; i < 3000; i++) void db.put(`${i % 2 === 0 ? "a" : "b"}:${i}`, String(i));
    await db.clear({ prefix: "a:" });
    expect(db.stats().keys).toBe(1500);
    expect(await db.get("b:1")).toBe("1");
    await db.clear();
    expect(db.stats().keys).toBe(0);
    await db.clear();
  });

  test.each([false, true])(
    "clear leaves what is put after it was called, also under keys that were there, write-back %s",
    async (writeBack) => {
      const db = await temporaryStore({ writeBack });
      const count = 5000;
      for (let i = 0; i < count; i++) void db.put(`k${i}`, "old");
      const kept = new Map<string, string>();
      const put = (key: string): void => {
        void db.put(key, "new");
        kept.set(key, "new");
      };
      const cleared = db.clear();
      for (let i = 0; i < count; i += 7) put(`k${i}`);
      put("other");
      const deadline = db.expire("k1", 3_600_000); // is no other value
      await db.flush();
      for (let i = count - 100; i < count; i++) put(`k${i}`);
      await cleared;
      expect(await deadline).toBe(true);
      expect(new Map(await collect(db.entries()))).toEqual(kept);
    },
  );

  test.each([
    ["operations", { batchOperationsMax: 50 }, 120, 1],
    ["bytes", { batchBytesMax: 4096, valueBytesMax: 1000 }, 500, 1],
    ["bytes, with keys that nearly fill it", { batchBytesMax: 4096, valueBytesMax: 1000 }, 20, 1990],
  ])("clear keeps to the store's bound on a batch's %s", async (_bound, options, count, keyBytes) => {
    const db = await temporaryStore(options);
    for (let i = 0; i < count; i++) void db.put(`${i}`.padEnd(keyBytes, "k"), "v");
    await db.clear();
    expect(db.stats().keys).toBe(0);
  });
});

describe("time to live", () => {
  test("ttl tells the milliseconds left, Infinity for never", async () => {
    const db = await temporaryStore();
    await db.put("session", "x", { ttlMs: 60_000 });
    await db.put("for ever", "x");
    const left = await db.ttl("session");
    expect(left).toBeGreaterThan(59_000);
    expect(left).toBeLessThanOrEqual(60_000);
    expect(await db.ttl("for ever")).toBe(Infinity);
    const entry = await db.getEntry("session");
    expect(entry?.expiresAtMs).toBeGreaterThan(Date.now() + 50_000);
    expect(await db.getEntry("for ever")).not.toHaveProperty("expiresAtMs");
  });

  test("a plain put clears an earlier time to live", async () => {
    const db = await temporaryStore();
    await db.put("k", "1", { ttlMs: 60_000 });
    await db.put("k", "2");
    expect(await db.ttl("k")).toBe(Infinity);
  });

  test("defaultTtlMs applies to every kind of put, and Infinity escapes it", async () => {
    const db = await temporaryStore({ defaultTtlMs: 60_000 });
    await db.put("put", "");
    await db.putMany([
      { key: "many", value: "" },
      { key: "many, never", value: "", ttlMs: Infinity },
    ]);
    await db.batch([{ type: "put", key: "batch", value: "" }]);
    await db.put("never", "", { ttlMs: Infinity });
    for (const key of ["put", "many", "batch"]) expect(await db.ttl(key)).toBeLessThanOrEqual(60_000);
    for (const key of ["never", "many, never"]) expect(await db.ttl(key)).toBe(Infinity);
  });

  test("expire and persist say whether they changed a key", async () => {
    const db = await temporaryStore();
    expect(await db.expire("k", 1000)).toBe(false);
    await db.put("k", "v");
    expect(await db.persist("k")).toBe(false);
    expect(await db.expire("k", 60_000)).toBe(true);
    expect(await db.ttl("k")).toBeLessThanOrEqual(60_000);
    expect(await db.persist("k")).toBe(true);
    expect(await db.ttl("k")).toBe(Infinity);
    expect(await db.get("k")).toBe("v");
  });

  test("an expired key is gone for every read, and an expiry survives reopening", async () => {
    const path = temporaryDirectory();
    const db = await open(path);
    await db.put("k", "v", { ttlMs: 1 });
    await db.put("later", "v");
    await db.expire("later", 3_600_000);
    await db.close();
    const again = await openStore(path);
    expect(await again.get("k")).toBeUndefined();
    expect(await again.has("k")).toBe(false);
    expect(await again.delete("k")).toBe(false);
    expect(await again.ttl("later")).toBeLessThanOrEqual(3_600_000);
    expect(await again.getMany(["k", "later"])).toEqual([undefined, "v"]);
  });
});

describe("durability", () => {
  test.each([["always"], ["os"], [{ everyMs: 20 }]] as const)(
    "with sync %j everything is there after reopening",
    async (sync) => {
      const path = temporaryDirectory();
      const db = await open(path, { sync });
      for (let i = 0; i < 500; i++) void db.put(`k${i}`, `v${i}`);
      await db.close();
      const again = await openStore(path, { sync });
      for (let i = 0; i < 500; i++) expect(again.getSync(`k${i}`)).toBe(`v${i}`);
      expect(again.stats().cleanOpen).toBe(true);
    },
  );

  test("flush and sync: always make a lazy store's writes durable", async () => {
    const db = await temporaryStore({ sync: "os" });
    await db.put("a", "1", { sync: "always" });
    expect(db.stats().durableVersion).toBeGreaterThanOrEqual((await db.getEntry("a"))!.version);
    void db.put("b", "2");
    await db.flush();
    expect(db.stats().durableVersion).toBeGreaterThanOrEqual((await db.getEntry("b"))!.version);
    await db.flush();
    await db.putMany([{ key: "c", value: "3" }], { sync: "always" });
    await db.batch([{ type: "put", key: "d", value: "4" }], { sync: "always" });
    await db.deleteMany(["a"], { sync: "always" });
    await db.delete("b", { sync: "always" });
    const { durableVersion, lastVersion } = db.stats();
    expect(durableVersion).toBe(lastVersion);
  });

  test("with sync: always an acknowledged put is durable, and one sync serves many puts", async () => {
    const db = await temporaryStore({ sync: "always" });
    await Promise.all(Array.from({ length: 1000 }, (_, i) => db.put(`k${i}`, "v")));
    const { durableVersion, lastVersion, syncs } = db.stats();
    expect(durableVersion).toBe(lastVersion);
    expect(syncs).toBeLessThan(100);
  });

  test("puts of one turn share a commit group and two promises: the first has its own, the rest go together", async () => {
    const db = await temporaryStore();
    const { commitGroups } = db.stats();
    const first = db.put("a", "1");
    const second = db.put("b", "2");
    expect(second).not.toBe(first);
    expect(db.put("c", "3")).toBe(second);
    await second;
    expect(db.stats().commitGroups).toBe(commitGroups + 1);
  });

  test("data compressed by Snappy is smaller on disk and reads as before, whatever the option says later", async () => {
    const path = temporaryDirectory();
    const db = await open(path, { compression: "snappy" });
    const value = JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ id: i, name: "crab" })));
    await db.put("k", value);
    const { rawValueBytes, storedValueBytes } = db.stats();
    expect(storedValueBytes).toBeLessThan(rawValueBytes / 2);
    await db.close();
    const again = await openStore(path, { compression: "none" });
    expect(await again.get("k")).toBe(value);
  });
});
