// CSV: a header line, then a record a line, quoted where it must be. The header names the columns: key or key64, value or
// value64, and perhaps expiresAtMs, in any order.
import { isUtf8 } from "node:buffer";
import { pipeline } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { stringify } from "csv-stringify/sync";
import { FailureError } from "./outcome.js";
import { base64Of, dataOf, expiryOf, fieldNames, InputError, textOf } from "./records.js";
import type { DataBounds, FileRecord } from "./records.js";

// At least: the largest value that is allowed by default fits with every byte a doubled quote.
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Of a row beside its key and value. */
const FIELDS_BYTES_MAX = 1024;
const BATCH_RECORDS = 256;
const BYTE_ORDER_MARK = Buffer.from("\ufeff");

interface ParsedRow {
  readonly record: readonly Buffer[];
  readonly info: { readonly lines: number };
}

/** The records of the input, some at a time. After an InputError nothing more comes. */
export async function* readCsv(
  input: AsyncIterable<Buffer>,
  bounds: DataBounds,
): AsyncGenerator<FileRecord[], void, undefined> {
  const parser = parse({
    encoding: null,
    info: true,
    max_record_size: recordBytesMaxOf(bounds),
    skip_empty_lines: true,
  });
  // Errors of the input come out of the parser; the callback only keeps them from being unhandled.
  pipeline(withoutByteOrderMark(input), parser, () => undefined);
  let header: Map<string, number> | undefined;
  let records: FileRecord[] = [];
  let lineBefore = 0;
  try {
    for await (const { record: fields, info } of parser as AsyncIterable<ParsedRow>) {
      const line = lineBefore + 1;
      lineBefore = info.lines;
      try {
        if (header === undefined) header = parseHeader(fields);
        else records.push(parseRow(fields, header, bounds));
      } catch (error) {
        throw new InputError(line, (error as Error).message);
      }
      if (records.length < BATCH_RECORDS) continue;
      yield records;
      records = [];
    }
  } catch (error) {
    yield records;
    if (!(error instanceof CsvError)) throw error;
    throw new InputError(Number(error.lines ?? lineBefore + 1), `not CSV: ${error.message}`);
  }
  yield records;
}

// What an export has written must come in again, also where larger values than by default are allowed.
function recordBytesMaxOf({ keyBytesMax, valueBytesMax }: DataBounds): number {
  return Math.max(RECORD_BYTES_MAX, (keyBytesMax + valueBytesMax) * 2 + FIELDS_BYTES_MAX);
}

// The parser can do this, but then takes the mark for the encoding of the fields, which are to come as bytes.
async function* withoutByteOrderMark(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let isFirst = true;
  for await (const chunk of input) {
    yield isFirst && chunk.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
      ? chunk.subarray(BYTE_ORDER_MARK.length)
      : chunk;
    isFirst = false;
  }
}

export function csvHeader(base64: boolean): string {
  return base64 ? "key64,value64,expiresAtMs\n" : "key,value,expiresAtMs\n";
}

export function writeCsv({ key, value, expiresAtMs }: FileRecord, base64: boolean): string {
  const row = base64 ? [base64Of(key), base64Of(value)] : [cellOf(key), cellOf(value)];
  // A carriage return at the end of a line would be taken for a part of the line's end.
  return stringify([[...row, expiresAtMs ?? ""]], { quoted_match: /\r/ });
}

function cellOf(data: FileRecord["key"]): string {
  const text = textOf(data);
  if (text !== undefined) return text;
  throw new FailureError("there are bytes that are not UTF-8, which CSV cannot hold; use --base64, or --format jsonl");
}

function parseHeader(fields: readonly Buffer[]): Map<string, number> {
  const names = fields.map((field) => field.toString("utf8").trim());
  const header = new Map(names.map((name, i) => [name, i]));
  const unknown = names.find((name) => !fieldNames.has(name));
  if (unknown !== undefined) {
    const known = [...fieldNames].join(", ");
    throw new Error(`unknown column ${JSON.stringify(unknown)} in the header; known are ${known}`);
  }
  if (header.size !== names.length) throw new Error("a column comes twice in the header");
  for (const name of ["key", "value"]) {
    if (header.has(name) === header.has(`${name}64`)) throw new Error(`the header must have ${name} or ${name}64`);
  }
  return header;
}

function parseRow(fields: readonly Buffer[], header: ReadonlyMap<string, number>, bounds: DataBounds): FileRecord {
  const field = (name: string): Buffer | undefined => {
    const index = header.get(name);
    const bytes = index === undefined ? undefined : fields[index];
    if (bytes !== undefined && !isUtf8(bytes)) throw new Error(`${name} is not UTF-8`);
    return bytes;
  };
  const expiresAtMs = field("expiresAtMs")?.toString() ?? "";
  return {
    key: dataOf("key", field("key"), field("key64")?.toString(), bounds),
    value: dataOf("value", field("value"), field("value64")?.toString(), bounds),
    // NaN for what is no number, which the check refuses.
    expiresAtMs: expiryOf(expiresAtMs === "" ? undefined : /^\d+$/.test(expiresAtMs) ? Number(expiresAtMs) : NaN),
  };
}
