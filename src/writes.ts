// Writes other than a single put, from encoded arguments to promises: atomic batches, also those whose guards have to be
// read from the disk, deletes, and clear().
import { encodeBatch } from "./batch.js";
import type { BatchResult, EncodedBatch } from "./batch.js";
import { namesOf, writeBehind, writtenOf } from "./buffered-writes.js";
import type { Operations } from "./buffered-writes.js";
import { bufferCodec, utf8Codec } from "./encodings.js";
import { StoreIterator } from "./iteration.js";
import type { VersionedKey } from "./iteration.js";
import { KIND_DELETE, KIND_EXPIRE, KIND_PUT, NOT_RESIDENT, TAKEN_BACK, native, results } from "./native.js";
import { RESULT_COMMITTED, RESULT_FAILED_INDEX, RESULT_VERSION } from "./native.js";
import type { Bytes, Column, Group, NativeOptions } from "./native.js";
import type { Session } from "./session.js";

// Keys that clear() deletes in one batch, where the store's bounds let it.
const CLEAR_BATCH_KEYS = 1024;
/** Of a record beside key and value, see RecordHeader in native/core/format.h; it is padded to a multiple of 8. */
const RECORD_HEADER_BYTES = 40;

/** What a store takes in one batch. */
export type BatchBounds = Pick<NativeOptions, "batchOperationsMax" | "batchBytesMax">;

/** Records of one batch, none or all. */
export function putAll(
  session: Session,
  keys: Column,
  values: Column,
  rows: Float64Array | undefined,
  durable: boolean,
): Promise<undefined> {
  const group = writeBatch(session, { kind: KIND_PUT, keys, values, rows, existed: undefined });
  return session.commitsOf(durable).done(group);
}

export function deleteAll(session: Session, keys: Column, durable: boolean): Promise<boolean[]> {
  const existed = new Uint8Array(keys.lengths.length);
  const group = writeBatch(session, { kind: KIND_DELETE, keys, values: undefined, rows: undefined, existed });
  return session.commitsOf(durable).own(group, group, Array.from(existed, Boolean));
}

export function commitBatch(session: Session, batch: EncodedBatch, durable: boolean): Promise<BatchResult> {
  const group = writeBatch(session, { kind: KIND_PUT, ...batch, existed: undefined });
  if (group === NOT_RESIDENT) return commitColdBatch(session, batch, durable);
  const committed = results[RESULT_COMMITTED] === 1;
  return batchResult(session, group, results[RESULT_VERSION]!, committed, results[RESULT_FAILED_INDEX]!, durable);
}

export function deleteOne(session: Session, key: Bytes, durable: boolean): Promise<boolean> {
  if (session.writeBack?.holds(key) === true) return writeOne(session, key, KIND_DELETE, 0, durable);
  const groupAndExisted = native.delete(session.handle, key);
  noteOne(session, KIND_DELETE, key, 0, groupAndExisted);
  return settleWith(session, groupAndExisted, durable);
}

/** `ttlMs` 0 takes the deadline away. */
export function expireOne(session: Session, key: Bytes, ttlMs: number, durable: boolean): Promise<boolean> {
  if (session.writeBack?.holds(key) === true) return writeOne(session, key, KIND_EXPIRE, ttlMs, durable);
  const groupAndExisted = native.expire(session.handle, key, ttlMs);
  noteOne(session, KIND_EXPIRE, key, ttlMs, groupAndExisted);
  return settleWith(session, groupAndExisted, durable);
}

function noteOne(session: Session, kind: number, key: Bytes, ttlMs: number, groupAndExisted: number): void {
  if (session.changes === undefined || groupAndExisted % 2 === 0) return;
  session.changes.note(kind, key, ttlMs, Math.floor(groupAndExisted / 2));
}

/** An operation on one key as a batch. */
function writeOne(session: Session, key: Bytes, kind: number, ttlMs: number, durable: boolean): Promise<boolean> {
  const keys = { data: key, lengths: Uint32Array.of(key.length) };
  const existed = new Uint8Array(1);
  const group = writeBatch(session, { kind, keys, values: undefined, rows: Float64Array.of(kind, 0, ttlMs), existed });
  return session.commitsOf(durable).doneWith(group, existed[0] === 1);
}

