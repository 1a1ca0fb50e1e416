// Who wants to hear of the writes of this process as they are made: servers, for keyspace notifications. A store of which nobody
// does has no such object, and its writes pay nothing.
import { itemsOf } from "./batch.js";
import type { Operations } from "./buffered-writes.js";
import { KIND_CHECK, KIND_DELETE, KIND_PUT, ROW_NUMBERS } from "./native.js";
import type { Bytes, Column, Group } from "./native.js";
import type { Session } from "./session.js";

/** The guard and the flags of a row are above its kind. */
const ROW_KINDS = 16;

export interface ChangeObserver {
  /** A put, delete or change of deadline is on its way, and may still fail with its group. `ttlMs` 0: for ever. */
  changed(kind: number, key: Bytes, ttlMs: number, group: Group): void;
}

export class Changes {
  readonly #observers = new Set<ChangeObserver>();

  static add(session: Session, observer: ChangeObserver): void {
    (session.changes ??= new Changes()).#observers.add(observer);
  }

  static delete(session: Session, observer: ChangeObserver): void {
    const { changes } = session;
    if (changes === undefined) return;
    changes.#observers.delete(observer);
    if (changes.#observers.size === 0) session.changes = undefined;
  }

  note(kind: number, key: Bytes, ttlMs: number, group: Group): void {
    for (const observer of this.#observers) observer.changed(kind, key, ttlMs, group);
  }

  /** A batch that went through. Without `existed`, its deletes are told whether or not a key was there. */
  noteBatch({ kind, keys, rows, existed }: Omit<Operations, "values">, group: Group): void {
    for (const [i, key] of itemsOf(keys).entries()) {
      const own = rows === undefined ? kind : rows[i * ROW_NUMBERS]! % ROW_KINDS;
      const missed = own !== KIND_PUT && existed?.[i] === 0;
      if (own === KIND_CHECK || missed) continue;
      this.note(own, key, own === KIND_DELETE ? 0 : (rows?.[i * ROW_NUMBERS + 2] ?? 0), group);
    }
  }

  /** Puts of a stream, from this place in the columns on. */
  notePuts(keys: Column, from: number, count: number, ttl: number | Float64Array, group: Group): void {
    for (const [i, key] of itemsOf(keys)
      .slice(from, from + count)
      .entries()) {
      this.note(KIND_PUT, key, typeof ttl === "number" ? ttl : ttl[from + i]!, group);
    }
  }
}
