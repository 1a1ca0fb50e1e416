// Options are of an opening, not of a store: each may be another at the next one, and all that was written before is read as it
// was, also what a new bound would refuse.
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import type { OpenOptions } from "../src/index.js";
import { pick, randomOf, scaled, testSeed, timeoutFor } from "./seed.js";
import { crabkv } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const OPENINGS = scaled(40, 10);
const KEYS = 300;

function randomOptions(random: () => number): OpenOptions<"utf8", "utf8"> {
  return {
    shards: pick(random, [1, 2, 3, 16, 100, 4096]),
    sync: pick(random, ["always", "os", { everyMs: 5 }] as const),
    compression: pick(random, ["none", "snappy"] as const),
    segmentBytes: pick(random, [1 << 16, 1 << 18, 1 << 26]),
    compaction: {
      auto: pick(random, [true, false]),
      deadRatio: pick(random, [0.1, 0.5]),
      minBytes: pick(random, [1 << 16, 1 << 20]),
    },
    cache: pick(random, [false, { entries: 50 }, { bytes: 20_000 }] as const),
    writeBack: pick(random, [false, true]),
    rebalance: pick(random, [false, true]),
    keyBytesMax: pick(random, [20, 1000, 1 << 16]),
    valueBytesMax: pick(random, [5000, 1 << 20]),
  };
}

test("every option may be another at the next opening", { timeout: timeoutFor(OPENINGS, 3000) }, async () => {
  const seed = testSeed();
  const random = randomOf(seed);
  const path = temporaryDirectory();
  const expected = new Map<string, string>();
  for (let opening = 0; opening < OPENINGS; opening++) {
    const options = randomOptions(random);
    const where = `seed ${seed}, opening ${opening}, ${JSON.stringify(options)}`;
    const db = await open(path, options);
    const found = new Map<string, string>();
    for await (const [key, value] of db.entries()) found.set(key, value);
    expect(found, where).toEqual(expected);
    expect(await db.getMany([...expected.keys()]), where).toEqual([...expected.values()]);
    for (let i = 0; i < 400; i++) {
      const key = `key-${Math.floor(random() * KEYS)}`;
      if (random() < 0.2) {
        void db.delete(key);
        expected.delete(key);
      } else {
        const value = `${opening} ${i} `.repeat(1 + Math.floor(random() * 400));
        void db.put(key, value);
        expected.set(key, value);
      }
    }
    // What the bounds of another opening refuse.
    if (options.keyBytesMax === 1 << 16 && options.valueBytesMax === 1 << 20) {
      const key = "long ".repeat(500);
      const value = "large ".repeat(5000);
      void db.put(key, value);
      expected.set(key, value);
    }
    if (random() < 0.3) await db.compact();
    await db.close();
  }
  expect(expected.size).toBeGreaterThan(KEYS / 2);
});

test("a key over a lowered keyBytesMax is read, given a deadline and deleted as before, but not put", async () => {
  const path = join(temporaryDirectory(), "data");
  const keys = Array.from({ length: 12 }, (_, i) => `${i}`.padEnd(2 ** 20, "k"));
  const first = await open(path, { keyBytesMax: 2 ** 20 });
  await first.putMany(keys.map((key, i) => ({ key, value: `${i}` })));
  await first.close();
  const db = await openStore(path, { keyBytesMax: 20 });
  await expect(db.put(keys[0]!, "v")).rejects.toMatchObject({ code: "CRABKV_TOO_LARGE" });
  expect(await db.get(keys[0]!)).toBe("0");
  expect(db.getSync(keys[1]!)).toBe("1");
  expect(await db.getMany(keys)).toEqual(keys.map((_, i) => `${i}`));
  expect(await db.getEntry(keys[2]!)).toMatchObject({ value: "2" });
  expect(await db.has(keys[2]!)).toBe(true);
  expect(await db.hasMany(keys)).toEqual(keys.map(() => true));
  expect(await db.expire(keys[3]!, 60_000)).toBe(true);
  expect(await db.ttl(keys[3]!)).toBeGreaterThan(0);
  expect(await db.persist(keys[3]!)).toBe(true);
  const found: string[] = [];
  for await (const key of db.keys({ prefix: keys[4]!.slice(0, -1) })) found.push(key);
  expect(found).toEqual([keys[4]]);
  expect(await db.delete(keys[5]!)).toBe(true);
  expect(await db.deleteMany([keys[6]!, keys[7]!])).toEqual([true, true]);
  const { committed } = await db.batch([
    { type: "check", key: keys[8]!, if: "present" },
    { type: "delete", key: keys[9]! },
  ]);
  expect(committed).toBe(true);
  await db.compact();
  await db.close();
  const last = await openStore(path);
  expect((await last.hasMany(keys)).map((has, i) => (has ? i : -1)).filter((i) => i >= 0)).toEqual([
    0, 1, 2, 3, 4, 8, 10, 11,
  ]);
});

test("crabkv gets and deletes a key over --key-bytes-max", async () => {
  const cwd = temporaryDirectory();
  expect((await crabkv(["put", "a long key", "v"], { cwd })).code).toBe(0);
  const env = { CRABKV_KEY_BYTES_MAX: "4" };
  expect((await crabkv(["put", "a long key", "v"], { cwd, env })).code).toBe(2);
  expect(await crabkv(["get", "a long key"], { cwd, env })).toMatchObject({ code: 0, stdout: "v\n" });
  expect((await crabkv(["delete", "a long key"], { cwd, env })).code).toBe(0);
  expect((await crabkv(["get", "a long key"], { cwd })).code).toBe(1);
});
