// Write-back: a put waits in memory, every read of its handle sees it, and the log gets what it would have got, less what was
// overwritten meanwhile. It survives a flush and nothing less.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { open } from "../src/index.js";
import { moveClock, never, pair } from "./buffered-pair.js";
import { runProgram } from "./run-program.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

test("a put is seen at once by every read of its handle, and by nobody else until it is flushed", async () => {
  const { db, log } = await pair();
  await db.put("k", "1");
  await db.put("k", "2", { ttlMs: 60_000 });
  expect([await db.get("k"), db.getSync("k"), await db.has("k")]).toEqual(["2", "2", true]);
  expect(await db.getMany(["a", "k", "k"])).toEqual([undefined, "2", "2"]);
  expect(db.getManySync(["k", "a"])).toEqual(["2", undefined]);
  expect(await db.hasMany(["a", "k"])).toEqual([false, true]);
  expect(await db.ttl("k")).toBeGreaterThan(50_000);
  expect(db.getSync("k", { valueEncoding: "buffer" })).toEqual(Buffer.from("2"));
  expect(await log.get("k")).toBe(undefined);
  expect(db.stats()).toMatchObject({ writeBackEntries: 1, writeBackCoalesced: 1, flushes: 0, keys: 0 });
  expect(db.stats().writeBackBytes).toBeGreaterThan(2);
  await db.flush();
  expect(await log.get("k")).toBe("2");
  expect(await log.ttl("k")).toBeGreaterThan(50_000);
  const stats = db.stats();
  expect(stats).toMatchObject({ writeBackEntries: 0, writeBackBytes: 0, flushes: 1, keys: 1 });
  expect(stats.durableVersion).toBe(stats.lastVersion);
});

test("one flush is one batch, with the newest value of each key", async () => {
  const { db, log } = await pair();
  for (let i = 0; i < 1000; i++) await db.put(`k${i % 10}`, String(i));
  const before = db.stats();
  await db.flush();
  const after = db.stats();
  expect(after.commitGroups - before.commitGroups).toBe(1);
  expect(after.lastVersion - before.lastVersion).toBe(10);
  expect(await collect(log.values())).toHaveLength(10);
  expect(await log.get("k3")).toBe("993");
});

test("an entry has a version: it is flushed first, alone", async () => {
  const { db } = await pair();
  await db.put("a", "1");
  await db.put("b", "2");
  const entry = await db.getEntry("a");
  expect(entry).toEqual({ value: "1", version: 1 });
  expect(db.stats().writeBackEntries).toBe(1);
  expect(await db.batch([{ type: "put", key: "a", value: "3", if: { version: entry!.version } }])).toMatchObject({
    committed: true,
  });
  expect(await db.getEntry("missing")).toBe(undefined);
});

test("scans see buffered puts, as they are when the first entry is asked for", async () => {
  const { db } = await pair();
  await db.put("a", "old");
  await db.flush();
  const entries = db.entries();
  await db.put("a", "new");
  await db.put("b", "1");
  const first = entries.next();
  await db.put("c", "later");
  const rest = await collect(entries);
  expect(Object.fromEntries([(await first).value!, ...rest])).toEqual({ a: "new", b: "1" });
  expect((await collect(db.keys())).sort()).toEqual(["a", "b", "c"]);
  await db.put("d", "x");
  expect((await collect(db.values({ prefix: "d" }))).sort()).toEqual(["x"]);
  await db.put("a", "newest");
  expect((await collect(db.records({ order: "log" }))).map(({ key }) => key)).toEqual(["b", "c", "d", "a"]);
});

test("a deadline counts from the put, not from the flush", async () => {
  const { db, log } = await pair();
  await db.put("k", "v", { ttlMs: 60_000 });
  moveClock(20_000);
  expect(await db.ttl("k")).toBeLessThanOrEqual(40_000);
  await db.flush();
  expect(await log.ttl("k")).toBeLessThanOrEqual(40_000);
  expect(await log.ttl("k")).toBeGreaterThan(30_000);
});

