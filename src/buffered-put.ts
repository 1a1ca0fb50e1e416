// One put of the write-back buffer: how it is kept, how long it lives, and how it goes into a batch and to a reader.
import { performance } from "node:perf_hooks";
import { isDetached, pack } from "./batch.js";
import type { Codec } from "./encodings.js";
import { KIND_DELETE, KIND_PUT, ROW_NUMBERS } from "./native.js";
import type { Bytes, Column } from "./native.js";

/** One put. Its deadline counts from the put, not from the flush. */
export interface BufferedPut {
  readonly name: string;
  readonly key: Bytes;
  readonly value: Bytes;
  /** 0: never expires, and then there are no times. */
  readonly ttlMs: number;
  /** When it was put, by the monotonic clock and by the wall clock, which may be set forward. */
  readonly putAtMs: number;
  readonly putAtWallMs: number;
  /** About what it costs here, and more than its record takes in the log. */
  readonly bytes: number;
  /** Commit groups with a write of the key whose fate is open. */
  openGroups: number;
}

/** Puts as the columns and rows of a batch. One that has expired still clears what the store holds. */
export function columnsOf(puts: readonly BufferedPut[]): { keys: Column; values: Column; rows: Float64Array } {
  const rows = new Float64Array(puts.length * ROW_NUMBERS);
  const values = puts.map((put, i) => {
    const leftMs = leftMsOf(put);
    rows[i * ROW_NUMBERS] = leftMs > 0 ? KIND_PUT : KIND_DELETE;
    if (leftMs <= 0) return "";
    rows[i * ROW_NUMBERS + 2] = leftMs === Infinity ? 0 : leftMs;
    return put.value;
  });
  return {
    keys: pack(
      puts.map(({ key }) => key),
      "keys",
    ),
    values: pack(values, "values"),
    rows,
  };
}

/** Milliseconds that a put has left, whole ones; 0 or less: none; Infinity: it never expires. */
export function leftMsOf(put: BufferedPut): number {
  if (put.ttlMs === 0) return Infinity;
  const ageMs = Math.max(performance.now() - put.putAtMs, Date.now() - put.putAtWallMs);
  return Math.ceil(put.ttlMs - ageMs);
}

/** The value as the codec decodes it, a copy; undefined when it has expired. */
export function storedOf(put: BufferedPut, codec: Codec): string | Buffer | undefined {
  if (leftMsOf(put) <= 0) return undefined;
  const { value } = put;
  if (codec.form === "bytes") return Buffer.from(value as Uint8Array);
  return typeof value === "string" ? value : Buffer.from(value.buffer).toString("utf8");
}

/**
 * A key's bytes as a string of one character each, so that a key is one entry whether it comes as text or as bytes. For ASCII, the
 * usual case, that is the text itself. Undefined: no key, the core says why.
 */
export function nameOf(key: Bytes): string | undefined {
  if (typeof key !== "string") {
    if (key.length === 0 && isDetached(key)) return undefined;
    return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
  }
  if (Buffer.byteLength(key) === key.length) return key;
  return hasLoneSurrogate(key) ? undefined : Buffer.from(key).toString("latin1");
}

/** Infinity: neither key nor value, the core says why. */
export function bytesOf(item: Bytes): number {
  if (typeof item !== "string") return item.length === 0 && isDetached(item) ? Infinity : item.length;
  const bytes = Buffer.byteLength(item);
  return bytes !== item.length && hasLoneSurrogate(item) ? Infinity : bytes;
}

function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** Not Buffer.from: that would hold on to a piece of the pool. */
export function ownBytes(item: Bytes): Bytes {
  return typeof item === "string" ? item : new Uint8Array(item);
}
