// Encodings: what goes in comes out, types follow, and what cannot be represented is refused rather than changed.
import { expect, expectTypeOf, test } from "vitest";
import { open } from "../src/index.js";
import type { Encoding, Store } from "../src/index.js";
import { collect, openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

test("utf8 keeps every well-formed string", async () => {
  const db = await temporaryStore();
  const texts = ["", "plain", "ü", "日本語", "😀", "a\0b", "\u{10ffff}", "\ufffd", "x\ufffdy", "\ufeffbom", "\r\n\t"];
  for (const text of texts) await db.put(text, text);
  for (const text of texts) expect(db.getSync(text)).toBe(text);
  expect(await db.getMany(texts)).toEqual(texts);
  await db.putMany(texts.map((text) => ({ key: `many ${text}`, value: text })));
  expect(await db.getMany(texts.map((text) => `many ${text}`))).toEqual(texts);
  expect(new Set(await collect(db.keys()))).toEqual(new Set([...texts, ...texts.map((text) => `many ${text}`)]));
});

test("a lone surrogate is refused by name: two different ones would be one key", async () => {
  const db = await temporaryStore();
  const lone = [
    "\ud800",
    "\udc00",
    "a\ud800",
    "\udc00b",
    "\ud800\ud800",
    "\udc00\ud800",
    `${"x".repeat(70_000)}\ud800`,
  ];
  for (const text of lone) {
    await expect(db.put(text.slice(-100), "v")).rejects.toThrow(/^key must be a well-formed string/);
    await expect(db.put("k", text)).rejects.toThrow(/^value must be a well-formed string/);
    await expect(db.get(text.slice(-100))).rejects.toThrow(/^key /);
    await expect(
      db.putMany([
        { key: "a", value: "b" },
        { key: "k", value: text },
      ]),
    ).rejects.toThrow(/index 1 .*well-formed/);
    await expect(db.getMany(["\ufffd", text.slice(-100)])).rejects.toThrow(/index 1 .*well-formed/);
  }
  // Side by side these would make a pair.
  await expect(db.getMany(["\ud83d", "\ude00"])).rejects.toThrow(/index 0 .*well-formed/);
  await expect(db.deleteMany(["ok", "\ud83d", "\ude00"])).rejects.toThrow(/index 1 .*well-formed/);
  expect(db.stats().keys).toBe(0);
});

test("buffer takes any Uint8Array, also a part of a larger one, and gives Buffers", async () => {
  const db = await temporaryStore({ keyEncoding: "buffer", valueEncoding: "buffer" });
  const all = new Uint8Array(256).map((_, i) => i);
  await db.put(all.subarray(10, 20), all);
  const value = await db.get(Buffer.from(all.subarray(10, 20)));
  expect(Buffer.isBuffer(value)).toBe(true);
  expect(value!.equals(all)).toBe(true);
  await db.putMany([
    { key: all.subarray(0, 0), value: all.subarray(0, 0) },
    { key: all.subarray(1, 2), value: all.subarray(250) },
  ]);
  const many = await db.getMany([all.subarray(0, 0), all.subarray(1, 2), all.subarray(3, 4)]);
  expect(many).toEqual([Buffer.alloc(0), Buffer.from(all.subarray(250)), undefined]);
  const keys = await collect(db.keys());
  expect(keys.map((key) => key.length).sort((a, b) => a - b)).toEqual([0, 1, 10]);
  expectTypeOf(db).toEqualTypeOf<Store<Buffer, Buffer>>();
});

test("json keeps what JSON keeps, for values and for keys", async () => {
  const db = await temporaryStore({ keyEncoding: "json", valueEncoding: "json" });
  const values: unknown[] = [null, true, 0, -1.5, "", "text\ud800", [], [1, [2]], {}, { a: { b: [null] } }];
  for (const value of values) await db.put(value, value);
  for (const value of values) expect(await db.get(value)).toEqual(value);
  expect(await db.getMany(values)).toEqual(values);
  expect(await db.has("absent")).toBe(false);
  expect(await collect(db.values())).toEqual(values);
});

test("what JSON cannot write is a TypeError that names the argument", async () => {
  const db = await temporaryStore({ valueEncoding: "json" });
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const value of [undefined, () => 1, Symbol("s"), 1n, circular]) {
    await expect(db.put("k", value)).rejects.toThrow(/^value cannot be written as JSON/);
    await expect(db.putMany([{ key: "k", value }])).rejects.toThrow(/^records\[0\]\.value cannot be written as JSON/);
  }
});

test("bytes that are not JSON are CRABKV_ENCODING with a cause, and can still be read as bytes", async () => {
  const db = await temporaryStore();
  await db.put("k", "{not json");
  await expect(db.get("k", { valueEncoding: "json" })).rejects.toMatchObject({
    code: "CRABKV_ENCODING",
    cause: expect.any(SyntaxError) as SyntaxError,
  });
  expect(() => db.getSync("k", { valueEncoding: "json" }) as unknown).toThrow(
    expect.objectContaining({ code: "CRABKV_ENCODING" }),
  );
  expect(String(await db.get("k", { valueEncoding: "buffer" }))).toBe("{not json");
});

const dateEncoding: Encoding<Date> = {
  encode: (date) => String(date.getTime()),
  decode: (bytes) => new Date(Number(bytes.toString())),
};

