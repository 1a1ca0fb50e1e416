// Directories that are no good as a store: each is a clear error that names what is wrong and where, nothing in the directory is
// changed, and when the cause is gone everything is there again.
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CrabKVError, open, verify } from "../src/index.js";
import { crc32c } from "./format.js";
import { mountReadOnly, whyNoMounts } from "./mounts.js";
import { crabkv } from "./run-program.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const noMounts = whyNoMounts();
const isRoot = process.getuid?.() === 0;
const expected = Array.from({ length: 3000 }, (_, i): [string, string] => [`key:${i}`, `value ${i} ${"x".repeat(40)}`]);

/** A store of several segments, cleanly closed; its path. */
async function makeStore(): Promise<string> {
  const path = join(temporaryDirectory(), "data");
  const db = await open(path, { sync: "os", segmentBytes: 64 * 1024 });
  for (let i = 0; i < expected.length; i += 100) {
    await db.putMany(expected.slice(i, i + 100).map(([key, value]) => ({ key, value })));
  }
  await db.close();
  expect(segmentsOf(path).length).toBeGreaterThan(3);
  return path;
}

const segmentsOf = (path: string) =>
  readdirSync(path)
    .filter((name) => name.endsWith(".log"))
    .sort();

// LOCK is the one file that an opening may touch before it knows whether there is a store that it can open.
function bytesOf(path: string): Record<string, string> {
  const names = readdirSync(path).filter((name) => name !== "LOCK");
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name)).toString("base64")]));
}

async function failureOf(opening: Promise<unknown>): Promise<CrabKVError> {
  const error: unknown = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CrabKVError);
  return error as CrabKVError;
}

/** Opening in every way fails with the code and all of the words, and changes nothing. */
async function expectRefused(path: string, code: string, words: readonly string[]): Promise<void> {
  const before = bytesOf(path);
  for (const options of [{}, { readOnly: true }, { createIfMissing: false }]) {
    const error = await failureOf(open(path, options));
    expect(error.code, error.message).toBe(code);
    for (const word of words) expect(error.message).toContain(word);
    expect(bytesOf(path)).toEqual(before);
  }
}

async function expectWhole(path: string): Promise<void> {
  const db = await openStore(path);
  expect(await collect(db.entries({ order: "log" }))).toEqual(expected);
  await db.close();
}

/** Overwrites a file's bytes while `during` runs. */
async function withBytes(path: string, bytes: Uint8Array, during: () => Promise<void>): Promise<void> {
  const before = readFileSync(path);
  writeFileSync(path, bytes);
  await during();
  writeFileSync(path, before);
}

/** A segment with a bit of a value flipped. */
function damagedValueOf(segment: Buffer): Buffer {
  const damaged = Buffer.from(segment);
  damaged[segment.indexOf("value")]! ^= 0x20;
  return damaged;
}

test("a data directory that is a file, or goes through one", async () => {
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "precious");
  for (const path of [file, join(file, "data")]) {
    for (const options of [{}, { readOnly: true }]) {
      const error = await failureOf(open(path, options));
      expect(error.code).toBe("CRABKV_IO");
      expect(error.message).toContain(`${file} is a file, not a directory`);
    }
  }
  expect(readFileSync(file, "utf8")).toBe("precious");
});

test("files of the store that are directories", async () => {
  const path = await makeStore();
  for (const name of ["MANIFEST", "LOCK", segmentsOf(path)[1]!]) {
    renameSync(join(path, name), `${path}-aside`);
    mkdirSync(join(path, name));
    for (const options of [{}, { readOnly: true }]) {
      const error = await failureOf(open(path, options));
      expect(error.code).toBe("CRABKV_IO");
      expect(error.message).toContain(join(path, name));
    }
    expect(readdirSync(join(path, name))).toEqual([]);
    renameSync(join(path, name), `${path}-empty-${name}`);
    renameSync(`${path}-aside`, join(path, name));
  }
  await expectWhole(path);
});

