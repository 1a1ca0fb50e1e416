// Batches: all or nothing, guards decided by the store, one answer for each operation.
import { expect, test } from "vitest";
import type { BatchOperation } from "../src/index.js";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

test("a batch of puts and deletes takes effect at once, and its version is its last record's", async () => {
  const db = await temporaryStore();
  await db.put("old", "1");
  const result = await db.batch([
    { type: "put", key: "new", value: "2" },
    { type: "delete", key: "old" },
    { type: "put", key: "last", value: "3", ttlMs: 60_000 },
  ]);
  expect(result).toEqual({ committed: true, version: (await db.getEntry("last"))!.version });
  expect(await db.getMany(["old", "new", "last"])).toEqual([undefined, "2", "3"]);
  expect(await db.ttl("last")).toBeLessThanOrEqual(60_000);
});

test("of two operations on one key in a batch the later one counts", async () => {
  const db = await temporaryStore();
  await db.batch([
    { type: "put", key: "a", value: "1" },
    { type: "delete", key: "a" },
    { type: "put", key: "a", value: "2" },
    { type: "put", key: "b", value: "1" },
    { type: "delete", key: "b" },
  ]);
  expect(await db.getMany(["a", "b"])).toEqual(["2", undefined]);
});

test("a guard that does not hold leaves everything as it was and names its operation", async () => {
  const db = await temporaryStore();
  await db.put("there", "1");
  const { version } = (await db.getEntry("there"))!;
  const failing: [BatchOperation<string, string>[], number][] = [
    [[{ type: "put", key: "there", value: "2", if: "absent" }], 0],
    [
      [
        { type: "put", key: "x", value: "2" },
        { type: "delete", key: "missing", if: "present" },
      ],
      1,
    ],
    [
      [
        { type: "put", key: "x", value: "2" },
        { type: "put", key: "y", value: "2" },
        { type: "check", key: "there", if: { version: version + 1 } },
      ],
      2,
    ],
    [[{ type: "check", key: "missing", if: { version } }], 0],
    [
      [
        { type: "check", key: "missing", if: "present" },
        { type: "put", key: "x", value: "2" },
      ],
      0,
    ],
    [
      [
        { type: "delete", key: "there" },
        { type: "put", key: "there", value: "2", if: "absent" },
      ],
      1,
    ],
  ];
  for (const [operations, failedIndex] of failing) {
    expect(await db.batch(operations)).toEqual({ committed: false, failedIndex });
    expect(await db.getMany(["there", "x", "y"])).toEqual(["1", undefined, undefined]);
    expect((await db.getEntry("there"))?.version).toBe(version);
  }
});

test("guards that hold let the batch through", async () => {
  const db = await temporaryStore();
  await db.put("cursor", "41");
  const { version } = (await db.getEntry("cursor"))!;
  const result = await db.batch([
    { type: "check", key: "cursor", if: { version } },
    { type: "put", key: "lock", value: "me", if: "absent" },
    { type: "put", key: "cursor", value: "42", if: "present" },
    { type: "delete", key: "nothing", if: "absent" },
  ]);
  expect(result.committed).toBe(true);
  expect(await db.getMany(["cursor", "lock"])).toEqual(["42", "me"]);
  expect(await db.batch([{ type: "check", key: "cursor", if: { version } }])).toMatchObject({ committed: false });
});

test("an expired key is absent for a guard", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  await db.put("lock", "old owner", { ttlMs: 1 });
  await db.close();
  const again = await openStore(path);
  expect(await again.batch([{ type: "put", key: "lock", value: "new owner", if: "absent" }])).toMatchObject({
    committed: true,
  });
});

test("only one of many competitors gets a lock", async () => {
  const db = await temporaryStore();
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) => db.batch([{ type: "put", key: "lock", value: String(i), if: "absent" }])),
  );
  expect(results.filter((result) => result.committed)).toHaveLength(1);
  expect(await db.get("lock")).toBe("0");
});

test("a counter by version guards loses no update", async () => {
  const db = await temporaryStore();
  await db.put("n", "0");
  const increment = async (): Promise<void> => {
    for (;;) {
      const { value, version } = (await db.getEntry("n"))!;
      const put = { type: "put", key: "n", value: String(Number(value) + 1), if: { version } } as const;
      if ((await db.batch([put])).committed) return;
    }
  };
  await Promise.all(Array.from({ length: 100 }, increment));
  expect(await db.get("n")).toBe("100");
});

