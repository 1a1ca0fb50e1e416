// The parent's side of store-process.mjs: requests in, answers out, and SIGKILL.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { OpenOptions } from "../../src/index.js";
import type { Command } from "./commands.js";

const program = fileURLToPath(new URL("store-process.mjs", import.meta.url));

/** What a command gave, and when it ran. */
export type Answer = readonly [number: number, beforeMs: number, afterMs: number, result: unknown, buffered: number];
/** An entry as the store shows it after opening. */
export type AuditedEntry = readonly [key: string, value: string, version: number, expiresAtMs: number | "never"];

interface Message {
  answer?: Answer;
  done?: unknown;
  failed?: string;
}

export class StoreProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #onMessage: ((message: Message) => void) | undefined;
  #onExit: ((error: Error) => void) | undefined;
  #errors = "";

  constructor() {
    this.#child = fork(program, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#child.on("message", (message: Message) => this.#onMessage?.(message));
    // When it has exited and all that it sent was read.
    this.#exited = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.#onExit?.(new Error(`the store's process died of ${signal ?? `exit code ${code}`}: ${this.#errors}`));
        resolve();
      });
    });
  }

  async open(directory: string, options: OpenOptions, twoHandles = false): Promise<AuditedEntry[]> {
    return (await this.#ask({ do: "open", directory, options, twoHandles })) as AuditedEntry[];
  }

  async close(): Promise<void> {
    await this.#ask({ do: "close" });
  }

  /** Runs the commands, and kills the process when `killAfter` of them have answered. The answers that came. */
  async run(list: readonly Command[], window: number, killAfter: number | undefined): Promise<Answer[]> {
    const answers: Answer[] = [];
    const maybeKill = () => {
      if (killAfter !== undefined && answers.length >= killAfter) this.#child.kill("SIGKILL");
    };
    const asked = this.#ask({ do: "run", list, window }, (answer) => {
      answers.push(answer);
      maybeKill();
    });
    maybeKill();
    // A store that fails by itself before it is killed is not excused.
    await asked.catch((error: unknown) => {
      if (!this.#child.killed) throw error;
    });
    if (killAfter !== undefined) await this.#exited;
    return answers;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #ask(request: object, onAnswer?: (answer: Answer) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#onExit = reject;
      this.#onMessage = ({ answer, done, failed }) => {
        if (answer !== undefined) onAnswer?.(answer);
        else if (failed !== undefined) reject(new Error(failed));
        else resolve(done);
      };
      this.#child.send(request, (error) => {
        if (error !== null) reject(error);
      });
    });
  }
}
