// Wrong arguments of every kind: a clear error that names what is wrong, nothing stored, and never a crash.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { open } from "../src/index.js";
import type { OpenOptions } from "../src/index.js";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

/** Detaches the memory of `bytes`, as a transfer to a worker does. */
function detach(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(bytes, [bytes.buffer]);
  port1.close();
  port2.close();
  return bytes;
}

const notStrings: unknown[] = [
  undefined,
  null,
  0,
  Number.NaN,
  1n,
  true,
  Symbol("s"),
  {},
  [],
  () => 1,
  new Uint8Array(1),
];

describe("arguments", () => {
  test.each(notStrings.map((value) => [value]))("%s is no key and no value of a store of strings", async (value) => {
    const db = await temporaryStore();
    const wrong = value as string;
    await expect(db.put(wrong, "v")).rejects.toThrow(/^key must be a string/);
    await expect(db.put("k", wrong)).rejects.toThrow(/^value must be a string/);
    await expect(db.get(wrong)).rejects.toThrow(/^key must be a string/);
    await expect(db.getEntry(wrong)).rejects.toThrow(TypeError);
    await expect(db.delete(wrong)).rejects.toThrow(TypeError);
    await expect(db.has(wrong)).rejects.toThrow(TypeError);
    await expect(db.getMany(["k", wrong])).rejects.toThrow(/^keys\[1\] must be a string/);
    await expect(db.hasMany([wrong])).rejects.toThrow(/^keys\[0\]/);
    await expect(db.deleteMany([wrong])).rejects.toThrow(/^keys\[0\]/);
    await expect(db.putMany([{ key: wrong, value: "" }])).rejects.toThrow(/^records\[0\]\.key/);
    await expect(db.batch([{ type: "put", key: "k", value: wrong }])).rejects.toThrow(/^operations\[0\]\.value/);
    expect(() => db.getSync(wrong)).toThrow(/^key must be a string/);
    expect(db.stats().keys).toBe(0);
  });

  test("what is no list is refused where a list is wanted", async () => {
    const db = await temporaryStore();
    for (const wrong of [undefined, null, 5, "ab", {}, new Set(["a"])]) {
      const list = wrong as [];
      await expect(db.getMany(list)).rejects.toThrow(/^keys must be an array/);
      await expect(db.putMany(list)).rejects.toThrow(/^records must be an array/);
      await expect(db.batch(list)).rejects.toThrow(/^operations must be an array/);
    }
    await expect(db.getMany(new Array(3) as string[])).rejects.toThrow(/^keys\[0\]/);
  });

  test("operations are checked one by one", async () => {
    const db = await temporaryStore();
    const wrong: [unknown, RegExp][] = [
      [5, /^operations\[1\] must be an object/],
      [null, /^operations\[1\] must be an object/],
      [{ type: "set", key: "k", value: "v" }, /^operations\[1\]\.type must be/],
      [{ type: "constructor", key: "k" }, /^operations\[1\]\.type must be/],
      [{ type: "put", key: "k" }, /^operations\[1\]\.value/],
      [{ type: "put", key: "k", value: "v", ttl: 1 }, /^operations\[1\] has an unknown property ttl/],
      [{ type: "delete", key: "k", value: "v" }, /^operations\[1\] has an unknown property value/],
      [{ type: "check", key: "k" }, /^operations\[1\]\.if/],
      [{ type: "check", key: "k", if: "maybe" }, /^operations\[1\]\.if/],
      [{ type: "check", key: "k", if: { version: -1 } }, /^operations\[1\]\.if\.version/],
      [{ type: "check", key: "k", if: { version: 1.5 } }, /^operations\[1\]\.if\.version/],
      [{ type: "check", key: "k", if: { version: "1" } }, /^operations\[1\]\.if\.version/],
      [{ type: "put", key: "k", value: "v", ttlMs: 0 }, /^operations\[1\]\.ttlMs/],
    ];
    for (const [operation, message] of wrong) {
      await expect(db.batch([{ type: "put", key: "first", value: "" }, operation as never])).rejects.toThrow(message);
    }
    expect(db.stats().keys).toBe(0);
  });

  test.each([0, -1, 1.5, Number.NaN, -Infinity, 2 ** 53, "1000", null, {}])("%s is no time to live", async (ttlMs) => {
    const db = await temporaryStore();
    await db.put("k", "v");
    const wrong = ttlMs as number;
    await expect(db.put("k", "w", { ttlMs: wrong })).rejects.toThrow(/^ttlMs must be/);
    await expect(db.expire("k", wrong)).rejects.toThrow(/^ttlMs must be/);
    await expect(db.putMany([{ key: "k", value: "w", ttlMs: wrong }])).rejects.toThrow(/^records\[0\]\.ttlMs must be/);
    await expect(open("unused", { defaultTtlMs: wrong })).rejects.toThrow(/^defaultTtlMs must be/);
    expect(await db.get("k")).toBe("v");
  });

  test("expire needs a time", async () => {
    const db = await temporaryStore();
    await expect(db.expire("k", undefined as unknown as number)).rejects.toThrow(/^ttlMs must be/);
  });

  test("unknown options are named, and so is what is known", async () => {
    const db = await temporaryStore();
    await expect(db.put("k", "v", { ttl: 5 } as object)).rejects.toThrow("unknown option ttl; known are ttlMs, sync");
    await expect(db.get("k", { encoding: "utf8" } as never)).rejects.toThrow(/unknown option encoding/);
    await expect(db.delete("k", { ttlMs: 5 } as object)).rejects.toThrow(/unknown option ttlMs/);
    await expect(db.clear({ match: "x" } as object)).rejects.toThrow(/unknown option match/);
    expect(() => db.entries({ start: "a" } as object)).toThrow(/unknown option start/);
    expect(() => db.createWriteStream({ objectMode: true } as object)).toThrow(/unknown option objectMode/);
  });

  test("a write cannot ask for less than the store's sync", async () => {
    const db = await temporaryStore({ sync: "always" });
    for (const sync of ["os", { everyMs: 5 }, false, null, 1]) {
      await expect(db.put("k", "v", { sync: sync as "always" })).rejects.toThrow(/^sync of one write/);
      await expect(db.delete("k", { sync: sync as "always" })).rejects.toThrow(/^sync of one write/);
    }
    expect(db.stats().keys).toBe(0);
  });

  test("keys and values over their bounds are refused by the name of the bound", async () => {
    const db = await temporaryStore({ keyBytesMax: 10, valueBytesMax: 100_000 });
    const tooLarge = { name: "RangeError", code: "CRABKV_TOO_LARGE" };
    await expect(db.put("12345678901", "v")).rejects.toMatchObject(tooLarge);
    await expect(db.put("éééééé", "v")).rejects.toThrow("key has 12 bytes, keyBytesMax is 10");
    await expect(db.putMany([{ key: "12345678901", value: "v" }])).rejects.toThrow(
      "index 0 has 11 bytes, keyBytesMax is 10",
    );
    await expect(db.increment("12345678901")).rejects.toThrow(/keyBytesMax/);
    await expect(db.get("x".repeat(2 ** 20 + 1))).rejects.toThrow("key has 1048577 bytes, the most is 1048576");
    await expect(db.delete("x".repeat(2 ** 20 + 1))).rejects.toMatchObject(tooLarge);
    await expect(db.getMany(["k", "x".repeat(2 ** 20 + 1)])).rejects.toThrow(/index 1 has 1048577 bytes/);
    await expect(db.put("k", "x".repeat(100_001))).rejects.toThrow("value has 100001 bytes, valueBytesMax is 100000");
    await expect(db.put("k", "é".repeat(50_001))).rejects.toThrow(/valueBytesMax/);
    await db.put("1234567890", "x".repeat(100_000));
    await db.put("éé", "é".repeat(50_000));
    expect(db.stats().keys).toBe(2);
  });

  test("iteration options are checked", () => {
    return temporaryStore().then((db) => {
      expect(() => db.entries({ limit: -1 })).toThrow(/^limit must be/);
      expect(() => db.entries({ limit: 1.5 })).toThrow(/^limit must be/);
      expect(() => db.entries({ from: Number.NaN })).toThrow(/^from must be/);
      expect(() => db.entries({ order: "key" as "log" })).toThrow(/^order must be/);
      expect(() => db.entries({ prefix: 5 as unknown as string })).toThrow(/^prefix must be/);
      expect(() => db.entries({ signal: {} as AbortSignal })).toThrow(/^signal must be/);
    });
  });
});

