// `crabkv compact`, `compact` at the prompt, and the settings of compaction, as people and scripts meet them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { open } from "../src/index.js";
import { cleanEnv, cliPath, crabkv } from "./run-program.js";
import { crabkvOnTerminal } from "./terminal.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const KIB = 1024;
const containing = (text: string) => expect.stringContaining(text) as string;

/**
 * A store in `data` whose every key was written `rounds` times; its directory's directory. With `lasting` each round also writes a key
 * that stays, so that compaction has to read every segment.
 */
async function overwritten(rounds: number, keys: number, valueBytes: number, lasting = false): Promise<string> {
  const cwd = temporaryDirectory();
  const db = await open(join(cwd, "data"), { sync: "os", segmentBytes: 1024 * KIB, compaction: { auto: false } });
  for (let round = 0; round < rounds; round++) {
    const value = `${round} `.padEnd(valueBytes, "v");
    const records = Array.from({ length: keys }, (_, i) => ({ key: `k${i}`, value }));
    if (lasting) records.push({ key: `lasting${round}`, value });
    await db.putMany(records);
  }
  await db.close();
  return cwd;
}

interface Report {
  logBytesBefore: number;
  logBytesAfter: number;
  compactions: number;
}

test("compact tells people and programs what it gave back, and then finds nothing", async () => {
  const cwd = await overwritten(6, 500, 200);
  const text = await crabkv(["compact"], { cwd });
  expect(text).toMatchObject({ code: 0, stderr: "" });
  expect(text.stdout).toMatch(/^log +\d+\.\d KiB before, \d+\.\d KiB after$/m);
  expect(text.stdout).toMatch(/^records +500 kept, 2,500 dropped$/m);
  expect(text.stdout).toMatch(/^took +[\d.]+ m?s$/m);
  expect((await crabkv(["compact"], { cwd })).stdout).toMatch(/^records +nothing to drop$/m);
  const again = await crabkv(["compact", "--json"], { cwd });
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(again.stdout)).toMatchObject({ dataDir: "data", compactions: 0, recordsDropped: 0 });
  const db = await openStore(join(cwd, "data"), { readOnly: true });
  expect(db.stats().keys).toBe(500);
  expect(await db.get("k7")).toMatch(/^5 v/);
});

test("as JSON, the report has sizes in bytes, counts and seconds", async () => {
  const cwd = await overwritten(6, 500, 200);
  const { code, stdout } = await crabkv(["compact", "--json"], { cwd });
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as Report;
  expect(report).toMatchObject({
    dataDir: "data",
    compactions: 1,
    recordsKept: 500,
    recordsDropped: 2500,
    seconds: expect.any(Number) as number,
  });
  expect(report.logBytesAfter).toBeLessThan(report.logBytesBefore / 4);
});

test("stats shows how much is dead, and what compaction has kept of the changes", async () => {
  const cwd = await overwritten(4, 500, 200);
  const before = await crabkv(["stats"], { cwd });
  expect(before.stdout).toMatch(/^dead, about +\d+\.\d KiB, 7\d% of the log$/m);
  expect(before.stdout).toMatch(/^compactions +none since it was opened$/m);
  expect(before.stdout).toMatch(/^changes are kept +all$/m);
  await crabkv(["compact"], { cwd });
  const after = await crabkv(["stats"], { cwd });
  expect(after.stdout).toMatch(/^dead, about +.*, \d% of the log$/m);
  expect(after.stdout).toMatch(/^changes are kept +behind version \d+$/m);
  expect(JSON.parse((await crabkv(["stats", "--json"], { cwd })).stdout)).toMatchObject({ compactions: 0 });
});