test("a put that expires in the buffer is not seen, and its flush clears the older value", async () => {
  const { db, log } = await pair();
  await db.put("k", "old");
  await db.flush();
  await db.put("k", "new", { ttlMs: 1000 });
  await db.put("fresh", "new", { ttlMs: 1000 });
  moveClock(2000);
  expect([await db.get("k"), db.getSync("k"), await db.has("k"), await db.ttl("k")]).toEqual([
    undefined, undefined, false, undefined,
  ]); // prettier-ignore
  expect(await db.getMany(["k", "fresh"])).toEqual([undefined, undefined]);
  expect(await db.hasMany(["k", "fresh"])).toEqual([false, false]);
  expect(await db.persist("k")).toBe(false);
  expect(await db.expire("fresh", 5000)).toBe(false);
  expect(await log.get("k")).toBe("old");
  await db.flush();
  expect(await log.getMany(["k", "fresh"])).toEqual([undefined, undefined]);
  await db.put("k", "again", { ttlMs: 1 });
  moveClock(10);
  expect(await db.delete("k")).toBe(false);
});

test("every other write comes behind the buffered puts of its keys, in their frame, and leaves the rest buffered", async () => {
  const { db, log } = await pair();
  const groups = async (work: () => Promise<unknown>) => {
    await db.put("other", "buffered");
    await db.put("k", "buffered", { ttlMs: 60_000 });
    const before = db.stats();
    const result = await work();
    expect(await log.get("other")).toBe(undefined);
    const after = db.stats();
    return [result, after.commitGroups - before.commitGroups, after.lastVersion - before.lastVersion];
  };
  expect(await groups(() => db.delete("k"))).toEqual([true, 1, 2]);
  expect(await log.has("k")).toBe(false);
  expect(await groups(() => db.deleteMany(["none", "k"]))).toEqual([[false, true], 1, 2]);
  expect(await groups(() => db.persist("k"))).toEqual([true, 1, 2]);
  expect([await log.get("k"), await log.ttl("k")]).toEqual(["buffered", Infinity]);
  expect(await groups(() => db.expire("k", 5000))).toEqual([true, 1, 2]);
  expect([await log.get("k"), (await log.ttl("k"))! <= 5000]).toEqual(["buffered", true]);
  expect(await groups(() => db.putMany([{ key: "k", value: "many" }]))).toEqual([undefined, 1, 2]);
  expect([await db.get("k"), await log.get("k"), await log.ttl("k")]).toEqual(["many", "many", Infinity]);
  await groups(() => db.batch([{ type: "put", key: "k", value: "kept", ttlMs: "keep" }]));
  expect([await log.get("k"), (await log.ttl("k"))! > 50_000]).toEqual(["kept", true]);
  await groups(() => db.put("k", "through", { sync: "always" }));
  expect([await db.get("k"), await log.get("k"), await log.ttl("k")]).toEqual(["through", "through", Infinity]);
  expect(db.stats()).toMatchObject({ writeBackEntries: 1 });
});

test("a put that has expired in the buffer leaves it with the next write of its key, if nothing is written, too", async () => {
  const { db } = await pair();
  for (const write of [() => db.expire("k", Infinity), () => db.expire("k", 5000), () => db.delete("k")]) {
    await db.put("k", "v", { ttlMs: 1000 });
    moveClock(2000);
    expect(await write(), String(write)).toBe(false);
    expect(db.stats(), String(write)).toMatchObject({ writeBackEntries: 0, lastVersion: 0 });
    vi.restoreAllMocks();
  }
});

test("guards, increment and update see buffered puts", async () => {
  const { db, log } = await pair();
  await db.put("k", "1");
  expect(await db.batch([{ type: "put", key: "k", value: "no", if: "absent" }])).toMatchObject({ failedIndex: 0 });
  await db.put("k", "2");
  expect(await db.batch([{ type: "check", key: "k", if: "present" }, { type: "put", key: "x", value: "y" }])).toMatchObject({ committed: true }); // prettier-ignore
  await db.put("n", "no number");
  await db.flush();
  await db.put("n", "41");
  expect(await db.increment("n")).toBe(42);
  await db.put("n", "1");
  expect(await Promise.all([db.increment("n"), db.put("n", "10"), db.increment("n")])).toEqual([2, undefined, 11]);
  const seen: unknown[] = [];
  await db.update("n", async (old) => {
    seen.push(old);
    if (seen.length === 1) await db.put("n", "buffered meanwhile");
    return `${old}!`;
  });
  expect(seen).toEqual(["11", "buffered meanwhile"]);
  expect([await db.get("n"), await log.get("n")]).toEqual(["buffered meanwhile!", "buffered meanwhile!"]);
});

