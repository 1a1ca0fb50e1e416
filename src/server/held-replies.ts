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
  /** Those with something that tells of a group, each once; all that they are sent later waits behind it. */
  readonly #awaiting: Connection[] = [];
  /** Those that were sent something that waits for no group, each once. */
  #ready: Connection[] = [];
  #isScheduled = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The connection holds something back until a group is acknowledged. */
  await(connection: Connection): void {
    if (connection.isAwaiting) return;
    connection.isAwaiting = true;
    this.#awaiting.push(connection);
  }

  /** The connection holds something back that waits for no group. */
  releaseSoon(connection: Connection): void {
    if (connection.isReady) return;
    connection.isReady = true;
    this.#ready.push(connection);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#atEndOfTurn);
  }

  /** Before another connection has its turn. */
  releaseIfMany(): void {
    if (this.#ready.length >= CONNECTIONS_TOGETHER) this.#releaseReady();
  }

  /** The groups up to this one are acknowledged. A connection that was closed meanwhile holds nothing, and is let go. */
  release(upTo: Group): void {
    const awaiting = this.#awaiting;
    let left = 0;
    for (const connection of awaiting) {
      connection.isAwaiting = !connection.release(upTo);
      if (connection.isAwaiting) awaiting[left++] = connection;
    }
    awaiting.length = left;
  }

  /** What these groups wrote is not there. */
  fail(first: Group, last: Group, error: Error): void {
    for (const connection of this.#awaiting) connection.fail(first, last, error);
  }

  readonly #atEndOfTurn = (): void => {
    this.#isScheduled = false;
    this.#releaseReady();
  };

  #releaseReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const connection of ready) {
      connection.isReady = false;
      connection.release(this.#session.acknowledgedGroup);
    }
  }
}
