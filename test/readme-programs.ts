// The README's programs, run as they stand there: in a directory that has this package, and what a program is shown with, by name.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { runProgram } from "./run-program.js";
import type { ProgramResult } from "./run-program.js";
import { temporaryDirectory } from "./temporary.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

/** Its sections, by their headings: the title, which stands for what comes before the first of them, and `## …`. */
export const headings = [...readme.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^##? .*$/gm)].map(
  ([heading]) => heading,
);

/** A section of the README, from its heading (`## The server`) to the next of its level. */
export function sectionOf(heading: string): string {
  const begin = `\n${readme}`.indexOf(`\n${heading}\n`);
  if (begin < 0) throw new Error(`the README has no ${heading}`);
  const end = readme.indexOf("\n## ", begin + 1);
  return readme.slice(begin, end < 0 ? undefined : end);
}

/** The code blocks of a language, in their order. */
export function blocksOf(section: string, language: string): string[] {
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, text]) => text!);
}

/** An empty project, gone when the test is over, that has installed this package and `packages`. */
export function projectDirectory(packages: readonly string[]): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(root, join(directory, "node_modules", "crabkv"));
  for (const name of packages) {
    const path = join(directory, "node_modules", name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(root, "node_modules", name), path);
  }
  return directory;
}

/** Runs a program in a project to its end. */
export function runAsProgram(program: string, directory: string): Promise<ProgramResult> {
  const path = join(directory, "example.mjs");
  writeFileSync(path, program);
  return runProgram(path, [], { cwd: directory });
}

/** The same, to its good end. It must print what its `console.log(…); // …` show, and nothing else. */
export async function expectShown(program: string, directory: string): Promise<void> {
  const { code, stdout, stderr } = await runAsProgram(program, directory);
  const shown = [...program.matchAll(/console\.log\(.*; \/\/ (.*)$/gm)].map(([, text]) => `${text}\n`);
  expect({ code, stdout, stderr }, program).toEqual({ code: 0, stdout: shown.join(""), stderr: "" });
}