test("an encoding of one's own is used for keys, values and every kind of read", async () => {
  const db = await temporaryStore({ keyEncoding: dateEncoding, valueEncoding: dateEncoding });
  const [a, b, c] = [new Date(1), new Date(2), new Date(3)];
  await db.put(a, b);
  await db.batch([{ type: "put", key: b, value: c, if: "absent" }]);
  expect(await db.get(a)).toEqual(b);
  expect(db.getSync(b)).toEqual(c);
  expect((await db.getEntry(b))?.value).toEqual(c);
  expect(await db.getMany([a, b, c])).toEqual([b, c, undefined]);
  expect(await collect(db.entries({ order: "log" }))).toEqual([
    [a, b],
    [b, c],
  ]);
  expectTypeOf(db).toEqualTypeOf<Store<Date, Date>>();
});

test("an encoding that misbehaves is blamed by name, and its own errors come through", async () => {
  const db = await temporaryStore({ valueEncoding: { encode: () => 5 as unknown as string, decode: () => 1 } });
  await expect(db.put("k", 1)).rejects.toThrow("the encoding of value must return a string or a Uint8Array, not 5");
  const broken = new Error("broken");
  const throwing: Encoding<number> = {
    encode: String,
    decode: () => {
      throw broken;
    },
  };
  await openStore(temporaryDirectory(), { valueEncoding: throwing }).then(async (throwingDb) => {
    await throwingDb.put("k", 1);
    await expect(throwingDb.get("k")).rejects.toBe(broken);
    expect(() => throwingDb.getSync("k")).toThrow(broken);
    await expect(collect(throwingDb.values())).rejects.toBe(broken);
  });
});

test("one read can decode in another way than the store", async () => {
  const db = await temporaryStore();
  await db.put("k", '{"a":1}');
  expect(await db.get("k", { valueEncoding: "json" })).toEqual({ a: 1 });
  expect(db.getManySync(["k", "none"], { valueEncoding: "buffer" })).toEqual([Buffer.from('{"a":1}'), undefined]);
  expect(await db.getEntry("k", { valueEncoding: "buffer" })).toMatchObject({ value: Buffer.from('{"a":1}') });
  expectTypeOf(await db.get("k", { valueEncoding: "buffer" })).toEqualTypeOf<Buffer | undefined>();
  expectTypeOf(await db.get("k")).toEqualTypeOf<string | undefined>();
  expectTypeOf(await db.get("k", {})).toEqualTypeOf<string | undefined>();
  expectTypeOf((await db.getMany(["k"], {}))[0]).toEqualTypeOf<string | undefined>();
});

test("the same bytes are found whatever the encoding says", async () => {
  const path = temporaryDirectory();
  const text = await open(path);
  await text.put("clé", "valeur é");
  await text.close();
  const bytes = await openStore(path, { keyEncoding: "buffer", valueEncoding: "buffer" });
  expect(await bytes.get(Buffer.from("clé"))).toEqual(Buffer.from("valeur é"));
});

test("bytes that are no UTF-8 are read as text with replacement characters, as everywhere in Node", async () => {
  const db = await temporaryStore({ valueEncoding: "buffer" });
  await db.put("k", Buffer.from([0x61, 0xff, 0x62]));
  expect(db.getSync("k", { valueEncoding: "utf8" })).toBe("a\ufffdb");
});

test("one character that is not ASCII, wherever it stands in a text of whatever length", async () => {
  const db = await temporaryStore();
  const texts: string[] = [];
  for (let length = 0; length <= 70; length++) {
    const plain = "abcdefg".repeat(10).slice(0, length);
    texts.push(plain);
    for (let at = 0; at < length; at++) texts.push(plain.slice(0, at) + "ÿ" + plain.slice(at + 1));
  }
  await db.putMany(texts.map((text) => ({ key: text, value: text })));
  expect(db.stats().keys).toBe(texts.length);
  for (const text of texts) expect(db.getSync(text)).toBe(text);
  expect(await db.getMany(texts)).toEqual(texts);
});

// Cut to a byte, Ł would be an A and 愁 an a.
test("texts of lengths around powers of two are kept, whatever character is their last, by itself and in a row", async () => {
  const db = await temporaryStore();
  const texts: string[] = [];
  for (const power of [64, 128, 256, 512, 1024, 2048]) {
    for (const length of [power - 2, power - 1, power, power + 1]) {
      for (const last of ["A", "ÿ", "Ł", "愁", "😀"]) texts.push("x".repeat(length - last.length) + last);
    }
  }
  for (const text of texts) await db.put(text, text);
  await Promise.all(texts.map((text) => db.put(`row ${text}`, text)));
  expect(db.stats().keys).toBe(2 * texts.length);
  for (const text of texts) {
    expect(db.getSync(text)).toBe(text);
    expect(db.getSync(`row ${text}`)).toBe(text);
  }
});

test("a lone surrogate is found wherever it stands in a key or a value", async () => {
  const db = await temporaryStore();
  for (let length = 1; length <= 70; length++) {
    for (const at of [0, Math.floor(length / 2), length - 1]) {
      const bad = "x".repeat(at) + "\ud800" + "x".repeat(length - at - 1);
      expect(() => db.getSync(bad)).toThrow(TypeError);
      await expect(db.put("k", bad)).rejects.toThrow(TypeError);
      await expect(db.put(bad, "v")).rejects.toThrow(TypeError);
    }
  }
  expect(db.stats().keys).toBe(0);
});
