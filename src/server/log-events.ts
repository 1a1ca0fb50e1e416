// What a server's log says of its clients and its store. Without a log nothing of this happens.
import type { Store } from "../store.js";
import type { Connection } from "./connection.js";
import type { ServerLog } from "./options.js";

const REFUSALS_MS = 1000;

export class LogEvents {
  readonly #log: ServerLog;
  #refused = 0;
  #refusalsToldMs = 0;

  constructor(log: ServerLog) {
    this.#log = log;
  }

  /** Of a store that the server has opened, and closes. */
  observe(store: Store<string, string>): void {
    const log = this.#log;
    store.on("failure", (err) => log.error({ err }, "the store takes no more writes; opening it anew recovers it"));
    store.on("error", (err) => log.error({ err }, "work in the background failed"));
    store.on("compacted", (report) => log.info(report, "compacted"));
  }

  connected({ id, peerAddress }: Connection): void {
    this.#log.debug({ client: id, peer: peerAddress }, "a client has connected");
  }

  left({ id, name }: Connection): void {
    this.#log.debug({ client: id, name }, "a client has gone");
  }

  wrongPassword({ id, peerAddress, failedPasswords }: Connection): void {
    this.#log.warn({ client: id, peer: peerAddress, failures: failedPasswords }, "wrong password");
  }

  evicted({ id, peerAddress }: Connection, bytes: number): void {
    this.#log.warn({ client: id, peer: peerAddress, bytes }, "a client is ended: all together hold too much memory");
  }

  /** Said once a second, however many there are. */
  refused(clients: number): void {
    this.#refused++;
    const nowMs = Date.now();
    if (nowMs - this.#refusalsToldMs < REFUSALS_MS) return;
    this.#log.warn({ clients, refused: this.#refused }, "clients are refused: there are as many as there may be");
    this.#refused = 0;
    this.#refusalsToldMs = nowMs;
  }
}