describe("bytes", () => {
  test("a detached Uint8Array is refused: its bytes are gone", async () => {
    const db = await temporaryStore({ keyEncoding: "buffer", valueEncoding: "buffer" });
    const gone = detach(new Uint8Array([1, 2, 3]));
    await expect(db.put(new Uint8Array(1), gone)).rejects.toThrow(/^value is a detached/);
    await expect(db.put(gone, new Uint8Array(1))).rejects.toThrow(/^key is a detached/);
    await expect(db.getMany([gone])).rejects.toThrow(/detached/);
    await expect(db.putMany([{ key: new Uint8Array(1), value: gone }])).rejects.toThrow(/detached/);
    expect(db.stats().keys).toBe(0);
    await db.put(new Uint8Array(0), new Uint8Array(0));
    expect(await db.has(new Uint8Array(0))).toBe(true);
  });

  test("shared memory is copied before it is used", async () => {
    const db = await temporaryStore({ keyEncoding: "buffer", valueEncoding: "buffer" });
    const shared = new Uint8Array(new SharedArrayBuffer(100_000));
    shared.fill(7);
    await db.put(shared.subarray(0, 10), shared);
    await db.putMany([{ key: shared.subarray(0, 5), value: shared.subarray(0, 50) }]);
    shared.fill(9);
    expect((await db.get(new Uint8Array(10).fill(7)))!.equals(Buffer.alloc(100_000, 7))).toBe(true);
    expect((await db.get(new Uint8Array(5).fill(7)))!.equals(Buffer.alloc(50, 7))).toBe(true);
  });

  test("a caller who takes the memory of a Buffer that was read away harms only its own", async () => {
    const db = await temporaryStore({ valueEncoding: "buffer" });
    const stored = "value".repeat(20_000); // large enough for memory of its own; what is shared stays, see transfer.test.ts
    await db.put("k", Buffer.from(stored));
    for (let i = 0; i < 5; i++) {
      const value = db.getSync("k")!;
      detach(value as Buffer<ArrayBuffer>);
      expect(value.length).toBe(0);
      expect(String(db.getSync("k"))).toBe(stored);
    }
  });

  test("other views than Uint8Array are refused", async () => {
    const db = await temporaryStore({ keyEncoding: "buffer", valueEncoding: "buffer" });
    for (const wrong of [new Uint16Array(2), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4), [1, 2], "text"]) {
      await expect(db.put(wrong as unknown as Uint8Array, new Uint8Array(1))).rejects.toThrow(
        /^key must be a Uint8Array/,
      );
    }
  });
});

