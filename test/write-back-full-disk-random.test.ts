// Write-back against a Map on a disk that is full now and then: flushes fail at any time, and of what was acknowledged nothing goes.
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Store } from "../src/index.js";
import { fill, mountSmall, whyNoMounts } from "./mounts.js";
import { pick, randomOf, scaled, testSeed, timeoutFor } from "./seed.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const RUNS = scaled(4, 2);
const STEPS = scaled(1500, 200);
const HOUR_MS = 3_600_000;

interface Step {
  readonly answer: Promise<unknown>;
  /** What a Map answers. */
  readonly expected: unknown;
  /** What the key has when it went well; a refused call changes nothing. */
  readonly left: string | undefined;
}

type Call = (db: Store<string, string>, key: string, value: string, old: string | undefined) => Step;

const put: Call = (db, key, value) => ({ answer: db.put(key, value), expected: undefined, left: value });

const calls: readonly Call[] = [
  put, put, put, put,
  (db, key, value) => ({ answer: db.put(key, value, { sync: "always" }), expected: undefined, left: value }),
  (db, key, value) => ({ answer: db.putMany([{ key, value }]), expected: undefined, left: value }),
  (db, key, _, old) => ({ answer: db.get(key), expected: old, left: old }),
  (db, key, _, old) => ({ answer: Promise.resolve(db.getSync(key)), expected: old, left: old }),
  (db, key, _, old) => ({ answer: db.has(key), expected: old !== undefined, left: old }),
  (db, key, _, old) => ({ answer: db.getMany([key, "none"]), expected: [old, undefined], left: old }),
  (db, key, _, old) => ({ answer: db.getEntry(key).then((entry) => entry?.value), expected: old, left: old }),
  (db, key, _, old) => ({ answer: db.delete(key), expected: old !== undefined, left: undefined }),
  (db, key, _, old) => ({ answer: db.expire(key, HOUR_MS), expected: old !== undefined, left: old }),
  (db, key, value, old) => ({ answer: db.update(key, (now) => (now === old ? value : "wrong")), expected: value, left: value }),
  (db, key, value, old) => {
    const answer = db.batch([{ type: "put", key, value, if: "absent" }]).then(({ committed }) => committed);
    return { answer, expected: old === undefined, left: old ?? value };
  },
]; // prettier-ignore

async function live(seed: number, counts: { answered: number; refused: number }): Promise<void> {
  const random = randomOf(seed);
  const disk = temporaryDirectory();
  mountSmall(disk, 2 * 1024 * 1024);
  const path = join(disk, "data");
  const sync = pick(random, ["os", "always"] as const);
  const writeBack = { bytes: 100_000, everyMs: pick(random, [1, HOUR_MS]) };
  const options = { sync, writeBack, cache: pick(random, [false as const, { entries: 10 }]) };
  const db = await openStore(path, options);
  db.on("error", () => undefined);
  const model = new Map<string, string>();
  let giveBack: (() => void) | undefined;
  for (let step = 0; step < STEPS; step++) {
    if (random() < 0.02) {
      giveBack?.();
      giveBack = giveBack === undefined ? fill(disk, 20 * 1024) : undefined;
    }
    if (random() < 0.1) void db.flush().catch(() => undefined);
    if (random() < 0.1) await setImmediate();
    // What is dead is given back, or the disk would stay full.
    if (step % 100 === 99 && giveBack === undefined) await db.compact().catch(() => undefined);
    const key = `key:${Math.floor(random() * 20)}`;
    const old = model.get(key);
    const call = pick(random, calls)(db, key, `${step} ${"x".repeat(random() * 4000)}`, old);
    try {
      expect(await call.answer, `step ${step}, seed ${seed}`).toEqual(call.expected);
      counts.answered++;
    } catch (error) {
      expect(error, `step ${step}, seed ${seed}`).toMatchObject({ code: expect.stringMatching(/DISK_FULL|BUSY/) as string }); // prettier-ignore
      counts.refused++;
      continue;
    }
    if (call.left === undefined) model.delete(key);
    else model.set(key, call.left);
  }
  giveBack?.();
  await db.compact().catch(() => undefined);
  await db.flush();
  await db.close();
  const reopened = await openStore(path, { sync });
  expect(new Map(await collect(reopened.entries())), `seed ${seed}`).toEqual(model);
  await reopened.close();
}

const noMounts = whyNoMounts();
test.skipIf(noMounts !== undefined)(
  `any mix of calls answers as a Map does on a disk that is full now and then${noMounts ?? ""}`,
  async () => {
    const seed = testSeed();
    console.log(`write-back on a full disk, seed ${seed}`);
    const counts = { answered: 0, refused: 0 };
    for (let run = 0; run < RUNS; run++) await live(seed + run, counts);
    console.log(counts);
    expect(counts.refused).toBeGreaterThan(0);
    expect(counts.answered).toBeGreaterThan(counts.refused);
  },
  timeoutFor(RUNS * STEPS, 20),
);
