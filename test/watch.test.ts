// Watching: every acknowledged change, once, in log order, whoever makes it; and every way that a watch ends.
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import type { Change, Store } from "../src/index.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

type Changes = AsyncIterable<Change<string, string>>;

/** The next `count` changes; the watch goes on. */
async function take(changes: Changes, count: number): Promise<Change<string, string>[]> {
  const iterator = changes[Symbol.asyncIterator]();
  const taken: Change<string, string>[] = [];
  while (taken.length < count) {
    const next = await iterator.next();
    if (next.done === true) throw new Error(`the watch ended after ${taken.length} changes`);
    taken.push(next.value);
  }
  return taken;
}

async function takeKeys(changes: Changes, count: number): Promise<string> {
  return (await take(changes, count)).map(({ key }) => key).join(" ");
}

async function writeMany(db: Store<string, string>, count: number, bytes: number): Promise<void> {
  for (let i = 0; i < count; i++) await db.put(`many:${i}`, "x".repeat(bytes));
}

test("a change made right after watch() is seen, also one that was made before the first next()", async () => {
  const db = await temporaryStore();
  await db.put("before", "v");
  const watch = db.watch();
  void db.put("a", "1");
  expect(await take(watch, 1)).toEqual([{ type: "put", key: "a", value: "1", version: 2 }]);
  const next = watch.next();
  void db.put("b", "2");
  expect(await next).toEqual({ done: false, value: { type: "put", key: "b", value: "2", version: 3 } });
});

test("puts, deletes, deadlines and persisting, with their versions", async () => {
  const db = await temporaryStore();
  const watch = db.watch();
  await db.put("k", "v", { ttlMs: 60_000 });
  await db.expire("k", 90_000);
  await db.persist("k");
  await db.delete("k");
  await db.delete("never there");
  await db.put("end", "");
  const [put, expire, persist, ...rest] = await take(watch, 5);
  expect(put).toMatchObject({ type: "put", key: "k", value: "v", version: 1 });
  expect((put as { expiresAtMs: number }).expiresAtMs).toBeGreaterThan(Date.now());
  expect(expire).toMatchObject({ type: "expire", key: "k", version: 2 });
  expect((expire as { expiresAtMs: number }).expiresAtMs).toBeGreaterThan(Date.now() + 60_000);
  expect(persist).toEqual({ type: "expire", key: "k", version: 3 });
  expect(rest).toEqual([
    { type: "delete", key: "k", version: 4 },
    { type: "put", key: "end", value: "", version: 5 },
  ]);
});

test("a key that active expiry removes is a delete", async () => {
  const db = await temporaryStore();
  const watch = db.watch();
  await db.put("short", "v", { ttlMs: 1 });
  expect(await take(watch, 2)).toMatchObject([{ type: "put" }, { type: "delete", key: "short", version: 2 }]);
});

test("batches come whole and in their order, and a guarded one that did not commit not at all", async () => {
  const db = await temporaryStore();
  const watch = db.watch();
  await db.batch([
    { type: "put", key: "a", value: "1" },
    { type: "put", key: "b", value: "2" },
    { type: "delete", key: "a" },
  ]);
  await db.batch([{ type: "put", key: "b", value: "3", if: "absent" }]);
  await db.putMany([{ key: "c", value: "3" }]);
  const changes = await take(watch, 4);
  expect(changes.map(({ type, key }) => `${type} ${key}`)).toEqual(["put a", "put b", "delete a", "put c"]);
});

test("from a version on: what the log has, then what comes; 0 is everything, also after reopening", async () => {
  const directory = temporaryDirectory();
  const first = await openStore(directory, { sync: "os", segmentBytes: 65_536 });
  for (let i = 0; i < 1000; i++) void first.put(`k${i % 10}`, `${i}`.padStart(300));
  await first.close();
  const db = await openStore(directory, { sync: "os", segmentBytes: 65_536 });
  // More segments than there are now, which compaction has been at.
  const { segments, compactions } = db.stats();
  expect(segments > 3 || compactions > 0).toBe(true);
  const all = await take(db.watch({ from: 0 }), 1000);
  expect(all.map(({ version }) => version)).toEqual(all.map((_, i) => i + 1));
  const watch = db.watch({ from: 997 });
  await db.put("new", "v");
  expect(await takeKeys(watch, 4)).toBe("k7 k8 k9 new");
  expect(watch.version).toBe(1001);
  expect(await takeKeys(db.watch({ from: watch.version - 1 }), 1)).toBe("new");
});

