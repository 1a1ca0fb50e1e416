// What a server counts beside the commands of its sessions (command-figures.ts), and how fast the counts grow.
import type { StoreStats } from "../native.js";

/** Rates are those of about so long, in samples so far apart. */
const WINDOW_MS = 1600;
const SAMPLE_MS = 100;

interface Sample {
  readonly atMs: number;
  readonly commands: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

/** A second. */
export interface Rates {
  readonly commands: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

/** What the store counts from its opening on, as INFO tells it. */
export type StoreCounts = Pick<StoreStats, "expiredKeys" | "inlineReads" | "coldReads">;

export class ServerCounters {
  connectionsReceived = 0;
  connectionsRejected = 0;
  /** Ended, because all together held too much. */
  connectionsEvicted = 0;
  /** Commands that ran in TypeScript. */
  commandsUp = 0;
  inputBytes = 0;
  outputBytes = 0;
  /** As they stood at the last reset. */
  #store: StoreCounts = { expiredKeys: 0, inlineReads: 0, coldReads: 0 };
  #samples: Sample[] = [];

  /** CONFIG RESETSTAT. */
  reset(store: StoreCounts): void {
    this.connectionsReceived = this.connectionsRejected = this.connectionsEvicted = this.commandsUp = 0;
    this.inputBytes = this.outputBytes = 0;
    this.#store = store;
    this.#samples = [];
  }

  /** What has come about since the last reset. */
  since({ expiredKeys, inlineReads, coldReads }: StoreCounts): StoreCounts {
    const before = this.#store;
    return {
      expiredKeys: expiredKeys - before.expiredKeys,
      inlineReads: inlineReads - before.inlineReads,
      coldReads: coldReads - before.coldReads,
    };
  }

  /** To be called now and then; `commands`: how many have run, is asked only when it is time. */
  sample(nowMs: number, commands: () => number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
    const { inputBytes, outputBytes } = this;
    this.#samples.push({ atMs: nowMs, commands: commands(), inputBytes, outputBytes });
    while (this.#samples.length > 2 && nowMs - this.#samples[1]!.atMs >= WINDOW_MS) this.#samples.shift();
  }

  get rates(): Rates {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs <= first.atMs) {
      return { commands: 0, inputBytes: 0, outputBytes: 0 };
    }
    const seconds = (last.atMs - first.atMs) / 1000;
    return {
      commands: (last.commands - first.commands) / seconds,
      inputBytes: (last.inputBytes - first.inputBytes) / seconds,
      outputBytes: (last.outputBytes - first.outputBytes) / seconds,
    };
  }
}
