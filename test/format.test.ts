// The format, cross-checked: what the core writes is read by a second implementation of FORMAT.md, with npm's snappy for the values,
// and the other way round.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compressSync, uncompressSync } from "snappy";
import { expect, test, vi } from "vitest";
import { BLOCK, CODEC_SNAPPY, DATA, PUT, SEAL, encodeDataFrame, encodePut } from "./format.js";
import { DEL, readCompacted, readFrames, readHint, saltOf, withoutCleanEnd } from "./format.js";
import type { FormatRecord } from "./format.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const values = {
  prose: "the quick brown fox jumps over the lazy dog. ".repeat(40),
  binaryish: Array.from({ length: 500 }, (_, i) => String.fromCharCode(32 + ((i * 7919) % 90))).join(""),
  short: "ok",
  empty: "",
  long: "crab".repeat(100_000),
};

/** A store with the record `first` in its log, and behind it a frame that was not written by the core, as a crash leaves it. */
async function openWith(records: readonly Omit<FormatRecord, "type">[]) {
  const directory = temporaryDirectory();
  const db = await openStore(directory);
  await db.put("first", "1");
  await db.close();
  const path = join(directory, "00000001.log");
  const segment = readFileSync(path);
  const salt = saltOf(segment);
  const last = readFrames(segment).at(-1)!;
  const frame = encodeDataFrame(
    last,
    records.map((record) => encodePut(record, salt)),
    2n,
    salt,
  );
  writeFileSync(path, Buffer.concat([segment.subarray(0, last.end), frame]));
  const manifest = join(directory, "MANIFEST");
  writeFileSync(manifest, withoutCleanEnd(readFileSync(manifest)));
  return openStore(directory);
}

test("npm's snappy reads the values that the core compressed", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(directory, { compression: "snappy" });
  await db.putMany(Object.entries(values).map(([key, value]) => ({ key, value })));
  await db.close();
  const frames = readFrames(readFileSync(join(directory, "00000001.log")));
  const records = frames.filter((frame) => frame.type === DATA).flatMap((frame) => frame.records);
  expect(records.map((record) => record.key.toString())).toEqual(Object.keys(values));
  for (const record of records) {
    const value = record.codec === CODEC_SNAPPY ? uncompressSync(record.stored) : record.stored;
    expect(value.toString()).toBe(values[record.key.toString() as keyof typeof values]);
    expect(record.rawBytes).toBe(value.length);
  }
  expect(records.filter((record) => record.codec === CODEC_SNAPPY).length).toBeGreaterThanOrEqual(2);
});

test("the core reads a frame that was written from the document, with values that npm's snappy compressed", async () => {
  let lsn = 1n;
  const records = Object.entries(values).map(([key, value]) => {
    const stored = compressSync(value);
    return {
      codec: CODEC_SNAPPY,
      key: Buffer.from(key),
      stored,
      rawBytes: Buffer.byteLength(value),
      lsn: ++lsn,
    };
  });
  const reopened = await openWith(records);
  expect(await reopened.get("first")).toBe("1");
  for (const [key, value] of Object.entries(values)) expect(await reopened.get(key)).toBe(value);
  expect((await reopened.getEntry("prose"))?.version).toBe(2);
});

test("what compaction leaves is read as the document says, the MANIFEST first", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(directory, { compaction: { auto: false } });
  for (let round = 0; round < 3; round++) {
    await db.putMany([1, 2, 3].map((i) => ({ key: `k${i}`, value: `${round}` })));
    await db.delete("k2");
  }
  await db.compact();
  await db.put("k1", "behind");
  await db.close();

  const compacted = readCompacted(readFileSync(join(directory, "MANIFEST")));
  expect(compacted).toMatchObject([{ number: 1n, lowestLsn: 1n, highestLsn: 12n, firstLog: 1n, lastLog: 1n }]);
  expect(readdirSync(directory).filter((name) => /[.](log|seg)$/.test(name))).toEqual(["00000001.seg", "00000002.log"]);
  const segment = readFileSync(join(directory, "00000001.seg"));
  expect(BigInt(segment.length)).toBe(compacted[0]!.bytes);
  expect(saltOf(segment)).toEqual(compacted[0]!.salt);
  expect([56, 64, 72].map((at) => segment.readBigUInt64LE(at))).toEqual([1n, 12n, compacted[0]!.horizon]);
  const frames = readFrames(segment);
  expect(frames.map(({ type }) => type)).toEqual([BLOCK, SEAL]);
  const shown = frames[0]!.records.map(({ type, key, stored, lsn }) => [type, key.toString(), stored.toString(), lsn]);
  // k2's tombstone has nothing older left to hide.
  expect(shown).toEqual([
    [PUT, "k1", "2", 9n],
    [PUT, "k3", "2", 11n],
  ]);
  const behind = readFrames(readFileSync(join(directory, "00000002.log"))).flatMap(({ records }) => records);
  expect(behind.map(({ key, lsn }) => [key.toString(), lsn])).toEqual([["k1", 13n]]);
});

