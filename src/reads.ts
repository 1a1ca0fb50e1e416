// Reads, from encoded keys to decoded values: inline when the record is in memory or the caller waits, else on a reader
// thread. "Cold" is a record that may not be in memory.
import { utf8Codec } from "./encodings.js";
import type { Codec } from "./encodings.js";
import { native, results, RESULT_EXPIRES_AT_MS, RESULT_VERSION } from "./native.js";
import type { Bytes, Column, Handle } from "./native.js";
import { readBytes, readManyBytes } from "./read-slab.js";
import type { Session } from "./session.js";

/** A value with what the store knows about it. */
export interface Entry<V> {
  readonly value: V;
  /** Rises with every write of the store; for guards, and to resume an iteration in log order. */
  readonly version: number;
  /** When the key expires, in milliseconds since 1970. Absent: never. */
  readonly expiresAtMs?: number;
}

export function read(session: Session, key: Bytes, codec: Codec): Promise<unknown> {
  const { handle, cache } = session;
  if (cache !== undefined && handle !== 0) {
    const cached = cache.get(key, codec);
    if (cached !== undefined) return Promise.resolve(codec.decode(cached));
  }
  const stored = codec.form === "text" ? native.getText(handle, key, false) : readBytes(handle, key, false);
  if (stored === null) return readCold(session, key, codec);
  if (stored === undefined) return Promise.resolve(undefined);
  cache?.keep(key, stored);
  return Promise.resolve(codec === utf8Codec ? stored : codec.decode(stored));
}

function readCold(session: Session, key: Bytes, codec: Codec): Promise<unknown> {
  // The caller's own bytes may change before the answer is here.
  const name = typeof key === "string" ? key : Buffer.from(key);
  return native.getCold(session.handle, key, codec.form === "text").then((entry) => {
    if (entry === undefined) return undefined;
    session.cache?.keepCold(name, entry);
    return codec.decode(entry[0]);
  });
}

export function readSync(session: Session, key: Bytes, codec: Codec): unknown {
  const { handle, cache } = session;
  if (cache !== undefined && handle !== 0) {
    const cached = cache.get(key, codec);
    if (cached !== undefined) return codec.decode(cached);
  }
  // Waiting reads are never cold, so null does not come.
  const stored = codec.form === "text" ? native.getText(handle, key, true)! : readBytes(handle, key, true)!;
  if ((stored as unknown) === undefined) return undefined;
  cache?.keep(key, stored);
  return codec === utf8Codec ? stored : codec.decode(stored);
}

export function readEntry(handle: Handle, key: Bytes, codec: Codec): Promise<Entry<unknown> | undefined> {
  const asText = codec.form === "text";
  const stored = asText ? native.getText(handle, key, false) : readBytes(handle, key, false);
  if (stored === undefined) return Promise.resolve(undefined);
  if (stored !== null) {
    // Before decoding, which may be a caller's code and read something itself.
    const version = results[RESULT_VERSION]!;
    const expiresAtMs = results[RESULT_EXPIRES_AT_MS]!;
    return Promise.resolve(entryOf(codec.decode(stored), version, expiresAtMs));
  }
  return native
    .getCold(handle, key, asText)
    .then((cold) => (cold === undefined ? undefined : entryOf(codec.decode(cold[0]), cold[1], cold[2])));
}

export function readMany(handle: Handle, keys: Column, codec: Codec): Promise<unknown[]> {
  const stored = readStored(handle, keys, codec, false);
  if (stored !== null) return Promise.resolve(decodeAll(stored, codec));
  return native
    .getManyCold(handle, keys.data, keys.lengths, codec.form === "text")
    .then((cold) => decodeAll(cold, codec));
}

export function readManySync(handle: Handle, keys: Column, codec: Codec): unknown[] {
  return decodeAll(readStored(handle, keys, codec, true)!, codec);
}

function readStored(handle: Handle, keys: Column, codec: Codec, wait: boolean): (string | Buffer | undefined)[] | null {
  if (codec.form === "bytes") return readManyBytes(handle, keys, wait);
  // An array, because no lengths are asked for.
  return native.getMany(handle, keys.data, keys.lengths, wait, undefined) as (string | undefined)[] | null;
}

function entryOf(value: unknown, version: number, expiresAtMs: number): Entry<unknown> {
  return expiresAtMs === 0 ? { value, version } : { value, version, expiresAtMs };
}

function decodeAll(stored: (string | Buffer | undefined)[], codec: Codec): unknown[] {
  return codec === utf8Codec ? stored : stored.map((item) => (item === undefined ? undefined : codec.decode(item)));
}
