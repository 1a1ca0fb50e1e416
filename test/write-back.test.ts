// Write-back: a put waits in memory, every read of its handle sees it, and the log gets what it would have got, less what was
// overwritten meanwhile. It survives a flush and nothing less.
import { performance } from "node:perf_hooks";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { CrabKVError, open } from "../src/index.js";
import type { BatchOperation, OpenOptions } from "../src/index.js";
import { native } from "../src/native.js";
import { resolveOpenOptions } from "../src/options.js";
import { Session } from "../src/session.js";
import { WriteBack } from "../src/write-back.js";
import { mountSmall, whyNoMounts } from "./mounts.js";
import { runProgram } from "./run-program.js";
import { pick, randomOf, scaled, testSeed, timeoutFor } from "./seed.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

// So long that no test lives to see it.
const never = { everyMs: 3_600_000 };

/** What a second handle sees: the log, and nothing buffered. */
async function pair(options: OpenOptions<"utf8", "utf8"> = {}) {
  const directory = join(temporaryDirectory(), "data");
  const db = await openStore(directory, { sync: "os", writeBack: never, ...options });
  const { shards: _, ...others } = options;
  const log = await openStore(directory, { sync: "os", ...others, writeBack: false, cache: false });
  return { db, log, directory };
}

/** Moves the clocks that buffered puts go by, for the rest of the test. */
function moveClock(ms: number): void {
  const [now, wall] = [performance.now(), Date.now()];
  vi.spyOn(performance, "now").mockReturnValue(now + ms);
  vi.spyOn(Date, "now").mockReturnValue(wall + ms);
  onTestFinished(() => void vi.restoreAllMocks());
}

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

test("a flush that the queue has no room for rejects and keeps its puts, and so does the bound, until there is room", async () => {
  const { db, log } = await pair({ writeBack: { bytes: 50_000, ...never } });
  const told: Error[] = [];
  db.on("error", (error) => told.push(error));
  await db.put("k", "v".repeat(40_000));
  const full = vi.spyOn(native, "writeBatch").mockImplementation(() => {
    throw new CrabKVError("CRABKV_BUSY", "full");
  });
  onTestFinished(() => full.mockRestore());
  await expect(db.flush()).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  const beyond = { code: "CRABKV_BUSY", cause: { message: "full" } };
  for (let i = 0; i < 100; i++) await expect(db.put("beyond", "v".repeat(20_000))).rejects.toMatchObject(beyond);
  expect(full.mock.calls.length).toBeLessThan(20); // a large flush is not tried for each put
  await db.put("within", "v");
  await db.put("k", "w".repeat(40_000));
  await expect(db.delete("k")).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  await expect(db.batch([{ type: "put", key: "k", value: "" }])).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  await expect(collect(db.keys())).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  await expect(db.getEntry("k")).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  expect(await db.getMany(["k", "within", "beyond"])).toEqual(["w".repeat(40_000), "v", undefined]);
  expect(db.stats()).toMatchObject({ writeBackEntries: 2, flushes: 0, keys: 0 });
  full.mockRestore();
  await db.flush();
  expect(await log.getMany(["k", "within", "beyond"])).toEqual(["w".repeat(40_000), "v", undefined]);
  expect(told).toEqual([]);
});

test("close() waits for room for the last flush", async () => {
  const { db, log } = await pair();
  await db.put("k", "v");
  const full = vi.spyOn(native, "writeBatch").mockImplementation(() => {
    throw new CrabKVError("CRABKV_BUSY", "full");
  });
  onTestFinished(() => full.mockRestore());
  const closing = db.close();
  await expect.poll(() => full.mock.calls.length).toBeGreaterThan(3);
  full.mockRestore();
  await closing;
  expect(await log.get("k")).toBe("v");
});

test("a flush waits for what the buffer itself has filled the queue with", async () => {
  const { db, log } = await pair({ pendingBytesMax: 256 * 1024, writeBack: { bytes: 50_000, ...never } });
  const puts = Array.from({ length: 30 }, (_, i) => db.put(`k${i}`, "v".repeat(10_000)));
  const accepted = (await Promise.allSettled(puts)).filter(({ status }) => status === "fulfilled").length;
  await db.flush();
  expect(await collect(log.keys())).toHaveLength(accepted);
  expect(db.stats().writeBackEntries).toBe(0);
});

