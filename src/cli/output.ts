// Standard output and standard error. Data goes to stdout in pieces that wait while a slow reader reads; messages go to
// stderr. A reader that goes away (`crabkv export | head`) ends the program quietly: it has what it wanted.
import { once } from "node:events";
import { writeSync } from "node:fs";
import type { Writable } from "node:stream";
import { EXIT_DONE, EXIT_FAILURE, hasCode, textOfError } from "./outcome.js";

const PIECE_UNITS = 64 * 1024;

let endInOrder: ((error: Error) => void) | undefined;

/** What cannot be written (a full disk) is a failure, and is told. Call once, before anything is written. */
export function endQuietlyWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: Error) => {
      if (endInOrder !== undefined) {
        endInOrder(error);
        return;
      }
      // Nothing of a store is lost by this: reading commands have nothing to lose, others answer after the work is done.
      if (hasCode(error, "EPIPE")) process.exit(process.exitCode ?? EXIT_DONE);
      if (stream === process.stdout) writeSync(process.stderr.fd, `${textOfError(error)}\n`);
      process.exit(EXIT_FAILURE);
    });
  }
}

/** For a command that has something to lose: `end` is told each time that stdout or stderr cannot be written, and ends the program. */
export function onUnwritable(end: (error: Error) => void): void {
  endInOrder = end;
}

/** Data: a line on stdout. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A message for the person: a line on stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Collects text, and writes it in large pieces. `flush` what is left at the end. */
export class TextWriter {
  readonly #target: Writable;
  #text = "";
  bytesWritten = 0;

  constructor(target: Writable) {
    this.#target = target;
  }

  /** Undefined, or what to wait for before writing on. */
  write(text: string): Promise<void> | undefined {
    this.#text += text;
    return this.#text.length < PIECE_UNITS ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const piece = Buffer.from(this.#text);
    this.#text = "";
    this.bytesWritten += piece.length;
    if (piece.length > 0 && !this.#target.write(piece)) await once(this.#target, "drain");
  }
}

/** Rows of cells, aligned; all rows have as many. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function formatBytes(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

export function formatSeconds(seconds: number): string {
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(2)} s`;
}
