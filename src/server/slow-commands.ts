// The commands that took long, for SLOWLOG: those that waited for something, a reader thread or what TypeScript had to wait for.
// What runs at once is bounded and is not timed one by one.
import type { Connection } from "./connection.js";
import { shortened } from "./shortened.js";

export interface SlowCommand {
  readonly id: number;
  /** When it ended. */
  readonly atMs: number;
  readonly tookMs: number;
  /** Shortened as Redis does: 32 words of 128 bytes. */
  readonly words: readonly Buffer[];
  readonly address: string;
  readonly name: string;
}

export const SLOW_COMMANDS_MAX = 128;
const SHOWN_MAX = { words: 32, wordBytes: 128 };
/** From here on a command is slow. */
export const SLOW_MS = 10;
/** Commands whose arguments nobody may read later. */
const SECRET = /^(?:auth|hello)$/i;

export class SlowCommands {
  #entries: SlowCommand[] = [];
  #idsGiven = 0;

  get length(): number {
    return this.#entries.length;
  }

  /** Of a command that began at `sinceMs` (of `performance.now()`) and has just ended. */
  addIfSlow(sinceMs: number, { peerAddress, name }: Connection, wordsOf: () => readonly Buffer[]): void {
    const tookMs = performance.now() - sinceMs;
    if (tookMs < SLOW_MS) return;
    const words = wordsOf();
    if (SECRET.test(words[0]!.toString("latin1"))) return;
    this.#add(tookMs, words, peerAddress, name);
  }

  #add(tookMs: number, words: readonly Buffer[], address: string, name: string): void {
    const shown = shortened(words, SHOWN_MAX);
    this.#entries.unshift({ id: this.#idsGiven++, atMs: Date.now(), tookMs, words: shown, address, name });
    if (this.#entries.length > SLOW_COMMANDS_MAX) this.#entries.length = SLOW_COMMANDS_MAX;
  }

  newest(count: number): readonly SlowCommand[] {
    return this.#entries.slice(0, count);
  }

  clear(): void {
    this.#entries = [];
  }
}