test("what failed after it was taken waits here again, unless a later write of its key may stand", async () => {
  const resolved = resolveOpenOptions({ writeBack: never, sync: "os" });
  const session = new Session(true);
  session.handle = await native.open(join(temporaryDirectory(), "data"), resolved.native, session.onCommit);
  onTestFinished(() => session.close(undefined));
  const told: Error[] = [];
  const buffer = new WriteBack(session, resolved.writeBack!, (error) => told.push(error));
  const failure = new Error("the disk");
  const put = (key: string, value: string) => expect(buffer.put(key, value, 0)).toBe(true);
  const held = () => ["a", "b", "c", "d"].map((key) => buffer.find(key)?.value);
  const flush = (background: boolean) => {
    buffer.flush(background);
    return buffer.openGroups[1];
  };
  for (const key of ["a", "b", "c", "d"]) put(key, "1");
  const first = flush(true);
  expect(held()).toEqual([undefined, undefined, undefined, undefined]);
  put("b", "2"); // newer
  buffer.overtake(["c", "d"], first + 1); // written, and that stands or fails by itself
  buffer.failedBetween(first, first, failure);
  expect(held()).toEqual(["1", "2", undefined, undefined]);
  expect(told).toEqual([failure]);
  buffer.overtake(["d"], first + 2);
  buffer.failedBetween(first + 1, first + 1, failure);
  expect(held()).toEqual(["1", "2", "1", undefined]);
  buffer.settled(first + 2);
  expect(held()).toEqual(["1", "2", "1", undefined]);
  expect(told).toEqual([failure]); // nobody's flush, and told already

  const second = flush(false);
  buffer.settled(second);
  buffer.failedBetween(second, second, failure); // too late to be true
  expect(held()).toEqual([undefined, undefined, undefined, undefined]);
  put("a", "3");
  const third = flush(false);
  buffer.overtakeLate(["a"], third);
  put("a", "4");
  buffer.overtakeLate(["a"], third + 1); // does not touch what is newer
  buffer.failedBetween(third, third + 1, failure);
  expect(held()).toEqual(["4", undefined, undefined, undefined]);
  expect(told).toEqual([failure]);
  buffer.end();
});

