// What a client is sent: in order, and not before the commit group that it tells of is acknowledged.
import type { Socket } from "node:net";
import type { Group } from "../native.js";
import type { Connection } from "./connection.js";
import { encodeReply, ErrorReply } from "./replies.js";
import type { ConnectionHost } from "./server.js";

/** Bytes that may not be seen before their group is acknowledged. */
interface Held {
  readonly bytes: Buffer;
  readonly group: Group;
  readonly replies: number;
}

export class Output {
  readonly #host: ConnectionHost;
  readonly #connection: Connection;
  readonly #socket: Socket;
  #held: Held[] = [];
  #heldBytes = 0;

  constructor(host: ConnectionHost, connection: Connection, socket: Socket) {
    this.#host = host;
    this.#connection = connection;
    this.#socket = socket;
  }

  /** What waits for its group or for the client, in bytes. */
  get waitingBytes(): number {
    return this.#heldBytes + this.#socket.writableLength;
  }

  /** Whether something waits for its group. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** `group`: 0 for what waits only for what was sent before. `replies`: how many these bytes are. */
  send(bytes: Buffer, group: Group, replies: number): void {
    if (group > this.#host.session.acknowledgedGroup || this.isHolding) {
      if (!this.isHolding) this.#host.holds(this.#connection);
      if (group !== 0) this.#host.kick();
      this.#held.push({ bytes, group, replies });
      this.#heldBytes += bytes.length;
    } else {
      this.#write(bytes);
    }
  }

  #write(bytes: Buffer): void {
    this.#host.counters.outputBytes += bytes.length;
    this.#socket.write(bytes);
  }

  /** The groups up to this one are acknowledged. True when something went out. */
  release(upTo: Group): boolean {
    const held = this.#held;
    let released = 0;
    while (released < held.length && held[released]!.group <= upTo) {
      const { bytes } = held[released++]!;
      this.#heldBytes -= bytes.length;
      this.#write(bytes);
    }
    if (released > 0) held.splice(0, released);
    return released > 0;
  }

  /** What these groups wrote is not there: their replies become errors, as many as there were. */
  fail(first: Group, last: Group, error: Error): void {
    this.#held = this.#held.map((held) => {
      if (held.group < first || held.group > last) return held;
      const reply = encodeReply(
        new ErrorReply(`MISCONF Errors writing to the log: ${error.message}`),
        this.#connection.form,
      );
      const bytes = Buffer.concat(Array.from({ length: held.replies }, () => reply));
      this.#heldBytes += bytes.length - held.bytes.length;
      return { ...held, bytes, group: 0 };
    });
  }

  /** Nobody will read it. */
  clear(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}
