// Which connections hold replies back, and when these go out: what tells of a commit group when that is acknowledged, the rest at
// the end of the turn of the event loop, or before, when several connections have something. Never one by one: a client that has
// nothing to do sleeps, and to wake it costs as much as a dozen commands in a pipeline; while it reads what the first connections
// were sent, the rest reaches it awake.
import type { Group } from "../native.js";
import type { Session } from "../session.js";
import type { Connection } from "./connection.js";

/** With more the first client waits longer, and nothing is gained. */
const REPLIES_TOGETHER = 8;

export class HeldReplies {
  readonly #session: Session;
  readonly #connections = new Set<Connection>();
  #waiting = 0;
  #isScheduled = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The connection holds replies back. */
  add(connection: Connection): void {
    this.#connections.add(connection);
  }

  /** The connection is closed. */
  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** There is something that waits for no group. */
  releaseSoon(): void {
    this.#waiting++;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#atEndOfTurn);
  }

  /** Before another connection has its turn. */
  releaseIfMany(): void {
    if (this.#waiting >= REPLIES_TOGETHER) this.#releaseWaiting();
  }

  /** The groups up to this one are acknowledged. */
  release(upTo: Group): void {
    for (const connection of this.#connections) if (connection.release(upTo)) this.#connections.delete(connection);
  }

  /** What these groups wrote is not there. */
  fail(first: Group, last: Group, error: Error): void {
    for (const connection of this.#connections) connection.fail(first, last, error);
  }

  readonly #atEndOfTurn = (): void => {
    this.#isScheduled = false;
    if (this.#waiting > 0) this.#releaseWaiting();
  };

  #releaseWaiting(): void {
    this.#waiting = 0;
    this.release(this.#session.acknowledgedGroup);
  }
}
