// A record as it stands in a file: the fields that JSON Lines and CSV share, and their rules. Text is in `key` and `value`;
// bytes that are no text are in `key64` and `value64`, as base64.
import { isUtf8 } from "node:buffer";
import { FailureError } from "./outcome.js";
import type { Data } from "./opening.js";

export interface FileRecord {
  readonly key: Data;
  readonly value: Data;
  /** Undefined: never. */
  readonly expiresAtMs: number | undefined;
}

export const fieldNames: ReadonlySet<string> = new Set(["key", "key64", "value", "value64", "expiresAtMs"]);

/** Bounds of the store, checked here because only here the line is known. */
export interface DataBounds {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

/** Input that cannot be imported, and where. */
export class InputError extends FailureError {
  readonly line: number;

  constructor(line: number, reason: string) {
    super(`line ${line}: ${reason}`);
    this.line = line;
  }
}

/** A key or value from its two fields. Throws with the reason when it is not exactly one, or is no good. */
export function dataOf(name: "key" | "value", text: unknown, base64: unknown, bounds: DataBounds): Data {
  if (text !== undefined && base64 !== undefined) throw new Error(`has both ${name} and ${name}64`);
  if (text === undefined && base64 === undefined) throw new Error(`has no ${name}`);
  const data = text === undefined ? bytesOfBase64(`${name}64`, base64) : checkText(name, text);
  const bytesMax = bounds[`${name}BytesMax`];
  // UTF-8 takes at most three bytes a unit; counting is for the rare.
  if (data.length * 3 > bytesMax && Buffer.byteLength(data) > bytesMax) {
    throw new Error(
      `${name} has ${Buffer.byteLength(data)} bytes; the most is ${bytesMax}, set by --${name}-bytes-max`,
    );
  }
  return data;
}

export function expiryOf(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new Error("expiresAtMs must be a positive integer, milliseconds since 1970");
}

function checkText(name: string, text: unknown): Data {
  if (typeof text === "string" || text instanceof Uint8Array) return text;
  throw new Error(`${name} must be a string; a structure goes in as its JSON text`);
}

function bytesOfBase64(name: string, base64: unknown): Buffer {
  // Buffer.from skips what it does not understand, so a damaged field would pass for another value.
  if (typeof base64 !== "string" || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw new Error(`${name} must be base64`);
  }
  return Buffer.from(base64, "base64");
}

/** Text, or undefined for bytes that are none. */
export function textOf(data: Data): string | undefined {
  if (typeof data === "string") return data;
  return isUtf8(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8") : undefined;
}

export function base64Of(data: Data): string {
  return Buffer.from(data as Uint8Array).toString("base64");
}

/** The two as fields of a JSON object. */
export function fieldsOf(name: "key" | "value", data: Data, alwaysBase64 = false): Record<string, string> {
  const text = alwaysBase64 ? undefined : textOf(data);
  return text === undefined ? { [`${name}64`]: base64Of(data) } : { [name]: text };
}
