// Which connections hold replies back, and when these go out: what tells of a commit group when that is acknowledged, the rest at
// the end of the turn of the event loop, or before, when several connections have something. Never one by one: a client that has
// nothing to do sleeps, and to wake it costs as much as several commands in a pipeline; while it reads what the first connections
// were sent, the rest reaches it awake.
import type { Group } from "../native.js";
import type { Session } from "../session.js";
import type { Connection } from "./connection.js";

/** With more the first client waits longer, and nothing is gained. */
const CONNECTIONS_TOGETHER = 8;

export class HeldReplies {
  readonly #session: Session;
  /** Those with something that tells of a group; all that they are sent later waits behind it. */
  readonly #awaiting = new Set<Connection>();
  /** Those that were sent something that waits for no group. */
  readonly #ready = new Set<Connection>();
  #isScheduled = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The connection holds something back until a group is acknowledged. */
  await(connection: Connection): void {
    this.#awaiting.add(connection);
  }

  /** The connection holds something back that waits for no group. */
  releaseSoon(connection: Connection): void {
    this.#ready.add(connection);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#atEndOfTurn);
  }

  /** Before another connection has its turn. */
  releaseIfMany(): void {
    if (this.#ready.size >= CONNECTIONS_TOGETHER) this.#releaseReady();
  }

  /** The groups up to this one are acknowledged. */
  release(upTo: Group): void {
    for (const connection of this.#awaiting) if (connection.release(upTo)) this.#awaiting.delete(connection);
  }

  /** What these groups wrote is not there. */
  fail(first: Group, last: Group, error: Error): void {
    for (const connection of this.#awaiting) connection.fail(first, last, error);
  }

  /** The connection is closed. */
  forget(connection: Connection): void {
    this.#awaiting.delete(connection);
    this.#ready.delete(connection);
  }

  readonly #atEndOfTurn = (): void => {
    this.#isScheduled = false;
    this.#releaseReady();
  };

  #releaseReady(): void {
    for (const connection of this.#ready) connection.release(this.#session.acknowledgedGroup);
    this.#ready.clear();
  }
}