describe("opening", () => {
  test.each([
    [{ shards: 0 }, /^shards must be an integer from 1 to 4096, not 0/],
    [{ shards: 4097 }, /^shards/],
    [{ shards: "16" }, /^shards must be a number/],
    [{ sync: "never" }, /^sync must be/],
    [{ sync: { everyMs: 0 } }, /^sync\.everyMs must be/],
    [{ sync: { everyMs: 60_001 } }, /^sync\.everyMs must be/],
    [{ sync: { every: 5 } }, /^sync must be/],
    [{ sync: { everyMs: 5, extra: 1 } }, /unknown option extra/],
    [{ compression: "gzip" }, /^compression must be/],
    [{ compression: true }, /^compression must be/],
    [{ keyEncoding: "latin1" }, /^keyEncoding must be/],
    [{ valueEncoding: { encode: String } }, /^valueEncoding must be/],
    [{ createIfMissing: 1 }, /^createIfMissing must be a boolean/],
    [{ errorIfExists: "no" }, /^errorIfExists must be/],
    [{ readOnly: null }, /^readOnly must be/],
    [{ onProgress: 1 }, /^onProgress must be a function/],
    [{ segmentBytes: 1000 }, /^segmentBytes must be/],
    [{ keyBytesMax: 2 ** 21 }, /^keyBytesMax must be/],
    [{ valueBytesMax: 2 ** 30 }, /^valueBytesMax must be/],
    [{ batchBytesMax: 1 }, /^batchBytesMax must be/],
    [{ pendingBytesMax: Infinity }, /^pendingBytesMax must be/],
    [{ readerQueueMax: 0.5 }, /^readerQueueMax must be/],
    [{ kache: 1 }, /unknown option kache; known are shards, sync/],
    [5, /^options must be an object/],
    [null, /^options must be an object/],
  ])("options %j are refused by name", async (options, message) => {
    const path = join(temporaryDirectory(), "data");
    const error = await open(path, options as OpenOptions).catch((reason: unknown) => reason);
    expect(error === undefined || error instanceof TypeError || error instanceof RangeError).toBe(true);
    expect((error as Error).message).toMatch(message);
    expect(readdirSync(join(path, ".."))).toEqual([]);
  });

  test("a path must be a usable string", async () => {
    for (const path of ["", undefined, 5, null, {}]) await expect(open(path as string)).rejects.toThrow(/^path must/);
    await expect(open("a\0b")).rejects.toThrow(/^path must not contain null bytes/);
    await expect(open("a\ud800")).rejects.toThrow(/^path must be a well-formed string/);
  });

  test("a file where the directory should be, and a directory nobody may enter, are clear errors", async () => {
    const parent = temporaryDirectory();
    writeFileSync(join(parent, "file"), "x");
    await expect(open(join(parent, "file"))).rejects.toThrow(/file/);
    await expect(open(join(parent, "file", "below"))).rejects.toMatchObject({ name: "CrabKVError" });
    if (process.getuid?.() === 0) return;
    mkdirSync(join(parent, "closed"), { mode: 0o000 });
    await expect(open(join(parent, "closed"))).rejects.toMatchObject({ code: "CRABKV_IO" });
    chmodSync(join(parent, "closed"), 0o700);
  });

  test("a queue that is full is CRABKV_BUSY with the bound's name and value, and works again later", async () => {
    const db = await openStore(temporaryDirectory(), { pendingBytesMax: 256 * 1024 });
    const outcomes = Array.from({ length: 1000 }, (_, i) =>
      db.put(`k${i}`, "x".repeat(10_000)).then(
        () => "stored",
        (error: unknown) => error,
      ),
    );
    const errors = (await Promise.all(outcomes)).filter((outcome) => outcome !== "stored");
    expect(errors.length).toBeGreaterThan(0);
    expect(errors[0]).toMatchObject({
      code: "CRABKV_BUSY",
      message: expect.stringMatching(/pendingBytesMax.*262144/) as string,
    });
    expect(db.stats().keys).toBe(1000 - errors.length);
    await db.put("later", "v");
  });
});
