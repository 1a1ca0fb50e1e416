// What the README shows of the server is so: its transcripts are said again and its programs run, against a server on another port.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runProgram } from "../run-program.js";
import { temporaryDirectory } from "../temporary.js";
import { ServerProcess } from "./server-process.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const section = readme.slice(readme.indexOf("## The server"), readme.indexOf("## Extending the server"));

const blocksOf = (language: string): string[] =>
  [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, text]) => text!);

interface Shown {
  readonly command: string;
  said: string;
  answered: string;
}

/** The commands of a transcript, each with what is typed into it (`> `) and what it prints. */
function commandsOf(transcript: string): Shown[] {
  const commands: Shown[] = [];
  for (const line of transcript.trimEnd().split("\n")) {
    const last = commands.at(-1);
    if (line.startsWith("$ ")) commands.push({ command: line.slice(2), said: "", answered: "" });
    else if (line.startsWith("> ")) last!.said += `${line.slice(2)}\n`;
    else last!.answered += `${line}\n`;
  }
  return commands;
}

/** A directory whose programs find this package, and what it is tested with, by name. */
function projectDirectory(): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(root, join(directory, "node_modules", "crabkv"));
  for (const name of ["ioredis", "redis"]) {
    symlinkSync(join(root, "node_modules", name), join(directory, "node_modules", name));
  }
  return directory;
}

test("the README's transcripts and programs give what they show, in their order", async () => {
  const directory = projectDirectory();
  const server = await ServerProcess.start({ dataDir: join(directory, "data") });
  const withPort = (text: string): string => text.replaceAll("4000", String(server.port));
  const transcripts = blocksOf("console").flatMap(commandsOf);
  expect(transcripts.length).toBeGreaterThanOrEqual(4);
  for (const { command, said, answered } of transcripts) {
    const options = { input: said, encoding: "utf8", timeout: 20_000 } as const;
    expect(spawnSync("bash", ["-c", withPort(command)], options).stdout, command).toBe(answered);
  }
  const programs = blocksOf("js");
  expect(programs.length).toBeGreaterThanOrEqual(3);
  for (const [i, program] of programs.entries()) {
    const path = join(directory, `example-${i}.mjs`);
    writeFileSync(path, withPort(program));
    const { code, stdout, stderr } = await runProgram(path, [], { cwd: directory });
    const shown = [...program.matchAll(/console\.log\(.*; \/\/ (.*)$/gm)].map(([, text]) => `${text}\n`);
    expect({ code, stdout, stderr }, program).toEqual({ code: 0, stdout: shown.join(""), stderr: "" });
  }
  expect(await server.end("SIGTERM")).toBe(0);
});