test("a prefix limits to keys that begin with it, and the watch's version passes the others", async () => {
  const db = await temporaryStore();
  const watch = db.watch({ prefix: "user:" });
  const bytes = db.watch({ prefix: Buffer.from("user:2") });
  for (const key of ["user:1", "other", "user:2", "users"]) await db.put(key, "v");
  expect(await takeKeys(watch, 2)).toBe("user:1 user:2");
  expect(await takeKeys(bytes, 1)).toBe("user:2");
  const next = watch.next();
  await db.put("other", "v");
  await db.put("user:3", "v");
  expect((await next).value).toMatchObject({ key: "user:3" });
  expect(watch.version).toBe(6);
});

test("keys and values are decoded as the store's are", async () => {
  const db = await temporaryStore({ keyEncoding: "json", valueEncoding: "buffer", compression: "snappy" });
  const watch = db.watch();
  const value = Buffer.alloc(5000, "abc");
  await db.put({ id: 1 }, value);
  expect((await watch.next()).value).toEqual({ type: "put", key: { id: 1 }, value, version: 1 });
});

test("what another handle and a worker write is seen, and each watcher sees everything", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(directory, { sync: "os" });
  const other = await openStore(directory, { sync: "os" });
  const watches = [db.watch(), other.watch(), db.watch({ from: 0 })];
  const library = new URL("../dist/index.js", import.meta.url).href;
  const source = `
    import(${JSON.stringify(library)}).then(async ({ open }) => {
      const db = await open(${JSON.stringify(directory)}, { sync: "os" });
      for (let i = 0; i < 500; i++) void db.put("worker:" + i, "v");
      await db.close();
    });`;
  const taken = Promise.all(watches.map((watch) => take(watch, 502)));
  await db.put("db", "v");
  await other.put("other", "v");
  await new Promise((resolve) => new Worker(source, { eval: true }).once("exit", resolve));
  const [one, ...others] = await taken;
  expect(new Set(one!.map(({ key }) => key)).size).toBe(502);
  for (const same of others) expect(same).toEqual(one);
});

test("a watch in a worker sees what the main thread writes, and does not stop its termination", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(directory, { sync: "os" });
  const library = new URL("../dist/index.js", import.meta.url).href;
  const source = `
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(library)}).then(async ({ open }) => {
      const db = await open(${JSON.stringify(directory)}, { sync: "os" });
      const watch = db.watch();
      parentPort.postMessage("ready");
      for await (const { key } of watch) parentPort.postMessage(key);
    });`;
  const worker = new Worker(source, { eval: true });
  const message = (): Promise<unknown> => new Promise((resolve) => worker.once("message", resolve));
  expect(await message()).toBe("ready");
  const seen = message();
  await db.put("from main", "v");
  expect(await seen).toBe("from main");
  await worker.terminate();
  await db.put("after", "v");
});

test("calls of next() before there is anything are answered in order", async () => {
  const db = await temporaryStore();
  const watch = db.watch();
  const nexts = Array.from({ length: 6 }, () => watch.next());
  for (const key of ["a", "b", "c", "d", "e"]) await db.put(key, "v");
  void db.put("f", "v");
  expect((await Promise.all(nexts)).map(({ value }) => value!.key).join("")).toBe("abcdef");
});

test("return() ends a watch and whoever waits for it; break does the same", async () => {
  const db = await temporaryStore();
  const watch = db.watch();
  const waiting = watch.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await watch.return()).toEqual({ done: true, value: undefined });
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  const broken = db.watch();
  void db.put("a", "v");
  void db.put("b", "v");
  for await (const { key } of broken) {
    expect(key).toBe("a");
    break;
  }
  expect(await broken.next()).toEqual({ done: true, value: undefined });
});

