// The read cache never answers with what is no longer true, whoever changed it, and never lets a caller change an answer.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import { runProgram } from "./run-program.js";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

test("a value read twice is read from the log once, and counted", async () => {
  const db = await temporaryStore({ cache: { entries: 100 } });
  await db.put("a", "1");
  expect([await db.get("a"), db.getSync("a"), await db.get("a")]).toEqual(["1", "1", "1"]);
  expect(await db.get("missing")).toBe(undefined);
  expect(db.stats()).toMatchObject({ cacheHits: 2, cacheMisses: 2, cacheEntries: 1 });
});

test("every kind of write, by this handle or another one, is seen by the next read", async () => {
  const directory = join(temporaryDirectory(), "data");
  const db = await openStore(directory, { sync: "os", cache: { entries: 100 } });
  const other = await openStore(directory, { sync: "os" });
  const writers = [db, other];
  for (const writer of writers) {
    await writer.put("k", "1");
    expect(db.getSync("k")).toBe("1");
    void writer.put("k", "2"); // seen before it is written
    expect(db.getSync("k")).toBe("2");
    void writer.putMany([{ key: "k", value: "3" }]);
    expect(db.getSync("k")).toBe("3");
    void writer.batch([{ type: "put", key: "k", value: "4", if: "present" }]);
    expect(db.getSync("k")).toBe("4");
    void writer.delete("k");
    expect(db.getSync("k")).toBe(undefined);
    void writer.put("k", "5", { ttlMs: 60_000 });
    expect(db.getSync("k")).toBe("5");
    void writer.deleteMany(["k"]);
    expect(db.getSync("k")).toBe(undefined);
  }
});

test("an entry is not answered beyond its deadline, nor beyond a new one", async () => {
  const db = await temporaryStore({ cache: { entries: 100 } });
  await db.put("short", "v", { ttlMs: 500 });
  await db.put("shortened", "v", { ttlMs: 60_000 });
  expect([db.getSync("short"), db.getSync("shortened")]).toEqual(["v", "v"]);
  await db.expire("shortened", 500);
  expect(db.getSync("shortened")).toBe("v");
  await expect
    .poll(() => [db.getSync("short"), db.getSync("shortened")], { timeout: 10_000 })
    .toEqual([undefined, undefined]);
});

test("a caller that changes what it got does not change the next read", async () => {
  const bytes = await temporaryStore({ valueEncoding: "buffer", cache: { entries: 100 } });
  await bytes.put("k", Buffer.from("value"));
  for (let i = 0; i < 3; i++) {
    const read = bytes.getSync("k")!;
    expect(read.toString()).toBe("value");
    read.fill(0);
    (await bytes.get("k"))!.fill(1);
  }
  const json = await temporaryStore({ valueEncoding: "json", cache: { entries: 100 } });
  await json.put("k", { list: [1] });
  for (let i = 0; i < 3; i++) {
    const read = (await json.get("k")) as { list: number[] };
    expect(read).toEqual({ list: [1] });
    read.list.push(2);
  }
});

test("a value that is no text comes back whole after it was read as text", async () => {
  const db = await temporaryStore({ cache: { entries: 100 } });
  const buffer = { valueEncoding: "buffer" } as const;
  const raw = await temporaryStore({ valueEncoding: "buffer", cache: { entries: 100 } });
  await raw.put("k", Buffer.from([0xff, 0xfe, 0x00]));
  expect(await raw.get("k", { valueEncoding: "utf8" })).toBe("\ufffd\ufffd\0");
  expect(await raw.get("k")).toEqual(Buffer.from([0xff, 0xfe, 0x00]));
  await db.put("k", "é");
  expect([db.getSync("k"), db.getSync("k", buffer)]).toEqual(["é", Buffer.from("é")]);
});

test("keys as bytes and keys as text do not stand for each other", async () => {
  const db = await temporaryStore({
    cache: { entries: 100 },
    keyEncoding: { encode: (key: string | Buffer) => key, decode: (bytes: Buffer): string | Buffer => bytes },
  });
  const keys = [Buffer.from("\0b\xe9", "latin1"), "\0bé", Buffer.from([0xe9]), "é", "\0b", "\0\0sx", "\0sx", ""];
  for (const [i, key] of keys.entries()) await db.put(key, String(i));
  for (let round = 0; round < 2; round++) {
    for (const [i, key] of keys.entries()) expect(await db.get(key)).toBe(String(i));
  }
});

test("the bounds hold: entries and bytes", async () => {
  const few = await temporaryStore({ cache: { entries: 10 } });
  const small = await temporaryStore({ cache: { bytes: 100_000 } });
  for (const db of [few, small]) {
    for (let i = 0; i < 1000; i++) {
      await db.put(`k${i}`, "v".repeat(1000));
      expect(await db.get(`k${i}`)).toBe("v".repeat(1000));
    }
  }
  expect(few.stats().cacheEntries).toBe(10);
  expect(small.stats().cacheEntries).toBeGreaterThan(10);
  expect(small.stats().cacheEntries).toBeLessThan(100);
});

test("cached bytes hold on to no memory but their own", async () => {
  const path = fileURLToPath(new URL("programs/cache-memory.mjs", import.meta.url));
  const args = [join(temporaryDirectory(), "data"), "5000"];
  const { stdout, ...end } = await runProgram(path, args, { nodeOptions: ["--expose-gc"] });
  expect(end).toEqual({ code: 0, signal: null, stderr: "" });
  const { entries, grown } = JSON.parse(stdout) as { entries: number; grown: number };
  expect(entries).toBe(5000);
  expect(grown).toBeLessThan(5000 * 200); // Node's pool would be 8 KiB for each of them
});

test("wrong cache options are named", async () => {
  const directory = join(temporaryDirectory(), "data");
  for (const cache of [{}, { entries: 0 }, { entries: 1.5 }, { bytes: 1 }, { entrys: 5 }, 7, true, null]) {
    await expect(open(directory, { cache: cache as never })).rejects.toThrow(/cache|entrys/);
  }
});
