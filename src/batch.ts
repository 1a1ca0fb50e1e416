// Turns records, operations and key lists into the columns and rows that the addon takes (native/addon/batches.cc): a whole
// batch crosses in one call, and its strings in one conversion.
import { utf8Codec } from "./encodings.js";
import type { Codec } from "./encodings.js";
import { describe } from "./errors.js";
import {
  GUARD_ABSENT,
  GUARD_NONE,
  GUARD_PRESENT,
  GUARD_VERSION,
  KIND_CHECK,
  KIND_DELETE,
  KIND_PUT,
  ROW_KEEP_TTL,
  ROW_NUMBERS,
} from "./native.js";
import type { Bytes, Column } from "./native.js";
import { resolveTtl } from "./options.js";

/** One record of `putMany` and of a write stream. */
export interface PutRecord<K, V> {
  readonly key: K;
  readonly value: V;
  /** Milliseconds until the key expires: a positive integer, or `Infinity` for never. Default: `defaultTtlMs`. */
  readonly ttlMs?: number | undefined;
}

/** A condition on a key as it was before the batch. `version` is {@link Entry.version}. */
export type Guard = "absent" | "present" | { readonly version: number };

/** One operation of {@link Store.batch}. */
export type BatchOperation<K, V> =
  | {
      readonly type: "put";
      readonly key: K;
      readonly value: V;
      /** `"keep"`: what the key has. */
      readonly ttlMs?: number | "keep" | undefined;
      readonly if?: Guard | undefined;
    }
  | { readonly type: "delete"; readonly key: K; readonly if?: Guard | undefined }
  | { readonly type: "check"; readonly key: K; readonly if: Guard };

/** `version` is that of the batch's last record; 0 when nothing had to be written. */
export type BatchResult =
  { readonly committed: true; readonly version: number } | { readonly committed: false; readonly failedIndex: number };

/** A batch as the addon takes it. */
export interface EncodedBatch {
  readonly keys: Column;
  readonly values: Column;
  /** Undefined: unguarded puts that never expire. */
  readonly rows: Float64Array | undefined;
}

// A string longer than this is not joined from pieces: engines stop at about 2^29 units.
const TEXT_UNITS_MAX = 2 ** 28;

export function encodeKeys(keys: readonly unknown[], codec: Codec): Column {
  checkArray(keys, "keys");
  const encoded = new Array<Bytes>(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    // Names are made for messages only, and the usual key needs none.
    encoded[i] = codec === utf8Codec && typeof key === "string" ? key : codec.encode(key, `keys[${i}]`);
  }
  return pack(encoded, "keys");
}

/** Records with their times to live; `ttls` is undefined when all have the default. */
export interface EncodedRecords {
  readonly keys: Column;
  readonly values: Column;
  readonly ttls: Float64Array | undefined;
}

/** Those from `begin` on, until they have `bytesMax` bytes or characters together. */
export function encodeRecords(
  records: readonly unknown[],
  keyCodec: Codec,
  valueCodec: Codec,
  defaultTtlMs: number,
  begin = 0,
  bytesMax = Infinity,
): EncodedRecords {
  checkArray(records, "records");
  const keys: Bytes[] = [];
  const values: Bytes[] = [];
  let ttls: Float64Array | undefined;
  let bytes = 0;
  for (let i = begin; i < records.length && bytes < bytesMax; i++) {
    const record = records[i] as PutRecord<unknown, unknown> | null | undefined;
    if (typeof record !== "object" || record === null) {
      throw new TypeError(`records[${i}] must be { key, value, ttlMs? }, not ${describe(record)}`);
    }
    for (const name in record) {
      if (name !== "key" && name !== "value" && name !== "ttlMs") throw unknownProperty(`records[${i}]`, name);
    }
    const { key, value, ttlMs } = record;
    const storedKey =
      keyCodec === utf8Codec && typeof key === "string" ? key : keyCodec.encode(key, `records[${i}].key`);
    const storedValue =
      valueCodec === utf8Codec && typeof value === "string" ? value : valueCodec.encode(value, `records[${i}].value`);
    keys.push(storedKey);
    values.push(storedValue);
    bytes += storedKey.length + storedValue.length;
    if (ttlMs !== undefined) {
      ttls ??= new Float64Array(records.length - begin).fill(defaultTtlMs);
      ttls[i - begin] = resolveTtl(ttlMs, `records[${i}].ttlMs`, defaultTtlMs);
    }
  }
  return { keys: pack(keys, "records"), values: pack(values, "records"), ttls: ttls?.subarray(0, keys.length) };
}

/** The rows of plain puts, which need none when nothing expires. */
export function rowsOfPuts(
  count: number,
  ttls: Float64Array | undefined,
  defaultTtlMs: number,
): Float64Array | undefined {
  if (ttls === undefined && defaultTtlMs === 0) return undefined;
  const rows = new Float64Array(count * ROW_NUMBERS);
  for (let i = 0; i < count; i++) {
    rows[i * ROW_NUMBERS] = KIND_PUT;
    rows[i * ROW_NUMBERS + 2] = ttls === undefined ? defaultTtlMs : ttls[i]!;
  }
  return rows;
}

