// Reads, from encoded keys to decoded values: inline when the record is in memory or the caller waits, else on a reader
// thread. "Cold" is a record that may not be in memory. A look at the store while the write-back buffer's flush is on its way may
// miss it when it fails, see WriteBack.lostSince: then it is done again.
import { itemsOf } from "./batch.js";
import { leftMsOf, storedOf } from "./buffered-put.js";
import type { BufferedPut } from "./buffered-put.js";
import { namesOf } from "./buffered-writes.js";
import { utf8Codec } from "./encodings.js";
import type { Codec } from "./encodings.js";
import { native, results, RESULT_EXPIRES_AT_MS, RESULT_VERSION } from "./native.js";
import type { Bytes, Column } from "./native.js";
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
  const { handle, cache, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  if (writeBack !== undefined && handle !== 0) {
    const put = writeBack.find(key);
    if (put !== undefined) return Promise.resolve(decodePut(put, codec));
  }
  if (cache !== undefined && handle !== 0) {
    const cached = cache.get(key, codec);
    if (cached !== undefined && writeBack?.lostSince(losses) !== true) return Promise.resolve(codec.decode(cached));
  }
  const stored = codec.form === "text" ? native.getText(handle, key, false) : readBytes(handle, key, false);
  if (stored === null) return readCold(session, key, codec, losses);
  if (stored !== undefined) cache?.keep(key, stored);
  if (writeBack?.lostSince(losses) === true) return read(session, key, codec);
  if (stored === undefined) return Promise.resolve(undefined);
  return Promise.resolve(codec === utf8Codec ? stored : codec.decode(stored));
}

function readCold(session: Session, key: Bytes, codec: Codec, losses: number): Promise<unknown> {
  // The caller's own bytes may change before the answer is here.
  const name = typeof key === "string" ? key : Buffer.from(key);
  return native.getCold(session.handle, key, codec.form === "text").then((entry) => {
    if (entry !== undefined) session.cache?.keepCold(name, entry);
    if (session.writeBack?.lostSince(losses) === true) return read(session, name, codec);
    return entry === undefined ? undefined : codec.decode(entry[0]);
  });
}