test.skipIf(isRoot)("a directory and a file that may not be read", async () => {
  const path = await makeStore();
  for (const target of [path, join(path, "MANIFEST"), join(path, segmentsOf(path)[0]!)]) {
    chmodSync(target, 0);
    const error = await failureOf(open(path));
    chmodSync(target, 0o700);
    expect(error).toMatchObject({ code: "CRABKV_IO", errno: 13 });
    expect(error.message).toContain(path);
  }
  await expectWhole(path);
});

test.skipIf(isRoot ? noMounts !== undefined : process.platform === "win32")(
  `a read-only directory can be read, and not opened for writing${isRoot && noMounts !== undefined ? `: ${noMounts}` : ""}`,
  async () => {
    const path = await makeStore();
    const before = bytesOf(path);
    if (isRoot) mountReadOnly(path);
    else chmodSync(path, 0o500);
    const db = await openStore(path, { readOnly: true });
    expect(await collect(db.entries({ order: "log" }))).toEqual(expected);
    const refused = await failureOf(db.put("a", "1"));
    expect(refused.code).toBe("CRABKV_READ_ONLY");
    await db.close();

    const error = await failureOf(open(path));
    expect(error.code).toBe("CRABKV_IO");
    expect([13, 30]).toContain(error.errno);
    expect(error.message).toContain(path);
    const missing = await failureOf(open(join(path, "new")));
    expect(missing).toMatchObject({ code: "CRABKV_IO" });
    expect(missing.message).toContain(join(path, "new"));

    expect(await crabkv(["get", "key:7", "--data-dir", path])).toMatchObject({
      code: 0,
      stdout: `${expected[7]![1]}\n`,
    });
    expect(await crabkv(["stats", "--data-dir", path])).toMatchObject({ code: 0 });
    expect(await crabkv(["put", "a", "1", "--data-dir", path])).toMatchObject({ code: 4 });
    if (!isRoot) chmodSync(path, 0o700);
    expect(bytesOf(path)).toEqual(before);
  },
);

test("a MANIFEST of a newer format, or with a feature that is not known", async () => {
  const path = await makeStore();
  const file = join(path, "MANIFEST");
  const original = readFileSync(file);
  const newer = Buffer.from(original);
  newer.writeUInt16LE(2, 8);
  newer.writeUInt32LE(crc32c(newer.subarray(0, 28)), 28);
  await withBytes(file, newer, () => expectRefused(path, "CRABKV_FORMAT", [file, "version 2", "version 1"]));
  const featured = Buffer.from(original);
  featured.writeUInt32LE(2 ** 31, 12);
  featured.writeUInt32LE(crc32c(featured.subarray(0, 28)), 28);
  await withBytes(file, featured, () => expectRefused(path, "CRABKV_FORMAT", [file, "features"]));
  await expectWhole(path);
});

test("a segment of a newer format, or with a feature that is not known", async () => {
  const path = await makeStore();
  const file = join(path, segmentsOf(path)[1]!);
  const original = readFileSync(file);
  const newer = Buffer.from(original);
  newer.writeUInt16LE(2, 8);
  newer.writeUInt32LE(crc32c(newer.subarray(0, 124)), 124);
  await withBytes(file, newer, () => expectRefused(path, "CRABKV_FORMAT", [file, "version 2"]));
  const featured = Buffer.from(original);
  featured.writeUInt32LE(1, 12);
  featured.writeUInt32LE(crc32c(featured.subarray(0, 124)), 124);
  await withBytes(file, featured, () => expectRefused(path, "CRABKV_FORMAT", [file, "features"]));
  await expectWhole(path);
});

test("a MANIFEST that is missing, empty, garbage or damaged", async () => {
  const path = await makeStore();
  const file = join(path, "MANIFEST");
  renameSync(file, `${path}-manifest`);
  await expectRefused(path, "CRABKV_CORRUPTION", [file, "is missing", ".log"]);
  renameSync(`${path}-manifest`, file);
  await withBytes(file, Buffer.alloc(0), () => expectRefused(path, "CRABKV_FORMAT", [file]));
  await withBytes(file, Buffer.alloc(300, "garbage"), () => expectRefused(path, "CRABKV_FORMAT", [file]));
  const damaged = readFileSync(file);
  damaged[40]! ^= 1;
  await withBytes(file, damaged, () => expectRefused(path, "CRABKV_CORRUPTION", [file]));
  await expectWhole(path);
});

