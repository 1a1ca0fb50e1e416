// A killed process loses nothing that it was told is written, in any sync mode. A child writes as fast as it can and is killed at
// a random moment, also while it opens; then the store holds a prefix of the writes with everything acknowledged in it. The next
// child goes on in the same store, so recoveries follow recoveries.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { OpenOptions, Sync } from "../../src/index.js";
import { amountOf, pick, randomOf, testSeed, timeoutFor } from "../seed.js";
import { checkLog, emptyLog } from "./check-log.js";
import { WriterPool } from "./writer-process.js";

const cycles = amountOf("CRABKV_TEST_KILLS", 50, 5);
const CYCLES_PER_STORE = 10;
const KILL_WITHIN_MS = 50;

const seed = testSeed();
let folder: string;
let writers: WriterPool;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "crabkv-kills-"));
  writers = new WriterPool();
});

afterAll(async () => {
  await writers.end();
  rmSync(folder, { recursive: true, force: true });
});

function optionsOf(random: () => number, sync: Sync): OpenOptions {
  return {
    sync,
    shards: pick(random, [1, 4, 16, 100]),
    compression: pick(random, ["none", "snappy"] as const),
    segmentBytes: 256 * 1024,
  };
}

test.for<[name: string, sync: Sync]>([
  ["always", "always"],
  ["everyMs", { everyMs: 5 }],
  ["os", "os"],
])(
  "after SIGKILL in mode %s every acknowledged write is there, batches are whole and there is no gap",
  { timeout: timeoutFor(cycles, 1000) },
  async ([name, sync]) => {
    const random = randomOf(seed);
    let log = emptyLog;
    let directory = "";
    let acknowledged = 0;
    let cyclesWithWrites = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      if (cycle % CYCLES_PER_STORE === 0) {
        if (cycle > 0) rmSync(directory, { recursive: true });
        directory = join(folder, `${name}-${cycle}`);
        log = emptyLog;
      }
      const writer = await writers.take();
      const options = optionsOf(random, sync);
      writer.begin({ directory, options, from: log.last + 1, window: pick(random, [1, 16, 500]), durableEvery: 505 });
      // Most kills come while it writes, a few while it opens.
      if (random() < 0.9) await writer.opened;
      await sleep(random() * KILL_WITHIN_MS);
      await writer.kill();
      expect(writer.errors, `seed ${seed}, cycle ${cycle}`).toBe("");
      const before = log.last;
      log = await checkLog(directory, log, cycle % CYCLES_PER_STORE === CYCLES_PER_STORE - 1);
      expect(log.last, `seed ${seed}, cycle ${cycle}: acknowledged`).toBeGreaterThanOrEqual(writer.acknowledged());
      acknowledged += Math.max(0, writer.acknowledged() - before);
      if (writer.acknowledged() > before) cyclesWithWrites++;
    }
    console.log(`${name}: ${cycles} kills, ${acknowledged} acknowledged writes, seed ${seed}`);
    if (cycles >= 10) expect(cyclesWithWrites).toBeGreaterThan(cycles / 3);
  },
);