export function encodeBatch(
  operations: readonly unknown[],
  keyCodec: Codec,
  valueCodec: Codec,
  defaultTtlMs: number,
): EncodedBatch {
  checkArray(operations, "operations");
  const count = operations.length;
  const keys = new Array<Bytes>(count);
  const values = new Array<Bytes>(count);
  const rows = new Float64Array(count * ROW_NUMBERS);
  for (let i = 0; i < count; i++) {
    const name = `operations[${i}]`;
    const operation = operations[i] as BatchOperation<unknown, unknown> | null | undefined;
    if (typeof operation !== "object" || operation === null) {
      throw new TypeError(`${name} must be an object, not ${describe(operation)}`);
    }
    const kind = kindOf(operation, name);
    const [guard, version] = resolveGuard(operation.if, kind, name);
    keys[i] = keyCodec.encode(operation.key, `${name}.key`);
    values[i] = operation.type === "put" ? valueCodec.encode(operation.value, `${name}.value`) : "";
    rows[i * ROW_NUMBERS] = kind + 16 * guard;
    rows[i * ROW_NUMBERS + 1] = version;
    if (operation.type === "put" && operation.ttlMs === "keep") {
      rows[i * ROW_NUMBERS]! += ROW_KEEP_TTL;
    } else if (operation.type === "put") {
      rows[i * ROW_NUMBERS + 2] = resolveTtl(operation.ttlMs, `${name}.ttlMs`, defaultTtlMs);
    }
  }
  return { keys: pack(keys, "operations"), values: pack(values, "operations"), rows };
}

const propertiesOf: Readonly<Record<string, ReadonlySet<string>>> = {
  put: new Set(["type", "key", "value", "ttlMs", "if"]),
  delete: new Set(["type", "key", "if"]),
  check: new Set(["type", "key", "if"]),
};

function kindOf(operation: BatchOperation<unknown, unknown>, name: string): number {
  const type: unknown = operation.type;
  const known = typeof type === "string" && Object.hasOwn(propertiesOf, type) ? propertiesOf[type] : undefined;
  if (known === undefined)
    throw new TypeError(`${name}.type must be "put", "delete" or "check", not ${describe(type)}`);
  for (const property in operation) {
    if (!known.has(property)) throw unknownProperty(name, property);
  }
  return type === "put" ? KIND_PUT : type === "delete" ? KIND_DELETE : KIND_CHECK;
}

function resolveGuard(guard: unknown, kind: number, name: string): readonly [guard: number, version: number] {
  if (guard === "absent") return [GUARD_ABSENT, 0];
  if (guard === "present") return [GUARD_PRESENT, 0];
  if (guard === undefined && kind !== KIND_CHECK) return [GUARD_NONE, 0];
  if (typeof guard === "object" && guard !== null && "version" in guard) {
    const { version } = guard;
    if (typeof version === "number" && Number.isSafeInteger(version) && version >= 0) return [GUARD_VERSION, version];
    throw new TypeError(`${name}.if.version must be the version of an entry, not ${describe(version)}`);
  }
  throw new TypeError(`${name}.if must be "absent", "present" or { version }, not ${describe(guard)}`);
}

function unknownProperty(name: string, property: string): TypeError {
  return new TypeError(`${name} has an unknown property ${property}`);
}

function checkArray(value: unknown, name: string): void {
  if (!Array.isArray(value)) throw new TypeError(`${name} must be an array, not ${describe(value)}`);
}

/** The keys or values of a column, one by one. */
export function itemsOf({ data, lengths }: Column): Bytes[] {
  let end = 0;
  return Array.from(lengths, (length) => {
    const begin = end;
    end += length;
    return typeof data === "string" ? data.slice(begin, end) : data.subarray(begin, end);
  });
}

export function concat(first: Column, second: Column, name: string): Column {
  return pack([...itemsOf(first), ...itemsOf(second)], name);
}

export function pack(items: readonly Bytes[], name: string): Column {
  const lengths = new Uint32Array(items.length);
  let units = 0;
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    if (typeof item !== "string") return packBytes(items, lengths, name);
    lengths[i] = item.length;
    units += item.length;
  }
  return units > TEXT_UNITS_MAX ? packBytes(items, lengths, name) : { data: items.join(""), lengths };
}

function packBytes(items: readonly Bytes[], lengths: Uint32Array, name: string): Column {
  let total = 0;
  const pieces = items.map((item, i) => {
    const piece = typeof item === "string" ? utf8Bytes(item, `${name}[${i}]`) : item;
    if (piece.length === 0 && isDetached(piece)) throw new TypeError(`${name}[${i}] has a detached Uint8Array`);
    lengths[i] = piece.length;
    total += piece.length;
    return piece;
  });
  const data = new Uint8Array(total);
  let offset = 0;
  for (const piece of pieces) {
    data.set(piece, offset);
    offset += piece.length;
  }
  return { data, lengths };
}

function utf8Bytes(text: string, name: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text))
    throw new TypeError(`${name} must be a well-formed string, this one has a lone surrogate`);
  return Buffer.from(text, "utf8");
}

export function isDetached(bytes: Uint8Array): boolean {
  try {
    // Of a detached buffer no view can be made; nothing else tells on every Node.
    new Uint8Array(bytes.buffer);
    return false;
  } catch {
    return true;
  }
}
