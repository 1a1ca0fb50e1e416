// What the README says of the command line is so: its commands run, its table is the settings'.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingNames, settingTable } from "../src/cli/setting-table.js";
import { sectionOf } from "./readme-programs.js";
import { cleanEnv, cliPath } from "./run-program.js";
import { crabkvOnTerminal } from "./terminal.js";
import { temporaryDirectory } from "./temporary.js";

const section = sectionOf("## The command line");

test("the commands of the README run as they stand there", () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "cities.jsonl"), '{"key":"Quito","value":"2011388"}\n');
  // The other disk of the backup is in this directory, too.
  const commands = /```sh\n([^]*?)```/.exec(section)![1]!.replaceAll("/mnt/", join(cwd, "mnt/"));
  const script = `set -euo pipefail\nnpx() { shift; '${process.execPath}' '${cliPath}' "$@"; }\n${commands}\ncomplete -p crabkv`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", script], {
    cwd,
    env: cleanEnv(),
    encoding: "utf8",
    timeout: 50_000,
  });
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^hello crab\n/);
  expect(stdout).toMatch(/^sync +100 +--sync$/m);
  expect(stdout).toContain("-F _crabkv crabkv");
  expect(readFileSync(join(cwd, "all.jsonl"), "utf8")).toContain('{"key":"Quito","value":"2011388"}');
});

test("the README's table is the settings' table", () => {
  const rows = [...section.matchAll(/^\| `(--[^`]+)` \| `([^`]+)` \| `([^`]+)` \|/gm)];
  expect(rows.map(([, flag, env]) => [flag, env])).toEqual(
    settingNames.map((name) => [settingTable[name].flag, settingTable[name].env]),
  );
  for (const [i, name] of settingNames.entries()) {
    if (name !== "history") expect(settingTable[name].parse(rows[i]![3]!), name).toBe(settingTable[name].fallback);
  }
});

test("an import shows its progress on a terminal, unless the answer is for a program", () => {
  const cwd = temporaryDirectory();
  const lines = Array.from({ length: 50_000 }, (_, i) => `{"key":"key:${i}","value":"${"v".repeat(100)}"}\n`);
  writeFileSync(join(cwd, "in.jsonl"), lines.join(""));
  const shown = crabkvOnTerminal(["import", "in.jsonl", "--sync", "os"], [], { cwd });
  expect(shown).toMatchObject({ code: 0, output: expect.stringMatching(/importing .*%/) as string });
  expect(shown.output).toContain("imported 50,000 records");
  const asJson = crabkvOnTerminal(["import", "in.jsonl", "--sync", "os", "--json"], [], { cwd });
  expect(asJson.output).not.toContain("importing");
  expect(JSON.parse(asJson.output)).toMatchObject({ imported: 50_000 });
});
