// Which connections hold replies back, and when these go out: what tells of a commit group when that is acknowledged, the rest at
// the end of the turn of the event loop, or before, when several connections have something. Never one by one: a client that has
// nothing to do sleeps, and to wake it costs as much as several commands in a pipeline; while it reads what the first connections
// were sent, the rest reaches it awake.
import type { Group } from "../native.js";
import type { Session } from "../session.js";
import type { Connection } from "./connection.js";

/** With more the first client waits longer, and nothing is gained. */
const CONNECTIONS_TOGETHER = 8;

/** What there is to know of a connection here. */
export type Holder = Pick<Connection, "release" | "fail" | "awaitedGroup">;

export class HeldReplies {
  readonly #session: Pick<Session, "acknowledgedGroup">;
  /** Those with something that tells of a group; all that they are sent later waits behind it. */
  readonly #awaiting = new Set<Holder>();
  /** Those that had nothing held back when they were sent something that waits for no group. (A Set would grow anew each time.) */
  #ready: Holder[] = [];
  #isScheduled = false;

  constructor(session: Pick<Session, "acknowledgedGroup">) {
    this.#session = session;
  }

  /** The connection holds something back until a group is acknowledged. */
  await(connection: Holder): void {
    this.#awaiting.add(connection);
  }

  /** The connection holds something back that waits for no group, and held nothing before. */
  releaseSoon(connection: Holder): void {
    this.#ready.push(connection);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#atEndOfTurn);
  }

  /** Before another connection has its turn. */
  releaseIfMany(): void {
    if (this.#ready.length >= CONNECTIONS_TOGETHER) this.#releaseReady();
  }

  /** The groups up to this one are acknowledged. */
  release(upTo: Group): void {
    for (const connection of this.#awaiting) if (connection.release(upTo)) this.#awaiting.delete(connection);
  }

  /** What these groups wrote is not there. */
  fail(first: Group, last: Group, error: Error): void {
    for (const connection of this.#awaiting) connection.fail(first, last, error);
  }

  /** The newest group that a connection waits for; 0 for none. */
  get awaitedGroup(): Group {
    let newest = 0;
    for (const { awaitedGroup } of this.#awaiting) newest = Math.max(newest, awaitedGroup);
    return newest;
  }

  /** The connection is closed. What is ready is let go at the end of the turn anyway; a group may take long. */
  forget(connection: Holder): void {
    this.#awaiting.delete(connection);
  }

  readonly #atEndOfTurn = (): void => {
    this.#isScheduled = false;
    this.#releaseReady();
  };

  #releaseReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const connection of ready) connection.release(this.#session.acknowledgedGroup);
  }
}
