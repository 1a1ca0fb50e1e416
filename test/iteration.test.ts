// Walking a store: every key that is there, once; in log order where asked; bounded, resumable, and ended by close or signal.
import { expect, onTestFinished, test, vi } from "vitest";
import type { Store } from "../src/index.js";
import { native } from "../src/native.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

test("entries, keys and values are those that are there, each once", async () => {
  const db = await temporaryStore();
  const expected = new Map<string, string>();
  for (let i = 0; i < 20_000; i++) {
    void db.put(`k${i % 15_000}`, `v${i}`);
    expected.set(`k${i % 15_000}`, `v${i}`);
  }
  for (let i = 0; i < 1000; i++) {
    void db.delete(`k${i}`);
    expected.delete(`k${i}`);
  }
  const entries = await collect(db.entries());
  expect(entries.length).toBe(expected.size);
  expect(new Map(entries)).toEqual(expected);
  expect((await collect(db.keys())).sort()).toEqual([...expected.keys()].sort());
  expect((await collect(db.values())).sort()).toEqual([...expected.values()].sort());
});

test("an empty store has no entries", async () => {
  const db = await temporaryStore();
  expect(await collect(db.entries())).toEqual([]);
  expect(await collect(db.keys({ prefix: "x", order: "log", limit: 5 }))).toEqual([]);
});

test("a prefix limits to the keys that begin with it, also in bytes and in other scripts", async () => {
  const db = await temporaryStore();
  for (const key of ["user:1", "user:2", "users", "", "ü:1", "u"]) await db.put(key, "");
  expect((await collect(db.keys({ prefix: "user:" }))).sort()).toEqual(["user:1", "user:2"]);
  expect(await collect(db.keys({ prefix: "ü" }))).toEqual(["ü:1"]);
  expect(await collect(db.keys({ prefix: Buffer.from("ü").subarray(0, 1) }))).toEqual(["ü:1"]);
  expect((await collect(db.keys({ prefix: "" }))).length).toBe(6);
});

test("a limit is exact on both sides of a chunk", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 10_000; i++) void db.put(`k${i}`, "v");
  for (const limit of [0, 1, 2, 4095, 4096, 4097, 9999, 10_000, 10_001, Infinity]) {
    expect((await collect(db.keys({ limit }))).length).toBe(Math.min(limit, 10_000));
  }
});

test("log order is the order of the last writes, and resumes after a version", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 6000; i++) void db.put(`k${i}`, String(i));
  void db.put("k0", "again");
  const keys = await collect(db.keys({ order: "log" }));
  expect(keys[0]).toBe("k1");
  expect(keys.at(-1)).toBe("k0");
  expect(keys.slice(0, -1)).toEqual(Array.from({ length: 5999 }, (_, i) => `k${i + 1}`));
  const from = (await db.getEntry("k5990"))!.version;
  expect(await collect(db.keys({ order: "log", from }))).toEqual([
    ...Array.from({ length: 9 }, (_, i) => `k${5991 + i}`),
    "k0",
  ]);
  expect(await collect(db.keys({ order: "log", from: db.stats().lastVersion }))).toEqual([]);
});

test("what is drained in log order can be drained again after reopening, from where it stopped", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  for (let i = 0; i < 100; i++) void db.put(`k${i}`, String(i));
  await db.flush();
  const version = (await db.getEntry("k49"))!.version;
  await db.close();
  const again = await openStore(path);
  await again.put("k100", "100");
  const values = await collect(again.values({ order: "log", from: version }));
  expect(values).toEqual(Array.from({ length: 51 }, (_, i) => String(50 + i)));
});

test("an iteration sees the store as it was when it began, whatever is written meanwhile", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 10_000; i++) void db.put(`k${i}`, "before");
  const seen = new Map<string, string>();
  let step = 0;
  for await (const [key, value] of db.entries()) {
    expect(seen.has(key)).toBe(false);
    seen.set(key, value);
    void db.put(`k${9999 - step}`, "after");
    void db.delete(`k${(step * 7) % 10_000}`);
    void db.put(`new ${step}`, "after");
    step++;
  }
  expect(seen.size).toBe(10_000);
  expect([...seen.values()].every((value) => value === "before")).toBe(true);
});

test("large values come through in chunks of bounded size", async () => {
  const db = await temporaryStore();
  const value = "x".repeat(300_000);
  for (let i = 0; i < 20; i++) void db.put(`k${i}`, value + String(i));
  let i = 0;
  for await (const [key, found] of db.entries({ order: "log" })) {
    expect(key).toBe(`k${i}`);
    expect(found.length).toBe(value.length + String(i).length);
    i++;
  }
  expect(i).toBe(20);
});

