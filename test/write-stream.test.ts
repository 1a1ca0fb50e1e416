// The write stream: everything written arrives, backpressure holds, and .committed never promises too much.
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { once } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { native } from "../src/native.js";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

function* records(count: number, bytes = 10): Generator<{ key: string; value: string }> {
  for (let i = 0; i < count; i++) yield { key: `k${i}`, value: `${i}:${"x".repeat(bytes)}` };
}

test("a pipeline of 100,000 records arrives whole, in order, also after reopening", async () => {
  const path = temporaryDirectory();
  const db = await openStore(path);
  const stream = db.createWriteStream();
  await pipeline(Readable.from(records(100_000)), stream);
  expect(stream.committed).toBe(100_000);
  await db.close();
  const again = await openStore(path);
  expect(again.stats().keys).toBe(100_000);
  let i = 0;
  for await (const value of again.values({ order: "log" })) {
    if (!value.startsWith(`${i}:`)) expect(value).toBe(i);
    i++;
  }
});

test.each(["always", "os"] as const)(
  "with sync %s, finish comes after the last record is acknowledged",
  async (sync) => {
    const db = await temporaryStore({ sync });
    const stream = db.createWriteStream();
    for (const record of records(5000)) stream.write(record);
    stream.end();
    await once(stream, "finish");
    const { acknowledgedVersion, durableVersion } = db.stats();
    expect(stream.committed).toBe(5000);
    expect(acknowledgedVersion).toBeGreaterThanOrEqual(5000);
    if (sync === "always") expect(durableVersion).toBeGreaterThanOrEqual(5000);
  },
);

test("write says stop at its mark and drains, so that a careful writer holds little", async () => {
  const db = await temporaryStore();
  const stream = db.createWriteStream({ highWaterMark: 16 });
  let waits = 0;
  let most = 0;
  for (const record of records(2000)) {
    if (!stream.write(record)) {
      waits++;
      await once(stream, "drain");
    }
    most = Math.max(most, stream.writableLength);
  }
  stream.end();
  await once(stream, "finish");
  expect(waits).toBeGreaterThan(10);
  expect(most).toBeLessThanOrEqual(16);
  expect(db.stats().keys).toBe(2000);
});

const MIB = 1024 * 1024;

test.each([
  ["utf8", "x".repeat(256 * 1024)],
  ["buffer", Buffer.alloc(256 * 1024, "x")],
  ["json", { text: "x".repeat(256 * 1024) }],
] as const)("large records in %s are bounded by their bytes", async (valueEncoding, value) => {
  const db = await temporaryStore({ valueEncoding });
  const stream = db.createWriteStream();
  const drains = vi.fn();
  stream.on("drain", drains);
  let most = 0;
  let waits = 0;
  for (let i = 0; i < 400; i++) {
    if (!stream.write({ key: `k${i}`, value })) {
      waits++;
      await once(stream, "drain");
    }
    most = Math.max(most, stream.writableLength);
  }
  stream.end();
  await once(stream, "finish");
  expect(most).toBeGreaterThan(50);
  expect(most).toBeLessThan((34 * MIB) / (256 * 1024));
  expect(waits).toBeGreaterThan(1);
  expect(drains).toHaveBeenCalledTimes(waits);
  expect(stream.committed).toBe(400);
  expect(db.stats().keys).toBe(400);
});

test.each([
  ["bytes", {}],
  ["bytes and records", { highWaterMark: 200 }],
])(
  "what a writer has written who does not wait for %s crosses in pieces, in order, with one drain",
  async (_, mark) => {
    const db = await temporaryStore();
    const crossings = vi.spyOn(native, "putEach");
    onTestFinished(() => crossings.mockRestore());
    const stream = db.createWriteStream(mark);
    const drains = vi.fn();
    stream.on("drain", drains);
    for (const record of records(400, 256 * 1024)) stream.write({ ...record, ttlMs: 60_000 });
    await expect.poll(() => stream.writableLength).toBe(0);
    stream.end();
    await once(stream, "finish");
    expect(drains).toHaveBeenCalledTimes(1);
    for (const [, , , , values] of crossings.mock.calls) expect(values.length).toBeLessThan(5 * MIB);
    expect(stream.committed).toBe(400);
    let i = 0;
    for await (const value of db.values({ order: "log" })) expect(value.startsWith(`${i++}:`)).toBe(true);
    expect(i).toBe(400);
  },
);