const noMounts = whyNoMounts();
test.skipIf(noMounts !== undefined).each(["always", "os"] as const)(
  `a disk that is full takes no acknowledged put away, and they are written when there is space, sync %j${noMounts ?? ""}`,
  async (sync) => {
    const disk = temporaryDirectory();
    mountSmall(disk, 1024 * 1024);
    const db = await openStore(join(disk, "data"), { sync, writeBack: { bytes: 250_000, everyMs: 20 } });
    const told: Error[] = [];
    db.on("error", (error) => told.push(error));
    const model = new Map<string, string>();
    let refused: unknown;
    for (let i = 0; i < 3000 && refused === undefined; i++) {
      const [key, value] = [`k${i % 1000}`, `${i}`.padEnd(1500, "x")];
      await db.put(key, value).then(() => model.set(key, value), (error: unknown) => (refused = error)); // prettier-ignore
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(refused).toMatchObject({ code: "CRABKV_BUSY", cause: { code: "CRABKV_DISK_FULL" } });
    await expect(db.flush()).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
    await expect.poll(() => told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(5);
    expect(db.failure).toBe(undefined);
    for (const [key, value] of model) expect(db.getSync(key)).toBe(value);
    await expect(collect(db.keys())).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
    const closed = await db.close().catch((error: unknown) => error);
    expect(closed).toMatchObject({ code: "CRABKV_DISK_FULL" });
  },
);

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

const RUNS = scaled(8, 2);
const STEPS = scaled(1200, 200);

test(
  "any mix of calls answers as a Map does, with a cache and without, over reopenings",
  async () => {
    const seed = testSeed();
    console.log(`write-back seed ${seed}`);
    const counts = { reads: 0, hits: 0, reopened: 0 };
    for (let run = 0; run < RUNS; run++) await live(seed + run, run % 2 === 1, counts);
    console.log(counts);
    expect(counts.hits).toBeGreaterThan(counts.reads / 2);
  },
  timeoutFor(RUNS * STEPS, 20),
);

interface Held {
  readonly value: string;
  readonly expires: boolean;
}

/** One store, through many calls: what it answers is compared with a Map at every step. */
async function live(seed: number, cached: boolean, counts: { reads: number; hits: number; reopened: number }) {
  const random = randomOf(seed);
  const directory = join(temporaryDirectory(), "data");
  const options = (): OpenOptions<"utf8", "utf8"> => ({
    sync: pick(random, ["os", "always", { everyMs: 5 }] as const),
    shards: pick(random, [1, 16]),
    writeBack: pick(random, [never, { everyMs: 1 }, { bytes: 2048, ...never }]),
    cache: cached && { entries: 20 },
  });
  const keys = Array.from({ length: 16 }, (_, i) => (i % 4 === 0 ? `schlüssel:${i}` : `key:${i}`));
  const model = new Map<string, Held>();
  let db = await open(directory, options());
  onTestFinished(() => db.close().catch(() => undefined));
  let last = 0;
  const key = () => pick(random, keys);
  const value = () => `${++last} ${"ü".repeat(random() * 20)}${"x".repeat(random() * 200)}`;
  const set = (at: string, held: Held | undefined) => (held === undefined ? model.delete(at) : model.set(at, held));
  const check = (what: string, got: unknown, expected: unknown) => {
    counts.reads++;
    if (expected !== undefined && expected !== false) counts.hits++;
    expect(got, `${what} (seed ${seed})`).toEqual(expected);
  };
  const checkNow = (...what: Parameters<typeof check>) => {
    check(...what);
    return Promise.resolve();
  };
  const put = async () => {
    const [at, held] = [key(), { value: value(), expires: random() < 0.3 }];
    const sync = random() < 0.1 ? ({ sync: "always" } as const) : {};
    void db.put(at, held.value, held.expires ? { ttlMs: 3_600_000, ...sync } : sync);
    set(at, held);
    if (random() < 0.2) await Promise.resolve();
  };
  const steps: (() => Promise<unknown>)[] = [
    put, put, put, put, put, put, put, put,
    async () => { const at = key(); check("get", await db.get(at), model.get(at)?.value); },
    async () => { const at = key(); check("get", await db.get(at), model.get(at)?.value); },
    () => { const at = key(); return checkNow("getSync", db.getSync(at), model.get(at)?.value); },
    async () => { const at = key(); check("getEntry", (await db.getEntry(at))?.value, model.get(at)?.value); },
    async () => { const at = key(); check("has", await db.has(at), model.has(at)); },
    async () => { check("hasMany", await db.hasMany(keys), keys.map((at) => model.has(at))); },
    async () => { check("getMany", await db.getMany(keys), keys.map((at) => model.get(at)?.value)); },
    () => checkNow("getManySync", db.getManySync(keys), keys.map((at) => model.get(at)?.value)),
    async () => {
      const at = key();
      const [ttl, held] = [await db.ttl(at), model.get(at)];
      check("ttl", ttl === undefined ? undefined : ttl !== Infinity, held?.expires);
    },
    async () => { const at = key(); check("delete", await take(at, db.delete(at)), true); },
    async () => {
      const some = [key(), key(), key()];
      const expected = some.map((at, i) => model.has(at) && some.indexOf(at) === i);
      const deleted = db.deleteMany(some);
      some.forEach((at) => set(at, undefined));
      check("deleteMany", await deleted, expected);
    },
    async () => {
      const at = key();
      const held = model.get(at);
      const answer = db.expire(at, 3_600_000);
      if (held !== undefined) set(at, { ...held, expires: true });
      check("expire", await answer, held !== undefined);
    },
    async () => {
      const at = key();
      const held = model.get(at);
      const answer = db.persist(at);
      if (held !== undefined) set(at, { ...held, expires: false });
      check("persist", await answer, held?.expires === true);
    },
    () => {
      const records = [key(), key()].map((at) => ({ key: at, value: value() }));
      void db.putMany(records);
      for (const record of records) set(record.key, { value: record.value, expires: false });
      return Promise.resolve();
    },
    async () => {
      // Expires at once: in the buffer, or from the log.
      const at = key();
      void db.put(at, value(), { ttlMs: 1 });
      if (random() < 0.5) void db.flush();
      set(at, undefined);
      await expect.poll(() => db.getSync(at), { interval: 2 }).toBe(undefined);
    },
    async () => { await batch(); },
    async () => { await batch(); },
    async () => {
      const at = key();
      const held = model.get(at);
      const next = value();
      const updated = await db.update(at, (old) => (old === held?.value ? next : "wrong"));
      set(at, { value: next, expires: held?.expires ?? false });
      check("update", updated, next);
    },
    async () => {
      const at = `count:${Math.floor(random() * 3)}`;
      if (random() < 0.3) {
        void db.put(at, "100");
        set(at, { value: "100", expires: false });
      }
      const sum = Number(model.get(at)?.value ?? 0) + 1;
      set(at, { value: String(sum), expires: model.get(at)?.expires ?? false });
      check("increment", await db.increment(at), sum);
    },
    async () => {
      const part = pick(random, ["key:", "schl", "count:", ""]);
      const expected = [...model].filter(([at]) => at.startsWith(part)).map(([at, held]) => [at, held.value]);
      const entries = collect(db.entries({ prefix: part, ...(random() < 0.5 ? { order: "log" } : {}) }));
      if (random() < 0.5) await put(); // after the snapshot
      check("entries", new Map((await entries)), new Map(expected as [string, string][]));
    },
    async () => {
      const stream = db.createWriteStream();
      for (let i = 0; i < 5; i++) {
        const record = { key: key(), value: value() };
        stream.write(record);
        set(record.key, { value: record.value, expires: false });
      }
      await new Promise((resolve) => stream.end(resolve));
    },
    () => db.flush(),
    () => Promise.resolve(void db.flush()),
    () => new Promise((resolve) => setImmediate(resolve)),
    async () => {
      if (random() < 0.7) return;
      const prefix = pick(random, ["key:1", "schl"]);
      for (const at of [...model.keys()]) if (at.startsWith(prefix)) set(at, undefined);
      await db.clear({ prefix });
    },
    async () => {
      if (random() < 0.5) return;
      counts.reopened++;
      const closing = db.close();
      await closing;
      db = await open(directory, options());
    },
  ]; // prettier-ignore

  /** Whether the answer of a delete is right. */
  async function take(at: string, answer: Promise<boolean>): Promise<boolean> {
    const expected = model.delete(at);
    return (await answer) === expected;
  }

  async function batch(): Promise<void> {
    const used = keys.filter(() => random() < 0.2);
    const operations = used.map((at): BatchOperation<string, string> => {
      const guard = random() < 0.2 ? { if: pick(random, ["absent", "present"] as const) } : {};
      if (random() < 0.3) return { type: "delete", key: at, ...guard };
      const ttlMs = pick(random, [undefined, "keep", 3_600_000] as const);
      return { type: "put", key: at, value: value(), ttlMs, ...guard };
    });
    const failed = operations.findIndex(({ if: guard, key: at }) => guard !== undefined && (guard === "present") !== model.has(at)); // prettier-ignore
    if (failed < 0) {
      for (const operation of operations) {
        if (operation.type === "put") {
          const keeps = operation.ttlMs === "keep" && model.get(operation.key)?.expires === true;
          set(operation.key, { value: operation.value, expires: keeps || operation.ttlMs === 3_600_000 });
        } else {
          set(operation.key, undefined);
        }
      }
    }
    const result = await db.batch(operations);
    check("batch", result.committed ? -1 : result.failedIndex, failed);
  }

  for (let step = 0; step < STEPS; step++) await pick(random, steps)();
  await db.close();
  db = await open(directory, { sync: "os" });
  check("all", new Map(await collect(db.entries())), new Map([...model].map(([at, held]) => [at, held.value])));
  await db.close();
}
