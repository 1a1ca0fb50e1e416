// Read-modify-write: read an entry with its version, compute, and write under the guard that nobody wrote meanwhile; again when
// somebody did. Correct against other handles and worker threads, because the guard is checked in the core. A key keeps its time
// to live unless the caller sets one.
import { ownBytes } from "./buffered-put.js";
import type { Codec } from "./encodings.js";
import { CrabKVError, describe } from "./errors.js";
import { GUARD_ABSENT, GUARD_VERSION, KIND_DELETE, KIND_PUT, ROW_KEEP_TTL, ROW_NUMBERS, native } from "./native.js";
import { RESULT_COMMITTED, RESULT_VERSION, results } from "./native.js";
import type { Bytes } from "./native.js";
import type { Modification, TtlRule } from "./options.js";
import { readBytes } from "./read-slab.js";
import { readEntry } from "./reads.js";
import type { Session } from "./session.js";
import { commitBatch, writeBatch } from "./writes.js";

/** Rounds lost against other writers before giving up with CRABKV_CONFLICT. Each lost round is somebody else's write. */
const ATTEMPTS_MAX = 1000;

/** What is to be changed, and how. */
export interface Target extends Modification {
  readonly session: Session;
  readonly key: Bytes;
  readonly codec: Codec;
}

/** Resolves with what was written, undefined after a delete. */
export async function update(target: Target, change: (old: unknown) => unknown): Promise<unknown> {
  const { session, codec } = target;
  // The caller's bytes may change while this waits, and so may those of the new value.
  const key = typeof target.key === "string" ? target.key : Buffer.from(target.key);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const entry = await readEntry(session, key, codec);
    const next = await change(entry?.value);
    if (next === undefined && entry === undefined) return undefined;
    const value = next === undefined ? undefined : ownBytes(codec.encode(next, "the new value"));
    const result = await commitBatch(session, guarded(key, value, entry?.version, target.ttl), target.durable);
    if (result.committed) return next;
  }
  throw conflict("update");
}

/** Adds to the number under a key, at once where the record is in memory. Resolves with the sum. */
export function increment(target: Target, by: number): Promise<number> {
  const { session, key, codec } = target;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { handle, writeBack } = session;
    const losses = writeBack?.losses ?? 0;
    writeBack?.flushKey(key);
    const stored = codec.form === "text" ? native.getText(handle, key, false) : readBytes(handle, key, false);
    if (stored === null) return incrementSlowly(target, by);
    const version = stored === undefined ? undefined : results[RESULT_VERSION]!;
    if (writeBack?.lostSince(losses) === true) continue;
    const sum = add(stored === undefined ? undefined : codec.decode(stored), by);
    const batch = guarded(key, encodeNumber(codec, sum), version, target.ttl);
    const group = writeBatch(session, { kind: KIND_PUT, ...batch, existed: undefined });
    if (group < 0) return incrementSlowly(target, by); // the guard's record left memory in between
    if (results[RESULT_COMMITTED] === 1) return session.commitsOf(target.durable).own(group, group, sum);
  }
  throw conflict("increment");
}

async function incrementSlowly(target: Target, by: number): Promise<number> {
  let sum = 0;
  const codec: Codec = {
    form: target.codec.form,
    encode: () => encodeNumber(target.codec, sum),
    decode: (stored) => target.codec.decode(stored),
  };
  await update({ ...target, codec }, (old) => (sum = add(old, by)));
  return sum;
}

/** One put, or a delete when there is no value, that holds only for this version (undefined: an absent key). */
function guarded(key: Bytes, value: Bytes | undefined, version: number | undefined, ttl: TtlRule) {
  const row = new Float64Array(ROW_NUMBERS);
  const keeps = version !== undefined && ttl.changeMs === undefined && value !== undefined;
  const kind = value === undefined ? KIND_DELETE : KIND_PUT;
  row[0] = kind + 16 * (version === undefined ? GUARD_ABSENT : GUARD_VERSION) + (keeps ? ROW_KEEP_TTL : 0);
  row[1] = version ?? 0;
  row[2] = kind === KIND_DELETE || keeps ? 0 : version === undefined ? ttl.createMs : ttl.changeMs!;
  const stored = value ?? "";
  return {
    keys: { data: key, lengths: Uint32Array.of(key.length) },
    values: { data: stored, lengths: Uint32Array.of(stored.length) },
    rows: row,
  };
}

/** Text and bytes hold a number as people write it; other encodings hold numbers themselves. */
function encodeNumber(codec: Codec, sum: number): Bytes {
  return codec.holdsText === true ? String(sum) : codec.encode(sum, "the sum");
}

function add(old: unknown, by: number): number {
  const before = old === undefined ? 0 : numberOf(old);
  const sum = before + by;
  if (
    Number.isInteger(by) &&
    Number.isInteger(before) &&
    !(Number.isSafeInteger(before) && Number.isSafeInteger(sum))
  ) {
    throw new RangeError("increment would leave the integers that a JavaScript number holds exactly");
  }
  if (!Number.isFinite(sum)) throw new RangeError("increment would leave the range of a JavaScript number");
  return sum;
}

function numberOf(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const text = typeof value === "string" || value instanceof Uint8Array ? String(value) : "";
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))) return Number(text);
  throw new CrabKVError("CRABKV_ENCODING", `the stored value is not a number: ${describe(value)}`);
}

function conflict(method: string): CrabKVError {
  return new CrabKVError("CRABKV_CONFLICT", `${method} lost against other writers ${ATTEMPTS_MAX} times in a row`);
}