test("a signal ends a watch with its reason, waiting or not, and before it began", async () => {
  const db = await temporaryStore();
  const reason = new Error("enough");
  const controller = new AbortController();
  const watch = db.watch({ signal: controller.signal });
  const idle = db.watch({ signal: controller.signal });
  const waiting = watch.next();
  await db.get("k");
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(idle.next()).rejects.toBe(reason);
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  await expect(db.watch({ signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
});

test("closing the store ends its watches with CRABKV_CLOSED, waiting or not", async () => {
  const db = await temporaryStore();
  const [waitingLong, waitingShort, idle, full] = [db.watch(), db.watch(), db.watch(), db.watch({ from: 0 })];
  await db.put("a", "v");
  await db.put("b", "v");
  await full.next();
  await take(waitingLong, 2);
  const ends = [waitingLong.next()];
  await new Promise((resolve) => setTimeout(resolve, 20));
  await take(waitingShort, 2);
  ends.push(waitingShort.next());
  const closed = db.close();
  ends.push(idle.next(), full.next());
  for (const end of await Promise.allSettled(ends)) {
    expect(end).toMatchObject({ status: "rejected", reason: { code: "CRABKV_CLOSED" } });
  }
  await closed;
  expect(await collect(waitingLong)).toEqual([]);
  expect(() => db.watch()).toThrow(expect.objectContaining({ code: "CRABKV_CLOSED" }) as Error);
});

test("a watcher too far behind ends with CRABKV_LAGGED, whose version goes on without a gap", async () => {
  const db = await temporaryStore();
  const watch = db.watch({ lagBytesMax: 100_000 });
  await db.put("seen", "v");
  expect(await takeKeys(watch, 1)).toBe("seen");
  await writeMany(db, 200, 1000);
  const error = (await watch.next().catch((reason: unknown) => reason)) as { version: number };
  expect(error).toMatchObject({ name: "CrabKVError", code: "CRABKV_LAGGED", version: 1 });
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  // What is in the log when it begins again is no lag.
  const again = await take(db.watch({ lagBytesMax: 100_000, from: error.version }), 200);
  expect(again.map(({ key }) => key)).toEqual(Array.from({ length: 200 }, (_, i) => `many:${i}`));
  const patient = db.watch({ lagBytesMax: Infinity });
  await writeMany(db, 200, 1000);
  expect((await take(patient, 200)).length).toBe(200);
});

test("a version that the store never had is CRABKV_POSITION_GONE", async () => {
  const db = await temporaryStore();
  await db.put("a", "v");
  await expect(db.watch({ from: 2 }).next()).rejects.toMatchObject({ code: "CRABKV_POSITION_GONE" });
  const end = db.watch({ from: 1 });
  void db.put("b", "v");
  expect(await takeKeys(end, 1)).toBe("b");
});

test("a read-only store shows its log and ends, because nothing can follow", async () => {
  const directory = join(temporaryDirectory(), "data");
  const writer = await openStore(directory);
  await writer.put("a", "1");
  await writer.put("b", "2");
  await writer.close();
  const db = await openStore(directory, { readOnly: true });
  expect((await collect(db.watch({ from: 1 }))).map(({ key }) => key)).toEqual(["b"]);
  expect(await collect(db.watch())).toEqual([]);
});

test("a value that cannot be decoded ends the watch, which stands before it", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(directory, { sync: "os" });
  const json = await openStore(directory, { sync: "os", valueEncoding: "json" });
  const watch = json.watch();
  await db.put("good", "1");
  await db.put("bad", "{");
  expect((await watch.next()).value).toMatchObject({ value: 1 });
  await expect(watch.next()).rejects.toMatchObject({ code: "CRABKV_ENCODING" });
  expect(watch.version).toBe(1);
});

test("misuse names the option", async () => {
  const db = await temporaryStore();
  const wrong =
    (options: object): (() => unknown) =>
    (): unknown =>
      db.watch(options);
  expect(wrong({ prefix: 5 })).toThrow(/prefix/);
  expect(wrong({ from: -1 })).toThrow(/from/);
  expect(wrong({ from: "1" })).toThrow(/from/);
  expect(wrong({ lagBytesMax: 0 })).toThrow(/lagBytesMax/);
  expect(wrong({ signal: {} })).toThrow(/signal/);
  expect(wrong({ since: 1 })).toThrow(/since/);
});

test.each(["always", "os"] as const)("100,000 changes under load are complete and in order (%s)", async (sync) => {
  const db = await temporaryStore({ sync, segmentBytes: 1 << 20 });
  const count = 100_000;
  const watch = db.watch();
  const write = async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const put = db.put(`key:${i % 1000}`, `${i}`);
      if (i % 512 === 511) await put;
    }
  };
  const written = write();
  let expected = 0;
  for await (const change of watch) {
    // Compared by hand: an expect() for each would take longer than the rest.
    if (change.type !== "put" || change.value !== `${expected}` || change.version !== expected + 1) {
      expect(change).toEqual({
        type: "put",
        key: `key:${expected % 1000}`,
        value: `${expected}`,
        version: expected + 1,
      });
    }
    if (++expected === count) break;
  }
  await written;
  // More than three segments, or fewer because compaction has been at those that the watch had passed.
  const { segments, compactions } = db.stats();
  expect(segments > 3 || compactions > 0).toBe(true);
});
