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
  /** Whether it compacts all the time. */
  readonly compacts?: boolean;
}

/** By that time, the writes up to this number were. */
interface Notice {
  readonly number: number;
  readonly atNs: number;
}

function lastBefore(notices: readonly Notice[], timeNs: number): number {
  return notices.findLast(({ atNs }) => atNs < timeNs)?.number ?? 0;
}

export class WriterProcess {
  /** What it said of writes becoming acknowledged, and of `sync: "always"` ones among them. */
  readonly #acknowledged: Notice[] = [];
  readonly #durable: Notice[] = [];
  readonly #compacting: Notice[] = [];
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

  /** Writes up to this number were acknowledged by then (on the monotonic clock); 0 for none. */
  acknowledged(byNs = Infinity): number {
    return lastBefore(this.#acknowledged, byNs);
  }

  /** The same of the writes that were made with `sync: "always"`. */
  durable(byNs = Infinity): number {
    return lastBefore(this.#durable, byNs);
  }

  /** Whether it was compacting then. */
  compacting(atNs: number): boolean {
    return lastBefore(this.#compacting, atNs) === 1;
  }

  #take(line: string): void {
    const [what, number, atNs] = line.split(" ");
    const notice = { number: Number(number), atNs: Number(atNs) };
    if (what === "a") this.#acknowledged.push(notice);
    else if (what === "d") this.#durable.push(notice);
    else if (what === "c") this.#compacting.push(notice);
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