test("a batch that writes nothing is committed at version 0", async () => {
  const db = await temporaryStore();
  expect(await db.batch([])).toEqual({ committed: true, version: 0 });
  expect(await db.batch([{ type: "delete", key: "nobody" }])).toEqual({ committed: true, version: 0 });
  expect(await db.batch([{ type: "check", key: "nobody", if: "absent" }])).toEqual({ committed: true, version: 0 });
  await db.putMany([]);
});

test("a version survives reopening, so that a guard still holds", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  await db.put("a", "1");
  const { version } = (await db.getEntry("a"))!;
  await db.close();
  const again = await openStore(path);
  // Just opened, no page is known to be in memory: the guard is read on another thread.
  const result = await again.batch([{ type: "put", key: "a", value: "2", if: { version } }]);
  expect(result.committed).toBe(true);
  expect(await again.get("a")).toBe("2");
});

// "os" with sync: "always" has to ask for durability when the batch comes back, which is after close() was called.
test.each(["always", "os"] as const)(
  "with sync %s, guarded batches right after opening all settle, and close waits for them",
  async (sync) => {
    const path = temporaryDirectory();
    const db = await openStore(path, { sync });
    for (let i = 0; i < 2000; i++) void db.put(`k${i}`, "x".repeat(100));
    await db.flush();
    const versions = await Promise.all(
      Array.from({ length: 2000 }, async (_, i) => (await db.getEntry(`k${i}`))!.version),
    );
    await db.close();
    const again = await openStore(path, { sync });
    const results = versions.map((version, i) =>
      again.batch([{ type: "put", key: `k${i}`, value: "y", if: { version } }], { sync: "always" }),
    );
    await again.close();
    expect((await Promise.all(results)).every((result) => result.committed)).toBe(true);
    const third = await openStore(path, { sync });
    expect(await third.get("k1999")).toBe("y");
  },
);

test("putMany takes mixed times to live", async () => {
  const db = await temporaryStore();
  await db.putMany([
    { key: "a", value: "1" },
    { key: "b", value: "2", ttlMs: 60_000 },
    { key: "c", value: "3", ttlMs: Infinity },
  ]);
  expect(await db.getMany(["a", "b", "c"])).toEqual(["1", "2", "3"]);
  expect([await db.ttl("a"), await db.ttl("c")]).toEqual([Infinity, Infinity]);
  expect(await db.ttl("b")).toBeLessThanOrEqual(60_000);
});

test("a batch of 100,000 records is one record set, whole after reopening", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  const records = Array.from({ length: 100_000 }, (_, i) => ({ key: `key ${i} é`, value: `value ${i} 😀` }));
  await db.putMany(records);
  await db.close();
  const again = await openStore(path);
  const values = await again.getMany(records.map(({ key }) => key));
  expect(values.every((value, i) => value === `value ${i} 😀`)).toBe(true);
  expect((await again.hasMany(records.map(({ key }) => key))).every(Boolean)).toBe(true);
});

test("a batch over its bounds is refused whole, by the name of the bound", async () => {
  const db = await temporaryStore({
    batchOperationsMax: 10,
    batchBytesMax: 4096,
    keyBytesMax: 100,
    valueBytesMax: 10_000,
  });
  const records = (count: number, bytes: number): { key: string; value: string }[] =>
    Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: "x".repeat(bytes) }));
  const tooLarge = { name: "RangeError", code: "CRABKV_TOO_LARGE" };
  await expect(db.putMany(records(11, 1))).rejects.toMatchObject(tooLarge);
  await expect(db.putMany(records(11, 1))).rejects.toThrow(/batchOperationsMax/);
  await expect(db.putMany(records(5, 1000))).rejects.toMatchObject(tooLarge);
  await expect(db.putMany(records(5, 1000))).rejects.toThrow(/batchBytesMax/);
  await expect(db.putMany([{ key: "k", value: "x".repeat(10_001) }])).rejects.toThrow(/valueBytesMax/);
  const put = { type: "put", value: "v" } as const;
  await expect(
    db.batch([
      { ...put, key: "ok" },
      { ...put, key: "é".repeat(51) },
    ]),
  ).rejects.toThrow(/index 1 has 102 bytes, keyBytesMax is 100/);
  // Only what is put is bound.
  expect(await db.deleteMany(["x".repeat(101)])).toEqual([false]);
  expect(await db.getMany(["ok", "é".repeat(51)])).toEqual([undefined, undefined]);
  expect(db.stats().keys).toBe(0);
  await db.putMany(records(10, 100));
});
