// A side of the benchmark that fails: it is said which one and why, everything else is measured, and nothing of it is left running.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { expect, test as anyTest } from "vitest";
import { temporaryDirectory } from "./temporary.js";

// A sanitizer's build is as slow as its sanitizer: benchmarks of it are no use, and what fails is the same.
const test = anyTest.skipIf(process.env.CRABKV_SANITIZER !== undefined);
const bench = join(import.meta.dirname, "..", "bench");

interface Side {
  readonly label: string;
  readonly failed?: string;
  readonly median?: number;
}
interface Report {
  readonly rows: readonly {
    readonly name: string;
    readonly sides: readonly Side[];
    readonly comparisons: readonly { readonly peer: string }[];
  }[];
}

/** Runs it where no file may be longer than so many KiB; its exit code and what it printed. */
function runBench(fileKib: number, args: readonly string[]): Promise<{ code: number; printed: string }> {
  const words = ["-c", `ulimit -f ${fileKib} && exec "$0" "$@"`, process.execPath, join(bench, "run.mjs"), ...args];
  return new Promise((resolve) => {
    execFile("bash", words, { timeout: 120_000 }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), printed: stdout });
    });
  });
}

test("a side that fails is reported in its row, and the other sides and rows go on", { timeout: 150_000 }, async () => {
  const directory = temporaryDirectory();
  const [dataDir, json, html] = ["data", "out.json", "out.html"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  // A log of 100,000 puts is longer than 4 MiB, one of 10,000 is not, and a Map has none.
  const flags = ["--quick", "--installed", "--only", "put-os,get-buffer,keys-10k"];
  const { code, printed } = await runBench(4096, [...flags, "--data-dir", dataDir, "--json", json, "--html", html]);
  const { rows } = JSON.parse(readFileSync(json, "utf8")) as Report;
  expect(rows.map(({ name }) => name)).toEqual(["put-os", "get-buffer", "keys-10k"]);
  const [puts, gets, keys] = rows as [Report["rows"][0], Report["rows"][0], Report["rows"][0]];
  const sideOf = (row: Report["rows"][0], label: string): Side => row.sides.find((side) => side.label === label)!;
  const reason = sideOf(puts, "crabkv").failed!;
  expect(reason).toMatch(/file too large/i);
  expect(sideOf(puts, "Map: the bound, nothing is kept").median).toBeGreaterThan(0);
  expect(puts.comparisons).toEqual([]);
  expect(sideOf(gets, "crabkv").failed).toMatch(/^filling: .*file too large/i);
  expect(sideOf(keys, "crabkv").median).toBeGreaterThan(0);
  expect(printed).toMatch(/^ {2}crabkv +failed: .*file too large/im);
  expect(printed).toContain(`FAILED: put-os, crabkv: ${reason}`);
  // What was measured once has no range.
  expect(printed).toMatch(/; one repetition\n--quick: the goals are those of a run without it$/m);
  expect(printed).toMatch(/^ {2}Map: the bound, nothing is kept +[\d,]+\/s( {2,}fastest)?$/m);
  expect(readFileSync(html, "utf8")).toMatch(/put-os<\/a>, <b>crabkv<\/b> failed: .*file too large/i);
  expect(code).toBe(1);
  expect(readdirSync(dataDir)).toEqual([]);
});

type RunSide = (task: object, msMax?: number) => Promise<object>;

/** Processes whose arguments have all of this in them. */
function processesOf(...texts: readonly string[]): number[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return texts.every((text) => command.includes(text));
    } catch {
      return false; // it has ended
    }
  });
}

test("a side that takes too long, dies, or does not find what it wrote says so, and leaves no server behind", async () => {
  const { runSide } = (await import(join(bench, "run-side.mjs"))) as { runSide: RunSide };
  const path = temporaryDirectory();
  const load = { protocol: "resp", connections: 4, rate: 10, keys: 10, getShare: 0, valueBytes: 10 };
  const steady = {
    store: "crabkv-server",
    workload: "serveSteadily",
    seconds: 60,
    durability: "memory",
    load,
    count: 10,
    path,
  };
  const tooLong = runSide(steady, 3000);
  const outcome = expect(tooLong).rejects.toThrow(/^took longer than 3 s$/);
  // The server's arguments name its directory, as the task of the side does.
  while (processesOf(path).length < 2) await after(5);
  await outcome;
  while (processesOf(path).length > 0) await after(5);

  const killed = expect(runSide(steady)).rejects.toThrow(/^ended with SIGKILL$/);
  while (processesOf(path).length < 2) await after(5);
  process.kill(processesOf(path, "side.mjs")[0]!, "SIGKILL");
  await killed;
  while (processesOf(path).length > 0) await after(5);

  const task = { store: "map", workload: "get", durability: "killed", form: "text", count: 10, seconds: 1, path };
  expect(await runSide(task)).toMatchObject({ operations: 10 });
  await expect(runSide({ ...task, store: "crabkv" })).rejects.toThrow();
});
