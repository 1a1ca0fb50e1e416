// A program on a terminal of its own, with a person at it. Needs python3, which has pseudo-terminals and which the build needs
// anyway.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cleanEnv, cliPath } from "./run-program.js";

const script = fileURLToPath(new URL("terminal.py", import.meta.url));

export interface TerminalOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A step: what to wait for on the terminal, and what to type then. */
export type Step = readonly [expected: string, typed: string];

export interface TerminalResult {
  readonly code: number;
  /** All that the terminal showed, control sequences included. */
  readonly output: string;
}

export function onTerminal(
  argv: readonly string[],
  steps: readonly Step[],
  { cwd, env = {} }: TerminalOptions,
): TerminalResult {
  const whole = { ...cleanEnv(), NO_COLOR: undefined, TERM: "xterm", ...env };
  const input = JSON.stringify({ argv, cwd, env: whole, steps });
  const { stdout, stderr, error } = spawnSync("python3", [script], {
    input,
    encoding: "utf8",
    timeout: 50_000,
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  if (stdout === "") throw new Error(`terminal.py: ${stderr}`);
  return JSON.parse(stdout) as TerminalResult;
}

export function crabkvOnTerminal(
  args: readonly string[],
  steps: readonly Step[],
  options: TerminalOptions,
): TerminalResult {
  return onTerminal([process.execPath, cliPath, ...args], steps, options);
}
