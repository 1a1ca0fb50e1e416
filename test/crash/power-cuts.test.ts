// Real power cuts: a child writes to a file system that loses, at a random moment, everything that was not synced. Then the store
// holds a prefix of the writes: in mode `always` with everything acknowledged, in the lazy modes with everything that was written
// with `sync: "always"`. Where no file system can be mounted these tests are skipped, and say why.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { OpenOptions, Sync } from "../../src/index.js";
import { amountOf, pick, randomOf, testSeed, timeoutFor } from "../seed.js";
import { checkLog, emptyLog } from "./check-log.js";
import { ext4ImageOrReason } from "./ext4-image.js";
import type { Ext4Image } from "./ext4-image.js";
import { WriterPool } from "./writer-process.js";

const cutsPerMode = Math.ceil(amountOf("CRABKV_TEST_CUTS", 201, 12) / 3);
const compactingCutsPerMode = Math.ceil(amountOf("CRABKV_TEST_COMPACTING_CUTS", 201, 12) / 3);
const CUTS_PER_STORE = 10;
const CUT_WITHIN_MS = 50;

const seed = testSeed();
const found = await ext4ImageOrReason();
const image = found as Ext4Image;
const skipped = typeof found === "string";
if (skipped) console.warn(`skipped: ${found}`);
let writers: WriterPool;

beforeAll(() => {
  if (!skipped) writers = new WriterPool();
});

afterAll(async () => {
  if (skipped) return;
  await writers.end();
  image.remove();
});

function optionsOf(random: () => number, sync: Sync, compacts: boolean): OpenOptions {
  return {
    sync,
    shards: pick(random, [1, 16]),
    compression: pick(random, ["none", "snappy"] as const),
    // Compacting while the log goes on in one new segment after the other.
    segmentBytes: (compacts ? 64 : pick(random, [64, 256, 1024])) * 1024,
    compaction: { ioShare: compacts ? 1 : 0.5 },
  };
}

interface Cuts {
  readonly name: string;
  readonly sync: Sync;
  readonly amount: number;
  readonly compacts: boolean;
}

async function cutPowerAgainAndAgain({ name, sync, amount, compacts }: Cuts): Promise<void> {
  const random = randomOf(seed);
  let log = emptyLog;
  let directory = "";
  let acknowledged = 0;
  let lost = 0;
  let cutsWhileWriting = 0;
  let cutsWhileCompacting = 0;
  for (let cut = 0; cut < amount; cut++) {
    if (cut % CUTS_PER_STORE === 0) {
      if (cut > 0) rmSync(directory, { recursive: true });
      directory = join(image.mountPoint, `${name}-${compacts}-${cut}`);
      log = emptyLog;
    }
    const writer = await writers.take();
    const options = optionsOf(random, sync, compacts);
    // Without durable writes in between, the lazy modes lose whole segments.
    const durableEvery = pick(random, [50, 1000, 1_000_000_000]);
    const window = pick(random, [1, 16, 500]);
    writer.begin({ directory, options, from: log.last + 1, window, durableEvery, compacts });
    // Most cuts come while it writes, a few while it opens.
    if (random() < 0.9) await writer.opened;
    await sleep(random() * CUT_WITHIN_MS);
    const cutAtNs = await image.cutPower();
    await writer.kill();
    image.unmount();
    image.mount();
    // The store's directory itself may be lost when the cut came before open() was done.
    mkdirSync(directory, { recursive: true });
    const before = log.last;
    const where = `seed ${seed}, cut ${cut}; the writer: ${writer.errors}`;
    log = await checkLog(directory, log, cut % CUTS_PER_STORE === CUTS_PER_STORE - 1);
    const durable = sync === "always" ? writer.acknowledged(cutAtNs) : writer.durable(cutAtNs);
    expect(log.last, `durable, ${where}`).toBeGreaterThanOrEqual(Math.max(durable, before));
    acknowledged += Math.max(0, writer.acknowledged(cutAtNs) - before);
    lost += Math.max(0, writer.acknowledged(cutAtNs) - log.last);
    if (writer.acknowledged(cutAtNs) > before) cutsWhileWriting++;
    if (writer.compacting(cutAtNs)) cutsWhileCompacting++;
  }
  const during = compacts ? `, ${cutsWhileCompacting} while compacting` : "";
  console.log(
    `${name}: ${amount} power cuts${during}, ${acknowledged} acknowledged writes, ${lost} lost, seed ${seed}`,
  );
  if (amount >= 10) expect(cutsWhileWriting).toBeGreaterThan(amount / 3);
  if (amount >= 10 && compacts) expect(cutsWhileCompacting).toBeGreaterThan(amount / 4);
  // A disk that loses nothing would prove nothing.
  if (sync === "os" && amount >= 10) expect(lost).toBeGreaterThan(0);
}

const modes: [name: string, sync: Sync][] = [
  ["always", "always"],
  ["everyMs", { everyMs: 5 }],
  ["os", "os"],
];

test.skipIf(skipped).for(modes)(
  "after a power cut in mode %s what was durable is there, batches are whole and there is no gap",
  { timeout: timeoutFor(cutsPerMode, 3000) },
  ([name, sync]) => cutPowerAgainAndAgain({ name, sync, amount: cutsPerMode, compacts: false }),
);

test.skipIf(skipped).for(modes)(
  "after a power cut in mode %s while it compacts and goes on in new segments, too",
  { timeout: timeoutFor(compactingCutsPerMode, 3000) },
  ([name, sync]) => cutPowerAgainAndAgain({ name, sync, amount: compactingCutsPerMode, compacts: true }),
);
