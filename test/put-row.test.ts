// Puts of one turn wait for each other and go to the core in rows. Nobody may notice but by the clock: everything else that is
// asked of a store finds them, they keep their order, and what befalls one put does not befall its neighbours.
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import type { Store } from "../src/index.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

/** More than a row holds, so that some of it is handed over and some still waits. */
const MANY = 150;

function putMany(db: Store<string, string>, prefix = "k"): Promise<void>[] {
  return Array.from({ length: MANY }, (_, i) => db.put(`${prefix}${i}`, `v${i}`));
}

const last = `k${MANY - 1}`;
const lastValue = `v${MANY - 1}`;

test.each<[string, (db: Store<string, string>) => unknown, unknown]>([
  ["getSync", (db) => db.getSync(last), lastValue],
  ["get", (db) => db.get(last), lastValue],
  ["getMany", async (db) => (await db.getMany([last]))[0], lastValue],
  ["getManySync", (db) => db.getManySync([last])[0], lastValue],
  ["getEntry", async (db) => (await db.getEntry(last))?.value, lastValue],
  ["has", (db) => db.has(last), true],
  ["hasMany", async (db) => (await db.hasMany([last]))[0], true],
  ["ttl", (db) => db.ttl(last), Infinity],
  ["delete", (db) => db.delete(last), true],
  ["deleteMany", async (db) => (await db.deleteMany([last]))[0], true],
  ["expire", (db) => db.expire(last, 60_000), true],
  ["a guarded batch", async (db) => (await db.batch([{ type: "check", key: last, if: "present" }])).committed, true],
  ["update", (db) => db.update(last, (old) => `${old}!`), `${lastValue}!`],
  ["keys()", async (db) => (await collect(db.keys())).length, MANY],
  ["entries in log order", async (db) => (await collect(db.entries({ order: "log" }))).at(-1), [last, lastValue]],
  ["stats", (db) => db.stats().keys, MANY],
  ["flush", (db) => db.flush().then(() => db.stats().durableVersion), MANY],
  ["clear", (db) => db.clear().then(() => db.stats().keys), 0],
  ["close", async (db) => db.close(), undefined],
])("%s finds the puts of its own turn", async (_name, ask, answer) => {
  const db = await temporaryStore();
  const puts = putMany(db);
  expect(await ask(db)).toEqual(answer);
  await Promise.all(puts);
});

test("a cached value does not outlive a put of its turn", async () => {
  const db = await temporaryStore({ cache: { entries: 10 } });
  await db.put("k", "old");
  expect([await db.get("k"), db.getSync("k")]).toEqual(["old", "old"]);
  void db.put("other", "1");
  void db.put("k", "new");
  expect(db.getSync("k")).toBe("new");
});

test("another handle on the same directory finds them, and puts through several handles keep their order", async () => {
  const path = temporaryDirectory();
  const [one, other, third] = [await openStore(path), await openStore(path), await temporaryStore()];
  for (const [db, value] of [
    [one, "1"],
    [one, "2"],
    [other, "3"],
    [other, "4"],
    [third, "of another store"],
    [one, "5"],
    [one, "6"],
  ] as const)
    void db.put("k", value);
  expect([other.getSync("k"), third.getSync("k")]).toEqual(["6", "of another store"]);
  void other.put("k", "7");
  void other.put("k", "8");
  expect(one.getSync("k")).toBe("8");
});

test("the last of several puts of a key is what stays, whatever is between them", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  const puts: Promise<unknown>[] = [];
  for (let i = 0; i < MANY; i++) {
    puts.push(db.put("k", `${i}`));
    if (i % 40 === 20) puts.push(db.put("k", `long ${i} `.padEnd(5_000, "x")));
    if (i % 40 === 30) puts.push(db.delete("k"));
    if (i % 40 === 35) puts.push(db.put("k", `short-lived ${i}`, { ttlMs: 60_000 }));
  }
  await Promise.all(puts);
  expect([await db.get("k"), await db.ttl("k")]).toEqual([`${MANY - 1}`, Infinity]);
  await db.close();
  expect(await (await openStore(path)).get("k")).toBe(`${MANY - 1}`);
});