test("next can be called many times at once", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 5000; i++) void db.put(`k${i}`, "");
  const iterator = db.keys({ order: "log" });
  const results = await Promise.all(Array.from({ length: 5002 }, () => iterator.next()));
  const keys = results.filter((result) => result.done !== true).map((result) => result.value);
  expect(keys).toEqual(Array.from({ length: 5000 }, (_, i) => `k${i}`));
  expect(results.slice(-2)).toEqual([
    { done: true, value: undefined },
    { done: true, value: undefined },
  ]);
});

test("breaking out ends the iterator", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 10_000; i++) void db.put(`k${i}`, "");
  const iterator = db.keys();
  for await (const key of iterator) if (key !== "") break;
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  expect(await iterator.return()).toEqual({ done: true, value: undefined });
});

test("a signal ends the iteration with its reason", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 10_000; i++) void db.put(`k${i}`, "");
  const controller = new AbortController();
  const reason = new Error("enough");
  let seen = 0;
  const walk = async (): Promise<void> => {
    for await (const key of db.keys({ signal: controller.signal }))
      if (key !== "" && ++seen === 5000) controller.abort(reason);
  };
  await expect(walk()).rejects.toBe(reason);
  expect(seen).toBe(5000);
  await expect(collect(db.keys({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ name: "AbortError" });
});

test("close ends an open iterator with CRABKV_CLOSED, also in the middle of a chunk", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 10_000; i++) void db.put(`k${i}`, "");
  const [used, waiting, unused] = [db.keys(), db.entries(), db.values()];
  await used.next();
  const chunk = waiting.next().catch((error: unknown) => error);
  await db.close();
  const closed = { code: "CRABKV_CLOSED" };
  await expect(used.next()).rejects.toMatchObject(closed);
  await expect(unused.next()).rejects.toMatchObject(closed);
  await chunk;
  await expect(waiting.next())
    .rejects.toMatchObject(closed)
    .catch(async () => {
      expect(await waiting.next()).toMatchObject({ done: true });
    });
  expect(await used.next()).toEqual({ done: true, value: undefined });
});

test("hundreds of iterators can be open at once, and dropped", async () => {
  const db = await temporaryStore();
  for (let i = 0; i < 1000; i++) void db.put(`k${i}`, "");
  const iterators = Array.from({ length: 300 }, () => db.keys());
  const firsts = await Promise.all(iterators.map((iterator) => iterator.next()));
  expect(firsts.every((first) => first.done === false)).toBe(true);
  await db.close();
});

test("expired keys are not walked over", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  await db.put("gone", "1", { ttlMs: 1 });
  await db.put("here", "2", { ttlMs: 3_600_000 });
  await db.close();
  const again = await openStore(path);
  expect(await collect(again.entries())).toEqual([["here", "2"]]);
});

/** 12 values of 2 MiB, so about three times what one chunk of a walk reads of the log, and none of them under "b". */
async function storeOfLargeValues(): Promise<Store<string, string>> {
  const db = await temporaryStore();
  for (let i = 0; i < 12; i++) await db.put(`a${i}`, "v".repeat(2 * 1024 * 1024));
  onTestFinished(() => void vi.restoreAllMocks());
  return db;
}

test("a walk that matches nothing goes on over empty chunks to the end, and to what matches there", async () => {
  const db = await storeOfLargeValues();
  await db.put("b", "last");
  const ask = vi.spyOn(native, "scanNext");
  expect(await collect(db.entries({ prefix: "b" }))).toEqual([["b", "last"]]);
  expect(await collect(db.keys({ prefix: "c" }))).toEqual([]);
  await db.clear({ prefix: "b" });
  expect(await db.has("b")).toBe(false);
  expect(ask.mock.calls.length).toBeGreaterThan(3 * 4);
});

test("a walk that matches nothing hears a signal before it has read the log", async () => {
  const db = await storeOfLargeValues();
  const ask = vi.spyOn(native, "scanNext");
  await collect(db.keys({ prefix: "b" }));
  const all = ask.mock.calls.length;
  ask.mockClear();
  const controller = new AbortController();
  const reason = new Error("enough");
  const walk = collect(db.keys({ prefix: "b", signal: controller.signal }));
  controller.abort(reason);
  await expect(walk).rejects.toBe(reason);
  expect(ask.mock.calls.length).toBeLessThan(all - 1);
});

test("walks that match nothing leave the reader threads to others in between", async () => {
  const db = await storeOfLargeValues();
  const ended: string[] = [];
  // As many as there are threads.
  const walks = ["b", "c"].map((prefix) => collect(db.keys({ prefix })).then(() => ended.push(prefix)));
  const other = collect(db.keys({ limit: 1 })).then(() => ended.push("other"));
  await Promise.all([...walks, other]);
  expect(ended[0]).toBe("other");
});