/** The promise of a delete or an expire; `groupAndExisted` is 2 * group + (1 when the key was there). */
function settleWith(session: Session, groupAndExisted: number, durable: boolean): Promise<boolean> {
  const group = Math.floor(groupAndExisted / 2);
  session.kick();
  return session.commitsOf(durable).doneWith(group, groupAndExisted % 2 === 1);
}

export async function clear(session: Session, prefix: string | Uint8Array | undefined): Promise<void> {
  const entries = new StoreIterator<VersionedKey>(session, "versions", bufferCodec, utf8Codec, { prefix });
  const { batchOperationsMax, batchBytesMax } = session.batchBounds;
  const keysMax = Math.min(CLEAR_BATCH_KEYS, batchOperationsMax);
  let found: VersionedKey[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    const recordBytes = deleteBytesOf(entry[0]);
    if (found.length === keysMax || (found.length > 0 && bytes + recordBytes > batchBytesMax)) {
      await deleteUnchanged(session, found);
      found = [];
      bytes = 0;
    }
    found.push(entry);
    bytes += recordBytes;
  }
  await deleteUnchanged(session, found);
}

/** Deletes those that have the version that was seen. When some have not, the rest is found by halves. */
async function deleteUnchanged(session: Session, entries: readonly VersionedKey[]): Promise<void> {
  if (entries.length === 0) return;
  const operations = entries.map(([key, version]) => ({ type: "delete", key, if: { version } }));
  const { committed } = await commitBatch(session, encodeBatch(operations, bufferCodec, utf8Codec, 0), false);
  if (committed || entries.length === 1) return;
  const middle = Math.ceil(entries.length / 2);
  const halves = [entries.slice(0, middle), entries.slice(middle)];
  await Promise.all(halves.map((half) => deleteUnchanged(session, half)));
}

/** What the record of a delete takes in the log. */
function deleteBytesOf(key: Buffer): number {
  return Math.ceil((RECORD_HEADER_BYTES + key.length) / 8) * 8;
}

/** Answers and results as native.writeBatch. */
export function writeBatch(session: Session, operations: Operations): Group {
  if (session.writeBack !== undefined) return writeBehind(session, session.writeBack, operations);
  const { kind, keys, values, rows } = operations;
  const { data, lengths } = keys;
  const existed = operations.existed ?? (session.changes && new Uint8Array(lengths.length));
  const { handle } = session;
  const group = native.writeBatch(handle, kind, data, lengths, values?.data, values?.lengths, rows, undefined, existed);
  if (session.changes !== undefined && group >= 0 && results[RESULT_COMMITTED] === 1) {
    session.changes.noteBatch({ kind, keys, rows, existed }, group);
  }
  session.kick();
  return group;
}

/** A guard's record has to be read from the disk: the batch runs on a reader thread, and its group is known late. */
function commitColdBatch(session: Session, batch: EncodedBatch, durable: boolean): Promise<BatchResult> {
  const { keys, values, rows } = batch;
  const { handle, writeBack } = session;
  const arrived = session.late();
  return native
    .writeBatchCold(handle, KIND_PUT, keys.data, keys.lengths, values.data, values.lengths, rows, writeBack?.rollbacks) // prettier-ignore
    .then(([group, version, committed, failedIndex]) => {
      if (group === TAKEN_BACK) {
        writeBack?.catchUp();
        return commitBatch(session, batch, durable);
      }
      if (committed === 1) session.changes?.noteBatch({ kind: KIND_PUT, keys, rows, existed: undefined }, group);
      if (committed === 1) writeBack?.overtakeLate(writtenOf(namesOf(keys), { kind: KIND_PUT, rows }, group), group);
      return batchResult(session, group, version, committed === 1, failedIndex, durable);
    })
    .finally(arrived);
}

function batchResult(
  session: Session,
  group: Group,
  version: number,
  committed: boolean,
  failedIndex: number,
  durable: boolean,
): Promise<BatchResult> {
  if (!committed) return Promise.resolve({ committed: false, failedIndex });
  return session.commitsOf(durable).own(group, group, { committed: true, version });
}
