// A cache changes no answer: the model test's commands, drawn once and run twice, with a cache and without, in stores of one handle.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { scaled, testSeed, timeoutFor } from "../seed.js";
import { phases } from "./commands.js";
import type { Command, Phase } from "./commands.js";
import { StoreProcess } from "./store-process.js";

const DIRECTORIES = scaled(12, 2);
/** Their answers tell the time, or how much has been removed or compacted in the background so far. */
const timely: ReadonlySet<Command["op"]> = new Set(["ttl", "lapse", "lapseKey", "stats", "compact"]);

/** Versions differ when active expiry removes a key sooner in one of the two; deadlines when a put is a millisecond later. */
function withoutTimes({ op }: Command, result: unknown): unknown {
  if (op === "getEntry" && Array.isArray(result)) return (result as unknown[])[0];
  if (op === "batch") return { ...(result as object), version: 0 };
  return timely.has(op) ? null : result;
}

async function answersOf(drawn: readonly Phase[], cache: Phase["options"]["cache"]): Promise<unknown[]> {
  const folder = mkdtempSync(join(tmpdir(), "crabkv-cache-"));
  const store = new StoreProcess();
  const all: unknown[] = [];
  try {
    for (const { options, commands, window } of drawn) {
      const audited = await store.open(join(folder, "data"), { ...options, cache });
      all.push(audited.map(([key, value]) => [key, value]));
      const answers = await store.run(commands, window, undefined);
      all.push(answers.map(([number, , , result]) => [number, withoutTimes(commands[number]!, result)]));
      await store.close();
    }
  } finally {
    await store.kill();
    rmSync(folder, { recursive: true, force: true });
  }
  return all;
}

test(
  "the same commands have the same answers with a cache and without",
  { timeout: timeoutFor(DIRECTORIES, 10_000) },
  async () => {
    const seed = testSeed();
    let commands = 0;
    for (const drawn of fc.sample(phases, { seed, numRuns: DIRECTORIES })) {
      const plain = await answersOf(drawn, false);
      expect(await answersOf(drawn, { entries: 40 }), `CRABKV_TEST_SEED=${seed}`).toEqual(plain);
      commands += drawn.reduce((sum, phase) => sum + phase.commands.length, 0);
    }
    console.log(`seed ${seed}: ${commands} commands, each with a cache and without`);
  },
);
