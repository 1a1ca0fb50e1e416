// The format, cross-checked: what the core writes is read by a second implementation of FORMAT.md, with npm's snappy for the values,
// and the other way round.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compressSync, uncompressSync } from "snappy";
import { expect, test } from "vitest";
import { BLOCK, CODEC_SNAPPY, DATA, PUT, SEAL, encodeDataFrame, encodePut } from "./format.js";
import { readCompacted, readFrames, saltOf, withoutCleanEnd } from "./format.js";
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

test("a value whose stored form is no valid Snappy text is an error, not a value", async () => {
  const stored = Buffer.from(compressSync("a value that does not match its declared length"));
  const record = { codec: CODEC_SNAPPY, key: Buffer.from("liar"), stored, rawBytes: 20 * stored.length, lsn: 2n };
  const reopened = await openWith([record]);
  await expect(reopened.get("liar")).rejects.toMatchObject({ code: "CRABKV_CORRUPTION" });
  expect(await reopened.get("first")).toBe("1");
});
