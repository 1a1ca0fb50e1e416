// The library against a Map: all of its operations, drawn at random, over opens with other options, closes, and kills of the
// process that holds the store. Clocks that jump are the native tests' business (clock_model_test.cc); here time only passes.
// CRABKV_TEST_SEED repeats a run's commands; where a kill falls among them is the machine's.
import fc from "fast-check";
import { expect, test } from "vitest";
import { amountOf, testSeed, timeoutFor } from "../seed.js";
import { phases } from "./commands.js";
import { ModelRun } from "./run-phases.js";

const commandsWanted = amountOf("CRABKV_TEST_COMMANDS", 100_000, 2000);
const DIRECTORIES_PER_ROUND = 10;
const SHRINK_MS_MAX = 20_000;

const seed = testSeed();

test(
  "a store answers as a Map would, whatever is called, closed and killed in between",
  { timeout: timeoutFor(commandsWanted, 3) },
  async () => {
    const run = new ModelRun();
    let failedAtMs: number | undefined;
    const holds = async (given: Parameters<ModelRun["run"]>[0]) => {
      // Shrinking ends by itself when nothing smaller fails.
      if (failedAtMs !== undefined && Date.now() - failedAtMs > SHRINK_MS_MAX) return;
      try {
        await run.run(given);
      } catch (error) {
        failedAtMs ??= Date.now();
        throw error;
      }
    };
    try {
      for (let round = 0; run.commands < commandsWanted; round++) {
        const parameters = { seed: seed + round, numRuns: DIRECTORIES_PER_ROUND };
        await fc.assert(fc.asyncProperty(phases, holds), parameters);
      }
    } catch (error) {
      throw new Error(`CRABKV_TEST_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    } finally {
      await run.end();
    }
    const hitShare = run.hits / run.lookups;
    console.log(
      `seed ${seed}: ${run.commands} commands in ${run.directories} stores, ${run.reopens} reopens, ${run.kills} kills ` +
        `(${run.bufferedKills} with a write-back buffer), ${run.twoHandled} openings by two handles, ` +
        `${(100 * hitShare).toFixed(1)} % of ${run.lookups} lookups hit, up to ${run.segmentsMax} segments, ${run.compactions} compactions on request, ${run.hintsDamaged} hints damaged\n` +
        [...run.counts].map(([op, count]) => `${op} ${count}`).join(", "),
    );
    // What makes the run worth believing.
    expect(run.commands).toBeGreaterThanOrEqual(commandsWanted);
    expect(hitShare).toBeGreaterThanOrEqual(0.5);
    if (commandsWanted < 100_000) return;
    expect(run.reopens).toBeGreaterThanOrEqual(200);
    expect(run.kills).toBeGreaterThan(50);
    expect(run.hintsDamaged).toBeGreaterThan(5);
    expect(run.bufferedKills).toBeGreaterThan(20);
    expect(run.twoHandled).toBeGreaterThan(10);
    expect(run.segmentsMax).toBeGreaterThan(2);
    expect(run.compactions).toBeGreaterThan(20);
  },
);