export function readSync(session: Session, key: Bytes, codec: Codec): unknown {
  const { handle, cache, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  if (writeBack !== undefined && handle !== 0) {
    const put = writeBack.find(key);
    if (put !== undefined) return decodePut(put, codec);
  }
  if (cache !== undefined && handle !== 0) {
    const cached = cache.get(key, codec);
    if (cached !== undefined && writeBack?.lostSince(losses) !== true) return codec.decode(cached);
  }
  // Waiting reads are never cold, so null does not come.
  const stored = codec.form === "text" ? native.getText(handle, key, true)! : readBytes(handle, key, true)!;
  if ((stored as unknown) !== undefined) cache?.keep(key, stored);
  if (writeBack?.lostSince(losses) === true) return readSync(session, key, codec);
  if ((stored as unknown) === undefined) return undefined;
  return codec === utf8Codec ? stored : codec.decode(stored);
}

/** A buffered put has no version yet: it is flushed first. */
export function readEntry(session: Session, key: Bytes, codec: Codec): Promise<Entry<unknown> | undefined> {
  const { handle, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  writeBack?.flushKey(key);
  const asText = codec.form === "text";
  const stored = asText ? native.getText(handle, key, false) : readBytes(handle, key, false);
  if (stored === null) return readColdEntry(session, key, codec, losses);
  // Before decoding, which may be a caller's code and read something itself.
  const version = results[RESULT_VERSION]!;
  const expiresAtMs = results[RESULT_EXPIRES_AT_MS]!;
  if (writeBack?.lostSince(losses) === true) return readEntry(session, key, codec);
  return Promise.resolve(stored === undefined ? undefined : entryOf(codec.decode(stored), version, expiresAtMs));
}

function readColdEntry(
  session: Session,
  key: Bytes,
  codec: Codec,
  losses: number,
): Promise<Entry<unknown> | undefined> {
  const name = typeof key === "string" ? key : Buffer.from(key);
  return native.getCold(session.handle, key, codec.form === "text").then((cold) => {
    if (session.writeBack?.lostSince(losses) === true) return readEntry(session, name, codec);
    return cold === undefined ? undefined : entryOf(codec.decode(cold[0]), cold[1], cold[2]);
  });
}

export function readMany(session: Session, keys: Column, codec: Codec): Promise<unknown[]> {
  const { handle, writeBack } = session;
  const stored = readStored(session, keys, codec, false);
  if (stored !== null) return Promise.resolve(decodeAll(stored, codec));
  // Read later, on another thread, and still as of one moment: so from one place.
  const losses = writeBack?.losses ?? 0;
  if (writeBack !== undefined) writeBack.flushPuts(writeBack.findAll(namesOf(keys)));
  return native.getManyCold(handle, keys.data, keys.lengths, codec.form === "text").then((cold) => {
    if (writeBack?.lostSince(losses) === true) return readMany(session, keys, codec);
    return decodeAll(cold, codec);
  });
}

export function readManySync(session: Session, keys: Column, codec: Codec): unknown[] {
  return decodeAll(readStored(session, keys, codec, true)!, codec);
}

function readStored(
  session: Session,
  keys: Column,
  codec: Codec,
  wait: boolean,
): (string | Buffer | undefined)[] | null {
  const { handle, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  const stored =
    codec.form === "bytes"
      ? readManyBytes(handle, keys, wait)
      : // An array, because no lengths are asked for.
        (native.getMany(handle, keys.data, keys.lengths, wait, undefined) as (string | undefined)[] | null);
  if (stored === null || writeBack === undefined) return stored;
  if (writeBack.lostSince(losses)) return readStored(session, keys, codec, wait);
  if (writeBack.size === 0) return stored;
  for (const [i, key] of itemsOf(keys).entries()) {
    const put = writeBack.find(key);
    if (put !== undefined) stored[i] = storedOf(put, codec);
  }
  return stored;
}

export function hasKey(session: Session, key: Bytes): boolean {
  const { handle, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  const put = handle === 0 ? undefined : writeBack?.find(key);
  if (put !== undefined) return leftMsOf(put) > 0;
  const found = native.has(handle, key);
  return writeBack?.lostSince(losses) === true ? hasKey(session, key) : found;
}

export function hasMany(session: Session, keys: Column): boolean[] {
  const { handle, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  const found = new Uint8Array(keys.lengths.length);
  native.hasMany(handle, keys.data, keys.lengths, found);
  if (writeBack?.lostSince(losses) === true) return hasMany(session, keys);
  const has = Array.from(found, Boolean);
  if (writeBack === undefined || writeBack.size === 0) return has;
  for (const [i, key] of itemsOf(keys).entries()) {
    const put = writeBack.find(key);
    if (put !== undefined) has[i] = leftMsOf(put) > 0;
  }
  return has;
}

/** Milliseconds left; Infinity: never expires; undefined: no such key. */
export function ttlOf(session: Session, key: Bytes): number | undefined {
  const { handle, writeBack } = session;
  const losses = writeBack?.losses ?? 0;
  const put = handle === 0 ? undefined : writeBack?.find(key);
  const ttlMs = put === undefined ? native.ttl(handle, key) : leftMsOf(put);
  if (put === undefined && writeBack?.lostSince(losses) === true) return ttlOf(session, key);
  return ttlMs < 0 || (put !== undefined && ttlMs === 0) ? undefined : ttlMs;
}

function decodePut(put: BufferedPut, codec: Codec): unknown {
  const stored = storedOf(put, codec);
  return stored === undefined ? undefined : codec.decode(stored);
}

function entryOf(value: unknown, version: number, expiresAtMs: number): Entry<unknown> {
  return expiresAtMs === 0 ? { value, version } : { value, version, expiresAtMs };
}

function decodeAll(stored: (string | Buffer | undefined)[], codec: Codec): unknown[] {
  return codec === utf8Codec ? stored : stored.map((item) => (item === undefined ? undefined : codec.decode(item)));
}
