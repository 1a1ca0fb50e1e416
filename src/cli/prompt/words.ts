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

export function splitWords(line: string): Words {
  const words: Word[] = [];
  let pieces: Buffer[] | undefined;
  let begin = 0;
  let quote: '"' | "'" | undefined;
  let escaped = false;
  const add = (text: string | Buffer): void => void (pieces ??= []).push(Buffer.from(text as string));
  for (let i = 0; i < line.length; i++) {
    const unit = String.fromCodePoint(line.codePointAt(i)!);
    if (pieces === undefined) begin = i;
    i += unit.length - 1;
    if (escaped) {
      escaped = false;
      const byte = quote === '"' ? /^x([0-9a-fA-F]{2})/.exec(line.slice(i, i + 3))?.[1] : undefined;
      if (byte !== undefined) i += 2;
      const plain = quote === '"' ? (escapes[unit] ?? unit) : unit;
      add(byte === undefined ? plain : Buffer.from(byte, "hex"));
    } else if (unit === "\\" && quote !== "'") {
      escaped = true;
      add("");
    } else if (unit === quote) {
      quote = undefined;
    } else if (quote === undefined && (unit === '"' || unit === "'")) {
      quote = unit;
      add("");
    } else if (quote === undefined && /\s/.test(unit)) {
      if (pieces !== undefined) words.push({ data: dataOf(pieces), begin });
      pieces = undefined;
    } else {
      add(unit);
    }
  }
  if (pieces !== undefined) words.push({ data: dataOf(pieces), begin });
  return { words, open: escaped ? "\\" : quote, inWord: pieces !== undefined };
}

function dataOf(pieces: readonly Buffer[]): Data {
  const bytes = Buffer.concat(pieces);
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