test("a put that an encoding makes comes before the put that it is called for", async () => {
  const encoding = {
    encode(text: string): string {
      if (text === "outer") for (const inner of ["1", "2", "3"]) void db.put("k", inner);
      return text;
    },
    decode: (bytes: Buffer) => bytes.toString(),
  };
  const db = await temporaryStore({ valueEncoding: encoding });
  const before = db.put("other", "v");
  const outer = db.put("k", "outer");
  expect(db.getSync("k")).toBe("outer");
  await Promise.all([before, outer]);
  await db.put("k", "outer", { ttlMs: 60_000 });
  expect(db.getSync("k")).toBe("outer");
});

test("a watcher is shown each of them, in order", async () => {
  const db = await temporaryStore();
  const changes = db.watch();
  const puts = putMany(db);
  for (let i = 0; i < MANY; i++) {
    expect((await changes.next()).value).toMatchObject({ type: "put", key: `k${i}`, value: `v${i}` });
  }
  await changes.return();
  await Promise.all(puts);
});

test("what is wrong with one put is that put's error alone", async () => {
  const db = await temporaryStore({ keyBytesMax: 30, valueBytesMax: 60 });
  const wrong = [
    ["\ud800", "v", TypeError],
    ["k", "\udc00 alone", TypeError],
    [7, "v", TypeError],
    ["k", undefined, TypeError],
    ["k".repeat(31), "v", RangeError],
    ["ü".repeat(16), "v", RangeError],
    ["k", "v".repeat(61), RangeError],
    ["k", "€".repeat(21), RangeError],
  ] as const;
  const good: Promise<void>[] = [];
  const bad: Promise<void>[] = [];
  for (const [i, [key, value]] of wrong.entries()) {
    good.push(db.put(`before ${i}`, "v"), db.put(`before too ${i}`, "ü€".repeat(12)));
    bad.push(db.put(key as string, value!));
    bad.at(-1)!.catch(() => undefined);
    good.push(db.put(`behind ${i}`, "v"), db.put(`ü${i}`, "v".repeat(60)));
  }
  await Promise.all(good);
  for (const [i, [, , kind]] of wrong.entries()) await expect(bad[i]).rejects.toThrow(kind);
  expect(db.stats().keys).toBe(4 * wrong.length);
  expect(await db.get("before too 0")).toBe("ü€".repeat(12));
});

test("options that leave no room for a row leave puts as they are", async () => {
  for (const options of [{ batchOperationsMax: 1 }, { batchBytesMax: 4096, keyBytesMax: 1, valueBytesMax: 2 }]) {
    const db = await temporaryStore(options);
    await Promise.all(Array.from({ length: MANY }, (_, i) => db.put(String.fromCharCode(0x20 + (i % 90)), "v")));
    expect(db.stats().keys).toBe(90);
  }
});

test("with a bound on what waits, rows that do not fit are refused whole, and those that were taken are all there", async () => {
  const db = await temporaryStore({ sync: "always", pendingBytesMax: 256 * 1024 });
  const value = "v".repeat(900);
  const puts = Array.from({ length: 1000 }, (_, i) => db.put(`k${i}`, value));
  const outcomes = await Promise.allSettled(puts);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: "CRABKV_BUSY" });
  const found = await db.hasMany(puts.map((_, i) => `k${i}`));
  expect(found).toEqual(outcomes.map((outcome) => outcome.status === "fulfilled"));
});

test("after close every put is refused, and those before are kept", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  const puts = putMany(db);
  const closed = db.close();
  await expect(db.put("late", "v")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.put("later", "v")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  await Promise.all([closed, ...puts]);
  expect((await openStore(path)).stats().keys).toBe(MANY);
});

test("another thread finds them once the turn has ended", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.module).then(async ({ open }) => {
      const db = await open(workerData.path);
      parentPort.on("message", async (key) => {
        if (key === undefined) { await db.close(); parentPort.close(); return; }
        parentPort.postMessage(db.getSync(key));
      });
      parentPort.postMessage("ready");
    });`;
  const module = new URL("../dist/index.js", import.meta.url).href;
  const worker = new Worker(program, { eval: true, workerData: { path, module } });
  const said = () => new Promise((resolve) => worker.once("message", resolve));
  expect(await said()).toBe("ready");
  const puts = putMany(db);
  await turn();
  worker.postMessage(last);
  expect(await said()).toBe(lastValue);
  worker.postMessage(undefined);
  await new Promise((resolve) => worker.once("exit", resolve));
  await Promise.all(puts);
});

test("puts with other calls between them share their group's promise, as if there were no rows", async () => {
  const db = await temporaryStore();
  const first = db.put("a", "1");
  db.getSync("a");
  const second = db.put("b", "2");
  expect(second).toBe(first);
  await second;
});
