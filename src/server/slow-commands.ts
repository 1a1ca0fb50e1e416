// The commands that took long, for SLOWLOG: those that waited for something, a reader thread or what TypeScript had to wait for.
// What runs at once is bounded and is not timed one by one.
import type { Connection } from "./connection.js";

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
const WORDS_MAX = 32;
const WORD_BYTES_MAX = 128;
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
    const kept = words.length > WORDS_MAX ? words.slice(0, WORDS_MAX - 1) : words;
    const shown = kept.map(shortened);
    if (kept.length < words.length) shown.push(Buffer.from(`... (${words.length - kept.length} more arguments)`));
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

function shortened(word: Buffer): Buffer {
  if (word.length <= WORD_BYTES_MAX) return word;
  const rest = Buffer.from(`... (${word.length - WORD_BYTES_MAX} more bytes)`);
  return Buffer.concat([word.subarray(0, WORD_BYTES_MAX), rest]);
}