// So slow that it is still at work when the signal comes.
const slowly = ["compact", "--compaction-io-share", "0.01"];

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s cancels a compaction, which says so and harms nothing",
  async (signal) => {
    const cwd = await overwritten(20, 2000, 2 * KIB, true);
    const manifest = join(cwd, "data", "MANIFEST");
    const written = statSync(manifest).mtimeMs;
    const child = spawn(process.execPath, [cliPath, ...slowly], { cwd, env: cleanEnv() });
    onTestFinished(() => void child.kill("SIGKILL"));
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    // Opening it for writing is what changes the MANIFEST.
    while (statSync(manifest).mtimeMs === written) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill(signal);
    expect(await once(child, "close")).toEqual([4, null]);
    expect(stderr).toMatch(
      /^crabkv: the compaction was cancelled after .*: what was finished stays, and nothing is lost\n/,
    );
    expect(stderr).toContain("hint: compact again");
    const db = await openStore(join(cwd, "data"));
    expect(db.stats()).toMatchObject({ keys: 2020, cleanOpen: true });
    expect(await db.get("k1999")).toMatch(/^19 v/);
  },
);

test("on a terminal compact shows how far it is, and ctrl-C cancels it", async () => {
  const cwd = await overwritten(20, 2000, 2 * KIB, true);
  const cancelled = crabkvOnTerminal(slowly, [["compacting", "\x03"]], { cwd });
  expect(cancelled).toMatchObject({ code: 4, output: containing("the compaction was cancelled") });
  const done = crabkvOnTerminal(["compact", "--compaction-io-share", "1"], [], { cwd });
  expect(done).toMatchObject({ code: 0, output: containing("compacting") });
  expect(done.output).toMatch(/records +[\d,]+ kept, 38,000 dropped/);
});

test("a store that another process has open is said to be in use", async () => {
  const cwd = temporaryDirectory();
  await openStore(join(cwd, "data"));
  const result = await crabkv(["compact"], { cwd });
  expect(result).toMatchObject({ code: 4, stderr: containing("end that process or close its store") });
});

test("the prompt compacts as the command does, and ctrl-C cancels only the line", async () => {
  const cwd = await overwritten(20, 2000, 2 * KIB, true);
  const slow = ["cli", "--compaction", "manual", "--compaction-io-share", "0.01"];
  const cancelled = crabkvOnTerminal(
    slow,
    [
      ["crabkv>", "compact\n"],
      ["compact\r\r\n", "\x03"],
      ["the compaction was cancelled", "get k3\n"],
      ["19 v", "exit\n"],
    ],
    { cwd },
  );
  expect(cancelled.code).toBe(0);
  expect(cancelled.output).toContain("hint: compact again");
  const env = { CRABKV_COMPACTION: "manual", CRABKV_COMPACTION_IO_SHARE: "1" };
  const { code, stdout } = await crabkv(["cli"], { cwd, env, input: "compact\nstats\n" });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^records +[\d,]+ kept, 38,000 dropped$/m);
  expect(stdout).toMatch(/^compactions +[1-9]\d*$/m);
  const again = await crabkv(["cli", "--json"], { cwd, env, input: "compact\n" });
  expect(JSON.parse(again.stdout)).toMatchObject({ recordsDropped: 0 });
  const readOnly = await crabkv(["cli", "--read-only"], { cwd, input: "compact\n" });
  expect(readOnly).toMatchObject({ code: 4, stdout: "", stderr: containing("hint: ") });
});

test("what has a store open for writing compacts it by itself, unless it is told not to", async () => {
  const cwd = await overwritten(10, 500, 400);
  const settings = ["--segment-bytes", "64KiB", "--compaction-dead-ratio", "0.2", "--compaction-min-bytes", "64KiB"];
  const told = await crabkv(["cli", "--json", "--compaction", "manual", ...settings], {
    cwd,
    input: "put a 1\nstats\n",
  });
  const logBytes = (JSON.parse(told.stdout.trimEnd().split("\n").at(-1)!) as { logBytes: number }).logBytes;
  expect(logBytes).toBeGreaterThan(2000 * KIB);

  const child = spawn(process.execPath, [cliPath, "cli", "--json", ...settings], { cwd, env: cleanEnv() });
  onTestFinished(() => void child.kill("SIGKILL"));
  child.stdin.write("put a 2\nstats\n");
  for await (const line of createInterface(child.stdout)) {
    const stats = JSON.parse(line) as { logBytes?: number };
    if (stats.logBytes === undefined) continue;
    if (stats.logBytes < logBytes / 4) break;
    setTimeout(() => child.stdin.write("stats\n"), 20);
  }
  child.stdin.end();
  expect(await once(child, "close")).toEqual([0, null]);
});
