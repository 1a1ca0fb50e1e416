// Write-back against a Map on a disk that is full now and then: flushes fail at any time, and of what was acknowledged nothing goes.
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Store } from "../src/index.js";
import { fill, mountSmall, whyNoMounts } from "./mounts.js";
import { pick, randomOf, scaled, testSeed, timeoutFor } from "./seed.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const HOUR_MS = 3_600_000;

/** How a store is opened; each lives once a round. */
const WAYS = (["os", "always"] as const).flatMap((sync) => [1, HOUR_MS].map((everyMs) => ({ sync, everyMs })));
const ROUNDS = scaled(1);
/** Enough of them, also of a sanitizer's build, that each life finds the disk full several times. */
const STEPS = 1500;

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

async function live(seed: number, { sync, everyMs }: (typeof WAYS)[number]): Promise<void> {
  const counts = { answered: 0, refused: 0 };
  const random = randomOf(seed);
  const disk = temporaryDirectory();
  mountSmall(disk, 2 * 1024 * 1024);
  const path = join(disk, "data");
  const writeBack = { bytes: 100_000, everyMs };
  const options = { sync, writeBack, cache: pick(random, [false as const, { entries: 10 }]) };
  const db = await openStore(path, options);
  db.on("error", () => undefined);
  const model = new Map<string, string>();
  let giveBack: (() => void) | undefined;
  let refusedBefore = 0;
  for (let step = 0; step < STEPS; step++) {
    if (giveBack === undefined && random() < 0.02) {
      giveBack = fill(disk, 20 * 1024);
      refusedBefore = counts.refused;
    }
    // What the log had prepared ahead has to be used up first.
    if (giveBack !== undefined && counts.refused > refusedBefore && random() < 0.1) {
      giveBack();
      giveBack = undefined;
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
  console.log(`write-back on a full disk, seed ${seed}, sync ${sync}, everyMs ${everyMs}:`, counts);
  expect(counts.refused).toBeGreaterThan(0);
  expect(counts.answered).toBeGreaterThan(counts.refused);
}

const noMounts = whyNoMounts();
test.skipIf(noMounts !== undefined)(
  `any mix of calls answers as a Map does on a disk that is full now and then${noMounts ?? ""}`,
  async () => {
    const seed = testSeed();
    for (let round = 0; round < ROUNDS; round++) {
      for (const way of WAYS) await live(seed + round, way);
    }
  },
  timeoutFor(ROUNDS * WAYS.length * STEPS, 20),
);