test("a segment of another store, in addition or in the place of one", async () => {
  const path = await makeStore();
  const other = await makeStore();
  const [first, second] = segmentsOf(path) as [string, string];
  const extra = join(path, "00000099.log");
  copyFileSync(join(other, first), extra);
  await expectRefused(path, "CRABKV_FORMAT", [extra, "another store"]);
  renameSync(extra, `${path}-extra`);
  await withBytes(join(path, second), readFileSync(join(other, second)), () =>
    expectRefused(path, "CRABKV_FORMAT", [join(path, second), "another store"]),
  );
  // One of its own under another number.
  copyFileSync(join(path, first), extra);
  await expectRefused(path, "CRABKV_CORRUPTION", [extra]);
  renameSync(extra, `${path}-extra`);
  await expectWhole(path);
});

test("a segment that is missing, empty, garbage, cut or one byte off", async () => {
  const path = await makeStore();
  const file = join(path, segmentsOf(path)[1]!);
  const original = readFileSync(file);
  await withBytes(file, Buffer.alloc(0), () => expectRefused(path, "CRABKV_CORRUPTION", [file]));
  await withBytes(file, Buffer.alloc(5000, "garbage"), () => expectRefused(path, "CRABKV_CORRUPTION", [file]));
  await withBytes(file, original.subarray(0, original.length / 2), () =>
    expectRefused(path, "CRABKV_CORRUPTION", [file, "offset"]),
  );
  // With a hint the segment's inside is not read, see the next test.
  renameSync(`${file}.hint`, `${path}-hint`);
  await withBytes(file, damagedValueOf(original), () => expectRefused(path, "CRABKV_CORRUPTION", [file, "offset"]));
  renameSync(file, `${path}-aside`);
  await expectRefused(path, "CRABKV_CORRUPTION", [path]);
  renameSync(`${path}-aside`, file);

  const extra = join(path, "00000099.log");
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(5000, "garbage")]) {
    writeFileSync(extra, bytes);
    await expectRefused(path, "CRABKV_CORRUPTION", [extra]);
  }
  renameSync(extra, `${path}-extra`);
  await expectWhole(path);
});

test("a value that is one byte off in a segment with a hint is found when it is read, and by a verification", async () => {
  const path = await makeStore();
  const file = join(path, segmentsOf(path)[1]!);
  writeFileSync(file, damagedValueOf(readFileSync(file)));
  const db = await openStore(path);
  expect(db.stats().openHintedSegments).toBeGreaterThan(0);
  const reads = await Promise.allSettled(expected.map(([key]) => db.get(key)));
  const failures = reads.filter((read) => read.status === "rejected").map(({ reason }) => reason as CrabKVError);
  expect(failures.map(({ code, path: where }) => [code, where])).toEqual([["CRABKV_CORRUPTION", file]]);
  await db.close();
  const { faults } = await verify(path);
  expect(faults).toHaveLength(1);
  expect(faults[0]!.file).toBe(segmentsOf(path)[1]);
});

test("the last segment cut short after a clean close", async () => {
  const path = await makeStore();
  const file = join(path, segmentsOf(path).at(-1)!);
  const original = readFileSync(file);
  truncateSync(file, original.length - 64);
  await expectRefused(path, "CRABKV_CORRUPTION", [file]);
  writeFileSync(file, original);
  // Bytes behind the end are nobody's frame: they change nothing.
  appendFileSync(file, Buffer.alloc(100, 1));
  await expectWhole(path);
});

test("files that are none of the store's stay as they are", async () => {
  const path = await makeStore();
  const names = ["notes.txt", "1.log", "00000001.log.bak", "0000000x.log", "backup.tmp"];
  for (const name of names) writeFileSync(join(path, name), name);
  mkdirSync(join(path, "folder"));
  await expectWhole(path);
  for (const name of names) expect(readFileSync(join(path, name), "utf8")).toBe(name);
});

test("a directory that is a copy of a store opens as that store", async () => {
  const path = await makeStore();
  cpSync(path, `${path}-copy`, { recursive: true });
  await expectWhole(`${path}-copy`);
  await expectWhole(path);
});
