// Read-modify-write: no update is lost, whoever else writes, and a key keeps its time to live unless told otherwise.
import { expect, test } from "vitest";
import { temporaryStore } from "./temporary.js";

test("increment starts at nothing, adds, subtracts, and keeps integers exact", async () => {
  const db = await temporaryStore();
  expect(await db.increment("n")).toBe(1);
  expect(await db.increment("n", 41)).toBe(42);
  expect(await db.increment("n", -2)).toBe(40);
  expect(await db.get("n")).toBe("40");
  expect(await db.increment("f", 0.5)).toBe(0.5);
  await db.put("big", String(Number.MAX_SAFE_INTEGER));
  await expect(db.increment("big")).rejects.toThrow(RangeError);
  expect(await db.get("big")).toBe(String(Number.MAX_SAFE_INTEGER));
  await db.put("beyond", "9007199254740995"); // the sum would be one that a number holds, and the wrong one
  await expect(db.increment("beyond", -10)).rejects.toThrow(RangeError);
});

test("a value that is no number is refused and stays", async () => {
  const db = await temporaryStore();
  for (const value of ["crab", "", " 1", "0x10", "Infinity", "1_000"]) {
    await db.put("k", value);
    await expect(db.increment("k")).rejects.toMatchObject({ code: "CRABKV_ENCODING" });
    expect(await db.get("k")).toBe(value);
  }
  for (const by of [NaN, Infinity, "1", null])
    await expect(db.increment("n", by as number)).rejects.toThrow(/by must be/);
});

test("increment works with every encoding", async () => {
  const json = await temporaryStore({ valueEncoding: "json" });
  const bytes = await temporaryStore({ valueEncoding: "buffer" });
  const own = { encode: (n: number) => Buffer.from([n]), decode: (b: Buffer) => b[0]! };
  const custom = await temporaryStore({ valueEncoding: own });
  for (const db of [json, bytes, custom])
    expect([await db.increment("n", 2), await db.increment("n", 3)]).toEqual([2, 5]);
  expect(await json.get("n")).toBe(5);
  expect((await bytes.get("n"))!.toString()).toBe("5");
  expect(await custom.get("n")).toBe(5);
});

test("increment takes the bytes of an encoding as they are", async () => {
  const bytes = { encode: (n: number) => Buffer.from([n]), decode: (b: Buffer) => b[0]! };
  const doubles = {
    encode: (n: number) => Buffer.from(Float64Array.of(n).buffer),
    decode: (b: Buffer) => new Float64Array(Uint8Array.from(b).buffer)[0]!,
  };
  const small = await temporaryStore({ valueEncoding: bytes });
  const exact = await temporaryStore({ valueEncoding: doubles });
  await small.put("n", 200);
  expect([await small.increment("n"), await small.get("n")]).toEqual([201, 201]);
  await exact.put("n", 1.5);
  expect([await exact.increment("n"), await exact.get("n")]).toEqual([2.5, 2.5]);
});

test("ten thousand increments in flight lose none", async () => {
  const db = await temporaryStore({ sync: "always" });
  const sums = await Promise.all(Array.from({ length: 10_000 }, () => db.increment("n")));
  expect(new Set(sums).size).toBe(10_000);
  expect(await db.get("n")).toBe("10000");
});

test("update replaces, creates and deletes, with an async change too", async () => {
  const db = await temporaryStore({ valueEncoding: "json" });
  expect(await db.update("k", (old: unknown) => old ?? { n: 0 })).toEqual({ n: 0 });
  expect(await db.update("k", async (old) => Promise.resolve({ n: (old as { n: number }).n + 1 }))).toEqual({ n: 1 });
  expect(await db.update("k", () => undefined)).toBe(undefined);
  expect(await db.has("k")).toBe(false);
  expect(await db.update("k", () => undefined)).toBe(undefined);
  await expect(db.update("k", () => { throw new Error("no"); })).rejects.toThrow("no"); // prettier-ignore
});

test("update calls again with the newer value when somebody wrote in between", async () => {
  const db = await temporaryStore();
  await db.put("k", "1");
  const seen: (string | undefined)[] = [];
  const result = await db.update("k", async (old) => {
    seen.push(old);
    if (seen.length === 1) await db.put("k", "2");
    return `${old}!`;
  });
  expect(seen).toEqual(["1", "2"]);
  expect(result).toBe("2!");
  expect(await db.get("k")).toBe("2!");
});

test("the time to live is kept, set, or set only on creation", async () => {
  const db = await temporaryStore();
  await db.put("k", "1", { ttlMs: 60_000 });
  await db.increment("k");
  expect(await db.ttl("k")).toBeGreaterThan(50_000);
  await db.increment("k", 1, { ttlMs: 5_000, ttlOn: "create" });
  expect(await db.ttl("k")).toBeGreaterThan(50_000);
  await db.increment("k", 1, { ttlMs: 5_000 });
  expect(await db.ttl("k")).toBeLessThanOrEqual(5_000);
  await db.update("k", (old) => old, { ttlMs: Infinity });
  expect(await db.ttl("k")).toBe(Infinity);
  await db.increment("window", 1, { ttlMs: 60_000, ttlOn: "create" });
  expect(await db.ttl("window")).toBeLessThanOrEqual(60_000);
  await db.batch([{ type: "put", key: "window", value: "9", ttlMs: "keep" }]);
  expect(await db.get("window")).toBe("9");
  expect(await db.ttl("window")).toBeGreaterThan(50_000);
});
