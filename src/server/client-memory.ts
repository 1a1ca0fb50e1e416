// What all connections together make the server hold, for requests, replies, MULTI, WATCH and subscriptions: bounded. Beyond the
// bound those that hold the most are ended, so that whoever holds little is served whatever others do.
import type { Connection } from "./connection.js";

/** So much of the bound is free after connections were ended: nobody is looked for again at once. */
const FREED_PART = 1 / 16;

export class ClientMemory {
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #bytesMax: number;
  readonly #ended: (connection: Connection, bytes: number) => void;
  #bytes = 0;

  /** `ended`: is told of each that was. */
  constructor(
    connections: ReadonlyMap<number, Connection>,
    bytesMax: number,
    ended: (connection: Connection, bytes: number) => void,
  ) {
    this.#connections = connections;
    this.#bytesMax = bytesMax;
    this.#ended = ended;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The connection may hold more or less than when it was counted last. */
  count(connection: Connection): void {
    const bytes = connection.heldBytes;
    if (bytes === connection.countedBytes) return;
    this.#bytes += bytes - connection.countedBytes;
    connection.countedBytes = bytes;
    if (this.#bytes > this.#bytesMax) this.#enforce();
  }

  /** The connection is closed. */
  forget(connection: Connection): void {
    this.#bytes -= connection.countedBytes;
    connection.countedBytes = 0;
  }

  #enforce(): void {
    // What was sent meanwhile is not noticed by itself.
    this.#bytes = 0;
    const all = [...this.#connections.values()];
    for (const connection of all) this.#bytes += connection.countedBytes = connection.heldBytes;
    if (this.#bytes <= this.#bytesMax) return;
    // Those who asked not to be evicted come last, but the bound holds for them, too.
    all.sort((a, b) => Number(a.isSpared) - Number(b.isSpared) || b.countedBytes - a.countedBytes);
    for (const connection of all) {
      if (this.#bytes <= this.#bytesMax * (1 - FREED_PART)) return;
      const { countedBytes } = connection;
      connection.destroy();
      this.#ended(connection, countedBytes);
    }
  }
}
