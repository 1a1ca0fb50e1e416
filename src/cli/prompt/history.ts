// What was typed at earlier prompts: a file of lines, the oldest first, for its owner's eyes only. Trouble with it never ends a
// prompt: it is told once, and the history is then that of this prompt.
import {
  appendFileSync,
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { hasCode } from "../outcome.js";

export const HISTORY_LINES_MAX = 1000;
const FILE_BYTES_MAX = 1024 * 1024;
/** Longer lines are values that nobody types twice. */
const LINE_UNITS_MAX = 4096;

export class History {
  readonly #path: string | undefined;
  readonly #onTrouble: (error: Error) => void;
  #broken = false;
  /** The newest first, as readline has them. */
  readonly lines: string[] = [];

  /** `path` undefined: in memory only. */
  constructor(path: string | undefined, onTrouble: (error: Error) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    if (path !== undefined) this.#guard(() => this.#load(path));
  }

  add(line: string): void {
    const path = this.#path;
    if (path === undefined || line.trim() === "" || line.length > LINE_UNITS_MAX) return;
    this.#guard(() => appendFileSync(path, `${line}\n`, { mode: 0o600 }));
  }

  #load(path: string): void {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const text = readEnd(path);
    if (text === undefined) return;
    chmodSync(path, 0o600);
    const kept = text.split("\n").filter((line) => line !== "");
    this.lines.push(...kept.slice(-HISTORY_LINES_MAX).reverse());
    if (kept.length <= HISTORY_LINES_MAX) return;
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, `${kept.slice(-HISTORY_LINES_MAX).join("\n")}\n`, { mode: 0o600 });
    renameSync(temporary, path);
  }

  #guard(work: () => void): void {
    if (this.#broken) return;
    try {
      work();
    } catch (error) {
      this.#broken = true;
      this.#onTrouble(error as Error);
    }
  }
}

/** The last lines of a file, undefined when there is none. */
function readEnd(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, FILE_BYTES_MAX));
    const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    const text = bytes.toString("utf8", 0, read);
    return size > bytes.length ? text.slice(text.indexOf("\n") + 1) : text;
  } finally {
    closeSync(file);
  }
}