test("a stream far larger than pendingBytesMax waits for room and loses nothing", async () => {
  const db = await temporaryStore({ sync: "always", pendingBytesMax: 256 * 1024 });
  const stream = db.createWriteStream();
  await pipeline(Readable.from(records(20_000, 1000)), stream);
  expect(stream.committed).toBe(20_000);
  expect(db.stats().keys).toBe(20_000);
});

test("two streams and puts into one small queue all get through", async () => {
  const db = await temporaryStore({ pendingBytesMax: 256 * 1024 });
  const prefixed = (prefix: string): Transform =>
    new Transform({
      objectMode: true,
      transform(record: { key: string; value: string }, _encoding, callback) {
        callback(null, { ...record, key: prefix + record.key });
      },
    });
  const streams = ["a", "b"].map((prefix) =>
    pipeline(Readable.from(records(5000, 500)), prefixed(prefix), db.createWriteStream()),
  );
  await Promise.all(streams);
  expect(db.stats().keys).toBe(10_000);
});

test("ttlMs and defaultTtlMs apply to streamed records", async () => {
  const db = await temporaryStore({ defaultTtlMs: 60_000 });
  const stream = db.createWriteStream();
  stream.write({ key: "default", value: "" });
  stream.write({ key: "own", value: "", ttlMs: 1000 });
  stream.write({ key: "never", value: "", ttlMs: Infinity });
  stream.end();
  await once(stream, "finish");
  const [own, byDefault, never] = [await db.ttl("own"), await db.ttl("default"), await db.ttl("never")];
  expect(own).toBeLessThanOrEqual(1000);
  expect(byDefault).toBeGreaterThan(50_000);
  expect(never).toBe(Infinity);
});

test("a wrong record destroys the stream with an error that names the field, and what came before is stored", async () => {
  const db = await temporaryStore();
  const wrong: unknown[] = [
    { key: 1, value: "v" },
    { key: "k" },
    { key: "k", value: "v", ttl: 5 },
    { key: "k", value: "v", ttlMs: -1 },
    5,
  ];
  for (const record of wrong) {
    const stream = db.createWriteStream();
    await new Promise((resolve) => stream.write({ key: "good", value: "v" }, resolve));
    const failed = once(stream, "error");
    stream.write(record);
    const [error] = (await failed) as [Error];
    expect(error.message).toMatch(/records\[0\]/);
    expect(await db.get("good")).toBe("v");
    expect(stream.destroyed).toBe(true);
  }
});

test("an empty stream finishes", async () => {
  const db = await temporaryStore();
  const stream = db.createWriteStream();
  stream.end();
  await once(stream, "finish");
  expect(stream.committed).toBe(0);
});

test("closing the store under a stream fails the stream, not the process", async () => {
  const db = await temporaryStore();
  const stream = db.createWriteStream();
  const failed = once(stream, "error");
  for (const record of records(100)) stream.write(record);
  await db.close();
  stream.write({ key: "late", value: "v" });
  const [error] = (await failed) as [Error];
  expect(error).toMatchObject({ code: "CRABKV_CLOSED" });
});

test("destroying a stream stops it and leaves a prefix", async () => {
  const db = await temporaryStore();
  const stream = db.createWriteStream({ highWaterMark: 10 });
  for (const record of records(1000)) stream.write(record);
  stream.destroy();
  await once(stream, "close");
  await db.flush();
  const { keys } = db.stats();
  for (let i = 0; i < keys; i++) expect(await db.has(`k${i}`)).toBe(true);
});

test("a destroyed stream writes no more, also of what waited for room, and says so to who wrote it", async () => {
  const db = await temporaryStore({ pendingBytesMax: 256 * 1024 });
  const stream = db.createWriteStream();
  const outcomes: unknown[] = [];
  stream.write({ key: "first", value: "1" });
  for (const record of records(4000, 2000)) stream.write(record, (error) => outcomes.push(error));
  await new Promise((resolve) => setImmediate(resolve));
  stream.destroy();
  await once(stream, "close");
  const { keys } = db.stats();
  expect(keys).toBeLessThan(4000);
  for (let i = 0; i < 10; i++) await db.flush(); // there is room again, and again
  expect(db.stats().keys).toBe(keys);
  expect(outcomes).toHaveLength(4000);
  for (const error of outcomes) expect(error).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
});
