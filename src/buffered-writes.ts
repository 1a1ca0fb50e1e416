// Writes while puts may wait in the write-back buffer: a write that touches buffered keys puts them into the log ahead of itself, in
// the same frame. Guards see the state before their batch, so what they look at goes ahead as a batch of its own.
import { setTimeout } from "node:timers/promises";
import { concat, itemsOf } from "./batch.js";
import type { CrabKVError } from "./errors.js";
import { columnsOf, nameOf } from "./buffered-put.js";
import type { BufferedPut } from "./buffered-put.js";
import {
  KIND_CHECK,
  KIND_DELETE,
  KIND_PUT,
  RESULT_COMMITTED,
  ROW_KEEP_TTL,
  ROW_NUMBERS,
  TAKEN_BACK,
} from "./native.js";
import { native, results } from "./native.js";
import type { Bytes, Column, Group, Handle } from "./native.js";
import type { Session } from "./session.js";
import type { WriteBack } from "./write-back.js";

/** A batch as native.writeBatch takes it. */
export interface Operations {
  readonly kind: number;
  readonly keys: Column;
  readonly values: Column | undefined;
  readonly rows: Float64Array | undefined;
  /** To be filled with one flag for each operation. */
  readonly existed: Uint8Array | undefined;
}

const RETRY_MS = 10;

const buffered = Promise.resolve(undefined);

/** A put: into the buffer, or past it when it is to be durable or the buffer does not take it. */
export function putBuffered(
  session: Session,
  buffer: WriteBack,
  key: Bytes,
  value: Bytes,
  ttlMs: number,
  durable: boolean,
): Promise<undefined> {
  if (!durable && buffer.put(key, value, ttlMs)) return buffered;
  const group = native.put(session.handle, key, value, ttlMs);
  session.kick();
  buffer.overtake([nameOf(key)!], group);
  return session.commitsOf(durable).done(group);
}

/** Flushes the buffer; while the queue is full with what the buffer gave it, waits. `tries`: how often, when others filled it. */
export async function flushBuffer(session: Session, buffer: WriteBack, handle: Handle, tries: number): Promise<void> {
  for (let left = tries; ;) {
    try {
      buffer.flush(false, handle);
      return;
    } catch (error) {
      const [first, last] = buffer.openGroups;
      if ((error as Partial<CrabKVError>).code !== "CRABKV_BUSY" || (last === 0 && left-- === 0)) throw error;
      native.kick(handle);
      await (last === 0 ? setTimeout(RETRY_MS) : session.acknowledgements.own(first, last, undefined));
    }
  }
}

/** Any batch. Answers and results as native.writeBatch. */
export function writeBehind(session: Session, buffer: WriteBack, operations: Operations): Group {
  const names = namesOf(operations.keys);
  let group = writeOnce(session, buffer, names, operations);
  while (group === TAKEN_BACK) {
    buffer.catchUp(); // puts that were in flight may have to go ahead
    group = writeOnce(session, buffer, names, operations);
  }
  session.kick();
  if (group >= 0 && results[RESULT_COMMITTED] === 1) {
    const waits = (name: string): boolean => buffer.waits(name); // it went ahead, and had expired if nothing was written
    buffer.overtake(writtenOf(names, operations, group, waits), group);
  }
  return group;
}

function writeOnce(session: Session, buffer: WriteBack, names: readonly string[], operations: Operations): Group {
  const { rows } = operations;
  const ahead = buffer.findAll(names);
  const guarded = rows !== undefined && hasGuard(rows);
  if (guarded) buffer.flushPuts(ahead);
  if (guarded || ahead.length === 0) return writeAlone(session, buffer, operations);
  return writeTogether(session, buffer, ahead, operations);
}

/**
 * Names of what a batch wrote, without what it only checked. When nothing had to be written, of what it deleted, and of puts that went
 * ahead: a new deadline that found no key says nothing of a put in flight, which another handle's delete may hide, and fail.
 */
export function writtenOf(
  names: readonly string[],
  { kind, rows }: Pick<Operations, "kind" | "rows">,
  group: Group,
  wentAhead: (name: string) => boolean = () => false,
): string[] {
  return names.filter((name, i) => {
    const own = rows === undefined ? kind : rows[i * ROW_NUMBERS]! % 16;
    return own !== KIND_CHECK && (group !== 0 || own === KIND_DELETE || wentAhead(name));
  });
}

/** The names that the buffer knows keys by. */
export function namesOf(keys: Column): string[] {
  // What is no key gets a name that is none's, and the core refuses it.
  return itemsOf(keys).map((key) => nameOf(key) ?? "\uffff");
}

function writeAlone(session: Session, buffer: WriteBack, operations: Operations): Group {
  const { kind, keys, values, rows, existed } = operations;
  const { data, lengths } = keys;
  const { rollbacks } = buffer;
  return native.writeBatch(
    session.handle,
    kind,
    data,
    lengths,
    values?.data,
    values?.lengths,
    rows,
    rollbacks,
    existed,
  );
}

function writeTogether(
  session: Session,
  buffer: WriteBack,
  ahead: readonly BufferedPut[],
  operations: Operations,
): Group {
  const count = operations.keys.lengths.length;
  const first = columnsOf(ahead);
  const noValues = { data: "", lengths: new Uint32Array(count) };
  const rows = new Float64Array((ahead.length + count) * ROW_NUMBERS);
  rows.set(first.rows);
  rows.set(operations.rows ?? rowsOf(operations.kind, count), first.rows.length);
  const existed = operations.existed === undefined ? undefined : new Uint8Array(ahead.length + count);
  const together: Operations = {
    kind: KIND_PUT,
    keys: concat(first.keys, operations.keys, "keys"),
    values: concat(first.values, operations.values ?? noValues, "values"),
    rows,
    existed,
  };
  try {
    const group = writeAlone(session, buffer, together);
    if (existed !== undefined) operations.existed!.set(existed.subarray(ahead.length));
    return group;
  } catch (error) {
    // Together they may be over a bound that neither is over alone; and what is wrong in the operations is to be told of them.
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    buffer.flushPuts(ahead);
    return writeAlone(session, buffer, operations);
  }
}

/** The rows of operations that need none by themselves. */
function rowsOf(kind: number, count: number): Float64Array {
  const rows = new Float64Array(count * ROW_NUMBERS);
  for (let i = 0; i < count; i++) rows[i * ROW_NUMBERS] = kind;
  return rows;
}

function hasGuard(rows: Float64Array): boolean {
  for (let i = 0; i < rows.length; i += ROW_NUMBERS) {
    if (rows[i]! % ROW_KEEP_TTL >= 16) return true;
  }
  return false;
}
