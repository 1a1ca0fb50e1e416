// Shell completion, in the shells themselves where they are installed, and help for programs.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildProgram } from "../src/cli/program.js";
import { cleanEnv, crabkv } from "./run-program.js";
import { onTerminal } from "./terminal.js";
import { temporaryDirectory } from "./temporary.js";

const commands = buildProgram().commands.map((command) => command.name());

const isInstalled = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0;

/** The script of a shell, in a file of a new directory that also has a file and a directory to complete. */
async function scriptOf(shell: string): Promise<{ cwd: string; path: string }> {
  const cwd = temporaryDirectory();
  const { code, stdout } = await crabkv(["completion", shell]);
  expect(code).toBe(0);
  const path = join(cwd, "script");
  writeFileSync(path, stdout);
  writeFileSync(join(cwd, "words.csv"), "");
  mkdirSync(join(cwd, "wor king"));
  return { cwd, path };
}

function run(shell: string, args: string[], cwd: string): string[] {
  const { stdout, stderr } = spawnSync(shell, args, { cwd, env: cleanEnv(), encoding: "utf8", timeout: 30_000 });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line !== "");
}

/** What is offered for a line whose last word is being typed. */
const cases: [line: string, offered: string[]][] = [
  ["crabkv ", commands],
  ["crabkv st", ["stats"]],
  ["crabkv comp", ["compact", "completion"]],
  ["crabkv compact --compaction", ["--compaction-io-share"]],
  ["crabkv serve --compaction ", ["auto", "manual"]],
  ["crabkv --json --data-dir put ge", ["get"]],
  ["crabkv put --comp", ["--compression"]],
  ["crabkv put --compression ", ["none", "snappy"]],
  ["crabkv --data-dir d import --format c", ["csv"]],
  ["crabkv stats --j", ["--json"]],
  ["crabkv put key --sy", ["--sync"]],
  ["crabkv get ", []],
  ["crabkv completion z", ["zsh"]],
  ["crabkv help conf", ["config"]],
  ["crabkv --data-dir wor", ["wor king"]],
  ["crabkv repair wor", ["wor king"]],
];

test.skipIf(!isInstalled("bash"))("bash completes commands, flags and their values", async () => {
  const { cwd, path } = await scriptOf("bash");
  for (const [line, offered] of [...cases, ["crabkv put --sync = o", ["os"]] as const]) {
    const words = line.split(" ").map((word) => `'${word}'`);
    const program = `source "$0"; COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _crabkv; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const answers = run("bash", ["--norc", "-c", `${program} 2>/dev/null`, path], cwd);
    expect(answers.sort(), line).toEqual([...offered].sort());
  }
});

test.skipIf(!isInstalled("fish"))("fish completes commands, flags and their values", async () => {
  const { cwd, path } = await scriptOf("fish");
  for (const [line, offered] of [...cases, ["crabkv put --sync=o", ["--sync=os"]] as const]) {
    const answers = run("fish", ["--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, path, line], cwd);
    const found = answers.map((answer) => answer.split("\t")[0]!.replace(/\/$/, ""));
    expect(found.sort(), line).toEqual([...offered].sort());
  }
});

test.skipIf(!isInstalled("zsh"))(
  "zsh completes a command and a file, and a flag and its value, on a terminal",
  async () => {
    const { cwd } = await scriptOf("zsh");
    // The echo of what is typed does not have the words that are waited for.
    const setUp = "autoload -U compinit && compinit -D -u && source ./script; crabkv() { print cal'l'ed $* }\n";
    const { code, output } = onTerminal(
      ["zsh", "-f", "-i"],
      [
        ["ready> ", setUp],
        ["ready> ", "crabkv imp\twords\t\n"],
        ["called import words.csv", "crabkv put --json --comp\tsn\t\n"],
        ["called put --json --compression snappy", "exit 0\n"],
      ],
      { cwd, env: { PS1: "ready> " } },
    );
    expect(code, output).toBe(0);
  },
);

test("the scripts are good in JSON too, and other shells are refused", async () => {
  const asJson = await crabkv(["completion", "bash", "--json"]);
  expect(JSON.parse(asJson.stdout)).toMatchObject({
    shell: "bash",
    script: expect.stringContaining("_crabkv") as string,
  });
  const other = await crabkv(["completion", "tcsh"]);
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("bash, zsh, fish") as string });
});

test("help tells programs the commands and flags, and refuses what is none", async () => {
  const whole = JSON.parse((await crabkv(["help", "--json"])).stdout) as { commands: { name: string }[] };
  expect(whole.commands.map(({ name }) => name)).toEqual(commands);
  const put = JSON.parse((await crabkv(["help", "put", "--json"])).stdout) as { arguments: unknown };
  expect(put.arguments).toEqual([
    { name: "key", required: true, values: "any" },
    { name: "value", required: true, values: "any" },
  ]);
  expect(await crabkv(["help", "frob"])).toMatchObject({ code: 2, stderr: expect.stringContaining("hint:") as string });
});
