// Options are of an opening, not of a store: each may be another at the next one, and all that was written before is read as it
// was, also what a new bound would refuse.
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import type { OpenOptions } from "../src/index.js";
import { pick, randomOf, scaled, testSeed, timeoutFor } from "./seed.js";
import { temporaryDirectory } from "./temporary.js";

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
    // A bound on keys is one on what calls may name.
    const named = [...expected].filter(([key]) => key.length <= options.keyBytesMax!);
    expect(await db.getMany(named.map(([key]) => key)), where).toEqual(named.map(([, value]) => value));
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
