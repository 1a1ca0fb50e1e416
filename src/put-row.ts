// Puts that follow each other within one turn of the event loop, with nothing between them, go to the core together: a
// crossing for a row of them instead of one each, and the core asks for all of their index entries before it needs the
// first. This thread cannot tell what waits from what was taken: every other call on any of its stores, and the end of the
// turn, hand it over first. One row for the whole thread, so that puts keep their order across stores.
import { Deferred } from "./commits.js";
import { native } from "./native.js";
import type { Bytes } from "./native.js";
import type { Session } from "./session.js";

/** Also the most that the addon takes in one call; see PutRow in native/addon/writes.cc. */
const PUTS_MAX = 64;
/** UTF-16 units of a key or a value. A longer one costs more than its crossing. */
const UNITS_MAX = 1024;
/** The most bytes that a unit becomes. */
const UNIT_BYTES_MAX = 3;
/** What a record can have beside key and value. */
const RECORD_OVERHEAD_BYTES = 64;

interface Row {
  readonly session: Session;
  readonly done: Deferred<undefined>;
  puts: number;
}

/** What waits, if anything does, and its keys and values in turn. */
let row: Row | undefined;
const strings = Array.from({ length: 2 * PUTS_MAX }, () => "");
/** Whether the last call on any store was a put, in this turn. */
let follows = false;

/** What a store's bounds leave of a row. */
export interface RowBounds {
  readonly putsMax: number;
  readonly keyUnitsMax: number;
  readonly valueUnitsMax: number;
}

export function rowBoundsOf(options: {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly batchOperationsMax: number;
  readonly batchBytesMax: number;
}): RowBounds {
  const unitsOf = (bytes: number): number => Math.min(UNITS_MAX, Math.floor(bytes / UNIT_BYTES_MAX));
  const recordBytesMax = RECORD_OVERHEAD_BYTES + 2 * UNITS_MAX * UNIT_BYTES_MAX;
  const fitting = Math.floor(options.batchBytesMax / recordBytesMax);
  return {
    putsMax: Math.min(PUTS_MAX, options.batchOperationsMax, fitting),
    keyUnitsMax: unitsOf(options.keyBytesMax),
    valueUnitsMax: unitsOf(options.valueBytesMax),
  };
}

/** Hands over what waits; the next put begins anew. Every call on a store, but put, begins with this. */
export function endRow(): void {
  follows = false;
  if (row !== undefined) handOver(row);
}

/** A put was made by itself: the next ones may wait for each other. */
export function beginRow(): void {
  follows = true;
}

/** Lets a put without a deadline wait for others, if it may; undefined when it has to be made now. */
export function putInRow(session: Session, key: Bytes, value: Bytes): Promise<void> | undefined {
  if (!follows || !fits(session, key, value)) return undefined;
  if (row !== undefined && row.session !== session) endRow();
  if (row === undefined) {
    row = { session, done: new Deferred(), puts: 0 };
    session.kick();
  }
  const { promise } = row.done;
  strings[2 * row.puts] = key as string;
  strings[2 * row.puts + 1] = value as string;
  row.puts++;
  if (row.puts >= session.rowBounds.putsMax) endRow();
  follows = true;
  return promise;
}

// What one put is refused for must not befall the others of its row, so only what the core takes waits; and who wants to
// hear of writes is told the group of each.
function fits({ rowBounds, changes }: Session, key: Bytes, value: Bytes): boolean {
  return (
    typeof key === "string" &&
    typeof value === "string" &&
    key.length <= rowBounds.keyUnitsMax &&
    value.length <= rowBounds.valueUnitsMax &&
    rowBounds.putsMax > 1 &&
    changes === undefined &&
    key.isWellFormed() &&
    value.isWellFormed()
  );
}

function handOver({ session, done, puts }: Row): void {
  row = undefined; // asking for the handle ends a row, too
  try {
    const group = native.putRow(session.handle, ...(puts === PUTS_MAX ? strings : strings.slice(0, 2 * puts)));
    session.acknowledgements.settleWith(group, done);
  } catch (error) {
    done.reject(error as Error);
  }
  strings.fill("", 0, 2 * puts); // a string may hold a much longer one that it was cut from
}
