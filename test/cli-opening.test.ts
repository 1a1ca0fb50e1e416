// The bar of an opening that takes long: a real store without hints, whose file strace makes slow to read.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { whyNoStrace, withSlowReads } from "./crash/strace.js";
import { cleanEnv, cliPath } from "./run-program.js";
import { onTerminal } from "./terminal.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const RECORDS = 300;
const VALUE_BYTES = 100_000;

async function storeWithoutHints(): Promise<string> {
  const cwd = temporaryDirectory();
  const data = join(cwd, "data");
  const db = await openStore(data, { sync: "os" });
  // In frames of one record: the bar is moved between frames.
  for (let i = 0; i < RECORDS; i++) await db.put(`${i}`, "v".repeat(VALUE_BYTES));
  await db.close();
  for (const name of readdirSync(data)) if (name.endsWith(".hint")) rmSync(join(data, name));
  return cwd;
}

/** With a delay of each MiB that is read. A bar is due after the first second. */
function slowly(cwd: string, delayMs: number, ...args: string[]): string[] {
  return withSlowReads(join(cwd, "data", "00000001.log"), delayMs, process.execPath, cliPath, ...args);
}

const reason = whyNoStrace();
const env = { LD_PRELOAD: "" };

test.skipIf(reason !== undefined)(
  `opening that takes long shows a bar on a terminal, and clears it ${reason ?? ""}`,
  { timeout: 60_000 },
  async () => {
    const cwd = await storeWithoutHints();
    // 6 s at least: also a busy machine has loaded by then what draws the bar.
    const { code, output } = onTerminal(slowly(cwd, 200, "get", "7"), [], { cwd, env });
    expect(code).toBe(0);
    const bars = [...output.matchAll(/opening \S+ (\d+)% {2}(\d+) records/g)];
    expect(bars.length, output.slice(0, 2000)).toBeGreaterThan(1);
    const percents = bars.map(([, percent]) => Number(percent));
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(percents.at(-1)).toBeGreaterThan(0);
    expect(Number(bars.at(-1)![2])).toBeGreaterThan(0);
    expect(Number(bars.at(-1)![2])).toBeLessThanOrEqual(RECORDS);
    // What was asked for stands behind the last of it, on a line of its own.
    const cleared = output.lastIndexOf("\u001b[2K");
    expect(cleared).toBeGreaterThan(output.lastIndexOf("opening"));
    expect(output.indexOf("v".repeat(VALUE_BYTES))).toBeGreaterThan(output.lastIndexOf("opening"));
  },
);

test.skipIf(reason !== undefined)(
  `opening that takes long shows nothing where stderr is no terminal, or the answer is for a program ${reason ?? ""}`,
  { timeout: 60_000 },
  async () => {
    const cwd = await storeWithoutHints();
    const [program, ...args] = slowly(cwd, 70, "get", "7");
    const piped = spawnSync(program!, args, { cwd, env: { ...cleanEnv(), ...env }, encoding: "utf8" });
    expect(piped).toMatchObject({ status: 0, stdout: `${"v".repeat(VALUE_BYTES)}\n`, stderr: "" });
    const { code, output } = onTerminal(slowly(cwd, 70, "get", "7", "--json"), [], { cwd, env });
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ value: "v".repeat(VALUE_BYTES) });
  },
);
