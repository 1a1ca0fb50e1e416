// A line of the prompt as words, quoted as in a shell, and data as such a word. In single quotes everything is itself; in double
// quotes \n, \r, \t, \\, \" and \xNN (a byte) are what they stand for; elsewhere a backslash takes the next character as it is.
import { isUtf8 } from "node:buffer";
import type { Data } from "../opening.js";
import { textOf } from "../records.js";

export interface Word {
  /** Text, or bytes where they are not UTF-8. */
  readonly data: Data;
  /** Where it begins in the line. */
  readonly begin: number;
}

/** What a line is so far. */
export interface Words {
  readonly words: readonly Word[];
  /** The quote that is not closed, or a backslash at the end. */
  readonly open: '"' | "'" | "\\" | undefined;
  /** The last word goes on at the end of the line. */
  readonly inWord: boolean;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** What ends text that stands for itself, by the quote that it is in. */
const ends = { "": /[\s"'\\]/g, '"': /["\\]/g, "'": /'/g } as const;

export function splitWords(line: string): Words {
  const words: Word[] = [];
  // Of the word under way, each character a byte: a large value in many pieces takes less as strings than as buffers.
  let pieces: string[] | undefined;
  let begin = 0;
  let quote: '"' | "'" | undefined;
  let escaped = false;
  for (let i = 0; i < line.length;) {
    if (pieces === undefined) begin = i;
    if (escaped) {
      escaped = false;
      const { bytes, units } = escapedAt(line, i, quote);
      pieces!.push(bytes);
      i += units;
    }
    const end = endOfText(line, i, quote);
    if (end > i) (pieces ??= []).push(bytesOf(line.slice(i, end)));
    i = end + 1;
    const unit = line[end];
    if (unit === undefined) break;
    if (unit === "\\") {
      escaped = true;
      pieces ??= [];
    } else if (unit === quote) {
      quote = undefined;
    } else if (unit === '"' || unit === "'") {
      quote = unit;
      pieces ??= [];
    } else {
      if (pieces !== undefined) words.push({ data: dataOf(pieces), begin });
      pieces = undefined;
    }
  }
  if (pieces !== undefined) words.push({ data: dataOf(pieces), begin });
  return { words, open: escaped ? "\\" : quote, inWord: pieces !== undefined };
}

function endOfText(line: string, begin: number, quote: '"' | "'" | undefined): number {
  const end = ends[quote ?? ""];
  end.lastIndex = begin;
  return end.test(line) ? end.lastIndex - 1 : line.length;
}

/** What stands behind a backslash, and how much of the line it takes. */
function escapedAt(line: string, i: number, quote: '"' | "'" | undefined): { bytes: string; units: number } {
  const unit = String.fromCodePoint(line.codePointAt(i)!);
  if (quote === undefined) return { bytes: bytesOf(unit), units: unit.length };
  const byte = unit === "x" ? /^[0-9a-fA-F]{2}$/.exec(line.slice(i + 1, i + 3))?.[0] : undefined;
  if (byte !== undefined) return { bytes: String.fromCharCode(parseInt(byte, 16)), units: 3 };
  return { bytes: bytesOf(escapes[unit] ?? unit), units: unit.length };
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function dataOf(pieces: readonly string[]): Data {
  const bytes = Buffer.from(pieces.join(""), "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : bytes;
}

// No control characters, which a terminal would obey, and nothing that ends a line. Emoji are joined with U+200D.
const printable = /^(?:[^\p{C}\p{Zl}\p{Zp}]|\u200d)*$/u;

/** Text that can be shown as it is on a line. */
export function isPrintable(data: Data): data is string {
  return typeof data === "string" && printable.test(data);
}

/** What is stored, as it is when it is printable, else in quotes: nothing stored can look like another answer. */
export function shown(data: Data): string {
  const text = textOf(data) ?? data;
  return isPrintable(text) && text !== "" && !text.startsWith('"') ? text : quoted(text);
}

/** The same as one word, which can be typed. */
export function wordOf(data: Data): string {
  const text = textOf(data) ?? data;
  return isPrintable(text) && /^[^\s"'\\]+$/.test(text) ? text : quoted(text);
}

function quoted(data: Data): string {
  if (typeof data !== "string") return `"${Array.from(data, (byte) => quotedByte(byte)).join("")}"`;
  const units = Array.from(data, (unit) => {
    if (unit === '"' || unit === "\\") return `\\${unit}`;
    const name = Object.keys(escapes).find((letter) => escapes[letter] === unit);
    if (name !== undefined) return `\\${name}`;
    return printable.test(unit) ? unit : Array.from(Buffer.from(unit), (byte) => hexOf(byte)).join("");
  });
  return `"${units.join("")}"`;
}

function quotedByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? String.fromCharCode(byte) : hexOf(byte);
}

const hexOf = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;
