// What a connection's session has committed and others are to hear of: keyspace notifications, and what its transactions have
// published. It is told behind the reply that goes with it; and when the client is gone before that, all the same.
import type { Connection } from "./connection.js";
import type { NativeSession } from "./native-session.js";
import type { ConnectionHost } from "./server.js";

export class CommittedNews {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #session: NativeSession;
  #untold: (() => void)[] = [];

  constructor(connection: Connection, host: ConnectionHost, session: NativeSession) {
    this.#connection = connection;
    this.#host = host;
    this.#session = session;
  }

  /** Takes what the session's last call gave. */
  collect(): void {
    const { keyspaceEvents, pubsub } = this.#host;
    const ended = this.#session.endedExec;
    const noted = this.#session.takeNotifications();
    if (noted !== undefined) this.#untold.push(() => keyspaceEvents.publishAll(noted.bytes, noted.group));
    if (ended === undefined) return;
    const publish = pubsub.settle(this.#connection, ended.group);
    if (publish !== undefined) this.#untold.push(publish);
  }

  /** To all who have subscribed; when it is acknowledged they see it. */
  tell(): void {
    const untold = this.#untold;
    if (untold.length === 0) return;
    this.#untold = [];
    for (const tell of untold) tell();
  }
}
