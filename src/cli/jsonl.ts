// JSON Lines: an object a line, {"key", "value", "expiresAtMs"?}.
import { isUtf8 } from "node:buffer";
import { LINE_BYTES_MAX, splitLines } from "./lines.js";
import { dataOf, expiryOf, fieldNames, fieldsOf, InputError } from "./records.js";
import type { DataBounds, FileRecord } from "./records.js";

/** Of a byte: \u00XX. */
const ESCAPED_BYTES_MAX = 6;
/** Of a line beside its key and value. */
const FIELDS_BYTES_MAX = 1024;

/** The records of each piece of input. After an InputError nothing more comes; everything before it has come. */
export async function* readJsonl(
  input: AsyncIterable<Buffer>,
  bounds: DataBounds,
): AsyncGenerator<FileRecord[], void, undefined> {
  const lineBytesMax = lineBytesMaxOf(bounds);
  let lineNumber = 0;
  for await (const lines of splitLines(input, lineBytesMax)) {
    const records: FileRecord[] = [];
    for (const line of lines) {
      lineNumber++;
      try {
        if (line.length > lineBytesMax) throw new Error(`longer than ${lineBytesMax} bytes`);
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

// What an export has written must come in again, also where larger values than by default are allowed.
function lineBytesMaxOf({ keyBytesMax, valueBytesMax }: DataBounds): number {
  return Math.max(LINE_BYTES_MAX, (keyBytesMax + valueBytesMax) * ESCAPED_BYTES_MAX + FIELDS_BYTES_MAX);
}

export function writeJsonl({ key, value, expiresAtMs }: FileRecord, base64: boolean): string {
  const fields = { ...fieldsOf("key", key, base64), ...fieldsOf("value", value, base64), expiresAtMs };
  return `${JSON.stringify(fields)}\n`;
}

function parseLine(line: Buffer, isFirst: boolean, bounds: DataBounds): FileRecord | undefined {
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
