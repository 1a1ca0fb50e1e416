// A server in a process of its own: for what is about the process (its memory, its files, its death) or must not share the test's
// event loop. Listens on loopback, on a port that is free, unless told another.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { cleanEnv, cliPath } from "../run-program.js";

export interface ProcessOptions {
  readonly dataDir: string;
  /** Flags of `crabkv serve`. */
  readonly flags?: readonly string[];
  readonly port?: number;
  /** How many files it may have open (`ulimit -n`). */
  readonly filesMax?: number;
}

export class ServerProcess {
  readonly port: number;
  /** What it has written to stderr. */
  errors = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    this.#ended = once(child, "close");
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
  }

  /** Resolves when it listens; killed after the test if it still runs then. */
  static async start({ dataDir, flags = [], port = 0, filesMax }: ProcessOptions): Promise<ServerProcess> {
    const words = [cliPath, "serve", "--json", "--data-dir", dataDir, "--addr", `127.0.0.1:${port}`, ...flags];
    const limit = filesMax === undefined ? "" : `ulimit -n ${filesMax} && `;
    const child = spawn("bash", ["-c", `${limit}exec "$0" "$@"`, process.execPath, ...words], { env: cleanEnv() });
    onTestFinished(() => void child.kill("SIGKILL"));
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    while (!said.includes("\n")) {
      await Promise.race([once(child.stdout, "data"), once(child, "close")]);
      if (child.exitCode !== null) throw new Error(`the server ended: ${String(child.stderr.read())}`);
    }
    const { listening } = JSON.parse(said) as { listening: { port: number } };
    return new ServerProcess(child, listening.port);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Sends the signal and resolves, when the process has ended, with its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }

  /** The memory that it has now, and the most that it has had, in bytes (Linux). */
  memory(): { readonly now: number; readonly most: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "latin1");
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)![1]);
    return { now: kib("VmRSS") * 1024, most: kib("VmHWM") * 1024 };
  }
}
