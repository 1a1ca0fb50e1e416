// JSON Lines: an object a line, {"key", "value", "expiresAtMs"?}. Split by hand: node:readline also ends lines at U+2028,
// which JSON strings may hold, and puts no bound on a line.
import { isUtf8 } from "node:buffer";
import { dataOf, expiryOf, fieldNames, fieldsOf, InputError } from "./records.js";
import type { DataBounds, FileRecord } from "./records.js";

// The largest value with every byte escaped as \u00XX fits.
const LINE_BYTES_MAX = 128 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The records of each piece of input. After an InputError nothing more comes; everything before it has come. */
export async function* readJsonl(
  input: AsyncIterable<Buffer>,
  bounds: DataBounds,
): AsyncGenerator<FileRecord[], void, undefined> {
  let lineNumber = 0;
  for await (const lines of splitLines(input)) {
    const records: FileRecord[] = [];
    for (const line of lines) {
      lineNumber++;
      try {
        const record = parseLine(line, lineNumber === 1, bounds);
        if (record !== undefined) records.push(record);
      } catch (error) {
        yield records;
        throw new InputError(lineNumber, (error as Error).message);
      }
    }
    yield records;
  }
}

export function writeJsonl({ key, value, expiresAtMs }: FileRecord, base64: boolean): string {
  const fields = { ...fieldsOf("key", key, base64), ...fieldsOf("value", value, base64), expiresAtMs };
  return `${JSON.stringify(fields)}\n`;
}

/** The lines that each piece of input ends. */
async function* splitLines(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer[], void, undefined> {
  let pieces: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of input) {
    const lines: Buffer[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      const rest = chunk.subarray(begin, end);
      lines.push(pieces.length === 0 ? rest : Buffer.concat([...pieces, rest]));
      pieces = [];
      pendingBytes = 0;
      begin = end + 1;
    }
    if (begin < chunk.length) {
      pieces.push(chunk.subarray(begin));
      pendingBytes += chunk.length - begin;
    }
    yield lines;
    // A line of its own, so that parsing it says what is wrong and where.
    if (pendingBytes > LINE_BYTES_MAX) return yield [Buffer.concat(pieces)];
  }
  if (pieces.length > 0) yield [Buffer.concat(pieces)];
}

function parseLine(line: Buffer, isFirst: boolean, bounds: DataBounds): FileRecord | undefined {
  if (line.length > LINE_BYTES_MAX) throw new Error(`longer than ${LINE_BYTES_MAX} bytes`);
  if (!isUtf8(line)) throw new Error("not UTF-8");
  let text = line.toString("utf8");
  if (isFirst && text.startsWith("\ufeff")) text = text.slice(1);
  if (text.trim() === "") return undefined;
  const parsed = parseJson(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error("not a JSON object");
  for (const field in parsed) {
    if (!fieldNames.has(field)) {
      throw new Error(`unknown field ${JSON.stringify(field)}; known are ${[...fieldNames].join(", ")}`);
    }
  }
  const { key, key64, value, value64, expiresAtMs } = parsed as Record<string, unknown>;
  const record = {
    key: dataOf("key", key, key64, bounds),
    value: dataOf("value", value, value64, bounds),
    expiresAtMs: expiryOf(expiresAtMs),
  };
  // The line is UTF-8, so only an escape can have made half of a pair.
  if (/\\u[dD]/.test(text)) checkWellFormed(record);
  return record;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function checkWellFormed({ key, value }: FileRecord): void {
  for (const [name, data] of [
    ["key", key],
    ["value", value],
  ] as const) {
    if (typeof data === "string" && /\p{Surrogate}/u.test(data)) throw new Error(`${name} has a lone surrogate`);
  }
}