test("a hint is read as the document says, and says what the segment's records come to", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(directory, { segmentBytes: 64 * 1024, compaction: { auto: false } });
  for (let i = 0; i < 900; i++) {
    const key = `key ${(i * 7) % 200}`;
    await db.put(key, "v".repeat(100 + ((i * 37) % 900)), i % 3 === 0 ? { ttlMs: 1e9 + i } : {});
    if (i % 10 === 9) await db.delete(`key ${i % 200}`);
    if (i % 10 === 4) await db.expire(key, 2e9 + i);
  }
  await db.close();
  const hints = readdirSync(directory).filter((name) => name.endsWith(".log.hint"));
  expect(hints.length).toBeGreaterThanOrEqual(3);
  for (const name of hints) {
    const segment = readFileSync(join(directory, name.slice(0, -".hint".length)));
    // Of each key, what the document says its records come to.
    const expected = new Map<string, { type: number; offset: number; bytes: number; expiresAtMs: bigint }>();
    for (const record of readFrames(segment).flatMap(({ records }) => records)) {
      const key = record.key.toString();
      const before = expected.get(key);
      const bytes = 40 + record.key.length + record.stored.length;
      if (record.type === PUT) expected.set(key, { ...record, bytes });
      else if (record.type === DEL) expected.set(key, { type: DEL, offset: 0, bytes: 0, expiresAtMs: 0n });
      else if (before === undefined) expected.set(key, { ...record, offset: 0, bytes: 0 });
      else if (before.type !== DEL) before.expiresAtMs = record.expiresAtMs;
    }
    const entries = readHint(readFileSync(join(directory, name)), segment);
    const form = (entry: { type: number; offset: number; expiresAtMs: bigint }): string =>
      [entry.type, entry.offset, entry.expiresAtMs].join(" ");
    expect(entries.map(form).sort()).toEqual([...expected.values()].map(form).sort());
    const places = entries.map(({ slot, fingerprint }) => slot.toString(16).padStart(4, "0") + fingerprint);
    expect(places).toEqual(places.toSorted());
    expect(new Set(places).size).toBe(places.length);
    const bytesAt = new Map([...expected.values()].map(({ offset, bytes }) => [offset, bytes]));
    for (const { type, offset, recordBytesMax } of entries) {
      if (type !== PUT) continue;
      expect(recordBytesMax).toBeGreaterThanOrEqual(bytesAt.get(offset)!);
      expect(recordBytesMax).toBeLessThan(1.07 * bytesAt.get(offset)! + 8);
    }
    expect(entries.some(({ type }) => type === PUT)).toBe(true);
    expect(entries.some(({ expiresAtMs }) => expiresAtMs > 0n)).toBe(true);
  }
});

test("hints are written while a store is idle, and stats says what an opening made of them", async () => {
  const directory = temporaryDirectory();
  const options = { segmentBytes: 64 * 1024, compaction: { auto: false } } as const;
  const db = await openStore(directory, options);
  for (let i = 0; i < 500; i++) void db.put(`key ${i}`, "v".repeat(700));
  await db.flush();
  // While it is quiet the log may still go on into a segment of its own.
  const segments = await vi.waitFor(
    () => {
      const { segments, hintedSegments } = db.stats();
      expect(segments).toBeGreaterThanOrEqual(4);
      expect(hintedSegments).toBe(segments - 1);
      return segments;
    },
    { timeout: 20_000 },
  );
  await db.close();
  const hinted = (await openStore(directory, options)).stats();
  expect(hinted).toMatchObject({ openHintedSegments: segments - 1, openReadSegments: 1, openHintsMissing: 1 });
  expect(hinted.openHintedKeys + hinted.openRecords).toBe(500);
});

test("a value whose stored form is no valid Snappy text is an error, not a value", async () => {
  const stored = Buffer.from(compressSync("a value that does not match its declared length"));
  const record = { codec: CODEC_SNAPPY, key: Buffer.from("liar"), stored, rawBytes: 20 * stored.length, lsn: 2n };
  const reopened = await openWith([record]);
  await expect(reopened.get("liar")).rejects.toMatchObject({ code: "CRABKV_CORRUPTION" });
  expect(await reopened.get("first")).toBe("1");
});
