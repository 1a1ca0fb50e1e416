// Runs a program of its own, as a person or a service would, and says how it ended. None may hang: after its time limit it is
// killed, and the test fails with what it had said.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface ProgramResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin gives; nothing by default. */
  readonly input?: string | Uint8Array;
  /** When it counts as hanging, in milliseconds. */
  readonly endsMs?: number;
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
}

const PROGRAM_MS_MAX = 40_000;

export const cliPath = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** The environment without what a person has set for the command line, but with a sanitizer's addon. */
export function cleanEnv(): Record<string, string | undefined> {
  const env: Record<string, string | undefined> = { ...process.env };
  for (const name of Object.keys(env)) {
    // vitest's own settings change how Node warns and colours.
    if (name === "NODE_OPTIONS" || (name.startsWith("CRABKV_") && name !== "CRABKV_ADDON")) env[name] = undefined;
  }
  return env;
}

/** Runs a script of Node to its end. */
export function runProgram(
  path: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...(options.nodeOptions ?? []), path, ...args], {
      cwd: options.cwd,
      env: { ...cleanEnv(), ...options.env },
      stdio: "pipe",
    });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, options.endsMs ?? PROGRAM_MS_MAX);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // A program may end before it has read everything.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (timedOut) reject(new Error(`${path} hung. It said:\n${stdout}${stderr}`));
      else resolve({ code, signal, stdout, stderr });
    });
  });
}

export function crabkv(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  return runProgram(cliPath, args, options);
}
