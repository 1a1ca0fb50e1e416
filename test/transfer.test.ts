// Buffers that share memory with others: transferring one to another thread must not take the others away.
import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { collect, temporaryStore } from "./temporary.js";

const buffers = { keyEncoding: "buffer", valueEncoding: "buffer" } as const;
const key = (i: number): Buffer => Buffer.from(`key ${i}`);
const value = (i: number): Buffer => Buffer.from(`value ${i}`);
const records = Array.from({ length: 20 }, (_, i) => ({ key: key(i), value: value(i) }));

/** Node 20 copies what must not be transferred, later ones refuse it. */
function transfer(bytes: Uint8Array): void {
  const { port1 } = new MessageChannel();
  onTestFinished(() => port1.close());
  try {
    port1.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
  } catch (error) {
    expect(error).toMatchObject({ name: "DataCloneError" });
  }
}

test("a value of get that is transferred leaves other values as they are, and later ones come", async () => {
  const db = await temporaryStore(buffers);
  await db.putMany(records);
  const [first, second] = [await db.get(key(1)), db.getSync(key(2))];
  transfer(first!);
  expect(second).toEqual(value(2));
  expect(await db.get(key(3))).toEqual(value(3));
});

test("a value of getMany that is transferred leaves the others as they are; one with memory of its own may go", async () => {
  const db = await temporaryStore(buffers);
  await db.putMany([...records, { key: Buffer.from("large"), value: Buffer.alloc(100_000, "x") }]);
  const [first, second] = await db.getMany([key(1), key(2)]);
  transfer(first!);
  expect(second).toEqual(value(2));
  for (const others of [[], [key(1)]]) {
    const [large] = await db.getMany([Buffer.from("large"), ...others]);
    transfer(large!);
    expect(large).toHaveLength(0);
  }
});

test("what an iterator or a watch gives out and is transferred leaves what follows as it is", async () => {
  const db = await temporaryStore(buffers);
  await db.putMany(records);
  let i = 0;
  for await (const [k, v] of db.entries({ order: "log" })) {
    expect([k, v]).toEqual([key(i), value(i)]);
    transfer(i++ % 2 === 0 ? k : v);
  }
  expect(i).toBe(records.length);
  const watch = db.watch({ from: 0 });
  for (i = 0; i < records.length; i++) {
    const change = (await watch.next()).value!;
    expect(change).toMatchObject({ type: "put", key: key(i), value: value(i) });
    transfer(change.key);
  }
  await watch.return();
  expect(await collect(db.keys())).toHaveLength(records.length);
});

test("a key of the event expired that is transferred leaves the others as they are", async () => {
  const db = await temporaryStore(buffers);
  const expired = once(db, "expired");
  await db.putMany(records.map((record) => ({ ...record, ttlMs: 1 })));
  const [keys] = (await expired) as [Buffer[]];
  expect(keys.length).toBeGreaterThan(1);
  transfer(keys[0]!);
  for (const other of keys.slice(1)) expect(other.toString()).toMatch(/^key \d+$/);
});
