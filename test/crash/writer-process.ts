// The parent's side of writer.mjs: starts one ahead, gives it its task, counts what it acknowledges, kills it.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { OpenOptions } from "../../src/index.js";

const program = fileURLToPath(new URL("writer.mjs", import.meta.url));

export interface WriterTask {
  readonly directory: string;
  readonly options: OpenOptions;
  /** Number of the first write. */
  readonly from: number;
  /** Most writes that wait for their acknowledgement. */
  readonly window: number;
  /** Of so many writes one is made with `sync: "always"`, when it is a single put. */
  readonly durableEvery: number;
}

export class WriterProcess {
  /** Writes up to this number are acknowledged; 0 for none. */
  acknowledged = 0;
  /** The highest write that was acknowledged under `sync: "always"`. */
  durable = 0;
  /** The code of the error that ended it before it was killed. */
  failedWith: string | undefined;
  errors = "";
  readonly ready: Promise<void>;
  readonly opened: Promise<void>;
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #killed = false;

  constructor() {
    const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "pipe"] });
    this.#process = child;
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
    let isReady!: () => void;
    let isOpen!: () => void;
    this.ready = new Promise((resolve) => (isReady = resolve));
    this.opened = new Promise((resolve) => (isOpen = resolve));
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "ready") isReady();
        else if (line === "open") isOpen();
        else this.#take(line);
      }
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    // A writer that could not be told its task says why on stderr.
    child.stdin.on("error", () => undefined);
    void this.#ended.then(() => {
      isReady();
      isOpen();
    });
  }

  begin(task: WriterTask): void {
    this.#process.stdin!.write(`${JSON.stringify(task)}\n`);
  }

  /** Whether it ended by itself, which no writer should. */
  get died(): boolean {
    return !this.#killed && (this.#process.exitCode !== null || this.#process.signalCode !== null);
  }

  /** SIGKILL; resolves when it is gone and everything that it said was read. */
  async kill(): Promise<void> {
    if (!this.died) this.#killed = true;
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  #take(line: string): void {
    const [what, number] = line.split(" ");
    if (what === "a") this.acknowledged = Math.max(this.acknowledged, Number(number));
    else if (what === "d") this.durable = Math.max(this.durable, Number(number));
    else if (what === "failed") this.failedWith ??= number;
    else throw new Error(`the writer said ${line}`);
  }
}

/** Hands out writers that are ready; the next one starts while the last one is at work. */
export class WriterPool {
  #spare: WriterProcess | undefined = new WriterProcess();

  async take(): Promise<WriterProcess> {
    const writer = this.#spare ?? new WriterProcess();
    this.#spare = new WriterProcess();
    await writer.ready;
    return writer;
  }

  async end(): Promise<void> {
    await this.#spare?.kill();
    this.#spare = undefined;
  }
}