test("a stream's records replace buffered puts, and clear() takes them too", async () => {
  const { db, log } = await pair();
  await db.put("a", "buffered");
  await db.put("b", "buffered");
  const stream = db.createWriteStream();
  stream.write({ key: "a", value: "streamed" });
  await new Promise((resolve) => stream.end(resolve));
  expect(await db.getMany(["a", "b"])).toEqual(["streamed", "buffered"]);
  await db.flush();
  expect(await log.getMany(["a", "b"])).toEqual(["streamed", "buffered"]);
  await db.put("b", "again");
  await db.put("c", "new");
  await db.clear();
  expect([await collect(db.keys()), await collect(log.keys())]).toEqual([[], []]);
});

test("a log that is reopened has what the calls left, in their order for each key", async () => {
  const { db, log, directory } = await pair();
  await log.close();
  await db.put("a", "1");
  await db.put("b", "1");
  await db.delete("a");
  await db.put("a", "2");
  await db.expire("b", 60_000);
  await db.put("c", "1");
  await db.batch([{ type: "delete", key: "c" }, { type: "put", key: "b", value: "2", ttlMs: "keep" }]); // prettier-ignore
  await db.close();
  const again = await openStore(directory, { sync: "os" });
  const records = await collect(again.records({ order: "log" }));
  expect(records.map(({ key, value }) => [key, value])).toEqual([["b", "2"], ["a", "2"]]); // prettier-ignore
  expect(records[0]!.expiresAtMs).toBeGreaterThan(Date.now());
});

test("the time limit flushes by itself", async () => {
  const { db, log } = await pair({ writeBack: { everyMs: 5 } });
  await db.put("k", "v");
  await expect.poll(() => log.get("k")).toBe("v");
  expect(db.stats()).toMatchObject({ writeBackEntries: 0, flushes: 1 });
});

test("the byte limit holds, and a put larger than it passes by", async () => {
  const { db, log } = await pair({ writeBack: { bytes: 10_000, ...never } });
  for (let i = 0; i < 100; i++) {
    await db.put(`k${i}`, "v".repeat(1000));
    expect(db.stats().writeBackBytes).toBeLessThanOrEqual(10_000);
  }
  expect(db.stats().flushes).toBeGreaterThan(10);
  await db.put("k99", "w".repeat(20_000));
  expect([(await log.get("k99"))!.length, (await db.get("k99"))!.length]).toEqual([20_000, 20_000]);
  await db.put("hot", "0");
  const before = db.stats().flushes;
  for (let i = 0; i < 1000; i++) await db.put("hot", "v".repeat(1000));
  expect(db.stats().flushes - before).toBeLessThanOrEqual(1);
  const few = await temporaryStore({ writeBack: never, batchOperationsMax: 5 });
  for (let i = 0; i < 12; i++) await few.put(`k${i}`, "v");
  expect(few.stats()).toMatchObject({ writeBackEntries: 2, flushes: 2 });
});

test("a batch that fits alone is not refused for the puts it takes along", async () => {
  const { db, log } = await pair({ batchOperationsMax: 3 });
  await db.put("a", "1");
  await db.put("b", "1");
  await db.batch([{ type: "delete", key: "a" }, { type: "put", key: "b", value: "2" }]); // prettier-ignore
  expect(await log.getMany(["a", "b"])).toEqual([undefined, "2"]);
});

