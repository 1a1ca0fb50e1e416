// What comes and goes leaves nothing behind: workers that are terminated with commits in flight, and stores that are opened and
// closed. In programs of their own, so that what is counted is theirs.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runProgram } from "./run-program.js";
import { amountOf } from "./seed.js";
import { temporaryDirectory } from "./temporary.js";

const TERMINATIONS = amountOf("CRABKV_TEST_TERMINATIONS", 100, 10);
const OPENS = amountOf("CRABKV_TEST_OPENS", 1000, 20);
const MS_MAX = 60_000 + 1000 * TERMINATIONS + 100 * OPENS;
/** Resident memory may waver by so much; a leak of 50 KB an open would take more in the 1,000 opens that CI does. */
const RSS_BYTES_MAX = 45 * 1024 * 1024;

const programPath = (name: string) => fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));

async function run(name: string, amount: number): Promise<Record<string, unknown>> {
  const args = [join(temporaryDirectory(), "data"), String(amount)];
  const { stdout, ...end } = await runProgram(programPath(name), args, {
    endsMs: MS_MAX,
    nodeOptions: ["--expose-gc"],
  });
  expect(end).toEqual({ code: 0, signal: null, stderr: "" });
  console.log(`${name}: ${stdout.trim()}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

test.skipIf(TERMINATIONS === 0)(
  "workers that are terminated with commits in flight lose nothing acknowledged, and leave no thread and no store behind",
  { timeout: MS_MAX },
  async () => {
    const { terminations, rounds, ...left } = await run("terminate-workers", TERMINATIONS);
    expect(terminations).toBe(TERMINATIONS);
    expect(rounds).toBeGreaterThan(0);
    expect(left).toMatchObject({ cleanOpen: true, threads: 0 });
  },
);

test.skipIf(process.platform !== "linux" || OPENS === 0)(
  "opening and closing leaves no descriptor, no thread and no memory behind",
  { timeout: MS_MAX },
  async () => {
    const { rss, ...others } = await run("open-and-close", OPENS);
    expect(others).toEqual({ fds: 0, threads: 0 });
    // A sanitizer's allocator keeps what was freed.
    if (process.env.CRABKV_SANITIZER === undefined) expect(rss).toBeLessThan(RSS_BYTES_MAX);
  },
);