test("close() flushes, and after it every call is refused", async () => {
  const { db, log } = await pair();
  await db.put("k", "v");
  const closing = db.close();
  await expect(db.put("k", "late")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.get("k")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.has("k")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.ttl("k")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.delete("k")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.flush()).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await closing;
  await expect(db.put("k", "late")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  expect(await log.get("k")).toBe("v");
});

test.each(["os", "always", { everyMs: 50 }] as const)(
  "flush() before a close() that comes at once resolves, with its puts durable, sync %j",
  async (sync) => {
    const { db, log } = await pair({ sync });
    await db.put("k", "v");
    const flushed = db.flush().then(() => log.stats());
    const closed = db.close();
    const { durableVersion, lastVersion } = await flushed;
    expect([durableVersion, lastVersion]).toEqual([1, 1]);
    await closed;
    expect(await log.get("k")).toBe("v");
  },
);

test("a caller that changes its bytes, or those it got, changes nothing stored", async () => {
  const db = await temporaryStore({ keyEncoding: "buffer", valueEncoding: "buffer", writeBack: never });
  const [key, value] = [Buffer.from("key"), Buffer.from("value")];
  await db.put(key, value);
  key.fill(0);
  value.fill(0);
  db.getSync(Buffer.from("key"))!.fill(1);
  expect(await db.get(Buffer.from("key"))).toEqual(Buffer.from("value"));
  expect(await db.get(Buffer.from("key"), { valueEncoding: "utf8" })).toBe("value");
  await db.put(Buffer.alloc(0), Buffer.alloc(0));
  expect(await db.get(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  await db.flush();
  expect(await db.get(Buffer.from("key"))).toEqual(Buffer.from("value"));
});

test("the same key as text and as bytes is one key, others are not", async () => {
  const db = await temporaryStore({
    writeBack: never,
    keyEncoding: { encode: (key: string | Buffer) => key, decode: (bytes: Buffer): string | Buffer => bytes },
  });
  const keys: [text: string, bytes: Buffer][] = [
    ["é", Buffer.from("é")],
    ["plain", Buffer.from("plain")],
    ["", Buffer.alloc(0)],
    ["\u00c3\u00a9", Buffer.from("\u00c3\u00a9")],
    ["🦀", Buffer.from("🦀")],
    ["\uffff", Buffer.from("\uffff")],
  ];
  for (const [i, [text, bytes]] of keys.entries()) {
    await db.put(text, "text");
    await db.put(bytes, String(i));
  }
  await db.put(Buffer.from([0xe9]), "latin");
  expect(db.stats()).toMatchObject({ writeBackEntries: 7, writeBackCoalesced: 6 });
  for (let round = 0; round < 2; round++) {
    for (const [i, [text, bytes]] of keys.entries()) {
      expect([await db.get(text), await db.get(bytes)]).toEqual([String(i), String(i)]);
    }
    expect(await db.get(Buffer.from([0xe9]))).toBe("latin");
    await db.flush();
  }
  expect(await collect(db.keys())).toHaveLength(7);
});

test("what is no key or value is refused at the put, as without the buffer", async () => {
  const options = { keyBytesMax: 10, valueBytesMax: 100 };
  const buffered = await temporaryStore({ ...options, writeBack: never });
  const plain = await temporaryStore(options);
  const wrong: [unknown, unknown, object?][] = [
    ["\ud800", "v"], ["k", "\ud800"], [1, "v"], ["k", 1], ["k".repeat(11), "v"], ["é".repeat(6), "v"], ["k", "é".repeat(51)],
    ["k", "v", { ttlMs: 0 }], ["k", "v", { sync: "os" }], ["k", "v", { ttl: 1 }],
  ]; // prettier-ignore
  for (const [key, value, options] of wrong) {
    const expected = await plain.put(key as string, value as string, options).catch((error: unknown) => error);
    expect(expected).toBeInstanceOf(Error);
    await expect(buffered.put(key as string, value as string, options)).rejects.toEqual(expected);
  }
  await buffered.put("\ufffd", "v");
  await expect(buffered.get("\ud800")).rejects.toThrow(/surrogate/);
  expect(buffered.stats().writeBackEntries).toBe(1);
});

test("wrong options are named", async () => {
  const directory = join(temporaryDirectory(), "data");
  const wrong = [{ bytes: 1023 }, { bytes: 1.5 }, { bytes: 2 ** 40 }, { everyMs: 0 }, { everyMs: "1" }, { byte: 1 }, 7, null, "on"]; // prettier-ignore
  for (const writeBack of wrong)
    await expect(open(directory, { writeBack: writeBack as never })).rejects.toThrow(/writeBack|byte/);
  await expect(open(directory, { writeBack: { bytes: 5000 }, batchBytesMax: 8192 })).rejects.toThrow(/batchBytesMax/);
  await expect(open(directory, { writeBack: true, readOnly: true })).rejects.toThrow(TypeError);
});

test("a program that ends when the log had no room for its buffer flushes that", async () => {
  const directory = join(temporaryDirectory(), "data");
  const program = fileURLToPath(new URL("programs/busy-and-end.mjs", import.meta.url));
  const { code, stdout } = await runProgram(program, [directory]);
  const { busy, acknowledged } = JSON.parse(stdout) as { busy: number; acknowledged: string[] };
  expect({ code, sawBusy: busy > 0 }).toEqual({ code: 0, sawBusy: true });
  const db = await openStore(directory);
  expect(await db.hasMany(acknowledged)).toEqual(acknowledged.map(() => true));
});

test("a program that ends with puts in the buffer flushes them; process.exit() does not", async () => {
  const directory = join(temporaryDirectory(), "data");
  const program = fileURLToPath(new URL("programs/buffer-and-end.mjs", import.meta.url));
  for (const end of ["by itself", "exit"]) {
    const result = await runProgram(program, [directory, end]);
    expect(result).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
  }
  const db = await openStore(directory);
  expect(await collect(db.keys())).toEqual(["by itself"]);
});
