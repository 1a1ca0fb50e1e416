// What a client is sent: in order, and not before the commit group that it tells of is acknowledged.
import type { Socket } from "node:net";
import type { Group } from "../native.js";
import type { Connection } from "./connection.js";
import { encodeReply, ErrorReply } from "./replies.js";
import type { ReplySlab } from "./reply-slabs.js";
import type { ConnectionHost } from "./server.js";

/** Bytes for a client, not to be seen before their group is acknowledged. */
export interface Outgoing {
  readonly bytes: Buffer;
  /** 0 for what waits only for what was sent before. */
  readonly group: Group;
  /** How many these bytes are. */
  readonly replies: number;
  /** Where they lie, if not in memory of their own. */
  readonly slab?: ReplySlab | undefined;
}

/** What a socket writes with. Not documented; the socket's own timeout goes by it. */
interface StreamHandle {
  readonly writeQueueSize?: number;
}

/**
 * What a client has yet to take, about: it changes whenever something has been taken, also while the socket works on one large
 * write, which `writableLength` counts in full until it is over.
 */
export function untakenBytes(socket: Socket): number {
  const handle = (socket as { _handle?: StreamHandle | null })._handle;
  return socket.writableLength + (handle?.writeQueueSize ?? 0);
}

const NOTHING = Buffer.alloc(0);

export class Output {
  readonly #host: ConnectionHost;
  readonly #connection: Connection;
  readonly #socket: Socket;
  #held: Outgoing[] = [];
  #heldBytes = 0;

  constructor(host: ConnectionHost, connection: Connection, socket: Socket) {
    this.#host = host;
    this.#connection = connection;
    this.#socket = socket;
  }

  /** What waits for its group, for the end of the turn, or for the client, in bytes. */
  get waitingBytes(): number {
    return this.#heldBytes + this.#socket.writableLength;
  }

  /** Whether something waits for its group or for the end of the turn. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** The newest group that something waits for; 0 for none. */
  get awaitedGroup(): Group {
    return this.#held.reduce((newest, { group }) => Math.max(newest, group), 0);
  }

  /** Not at once: see {@link HeldReplies}. */
  send(outgoing: Outgoing): void {
    const { heldReplies, session } = this.#host;
    if (outgoing.group > session.acknowledgedGroup) {
      heldReplies.await(this.#connection);
      this.#host.kick();
    } else if (!this.isHolding) {
      heldReplies.releaseSoon(this.#connection); // else it goes out with what is held already
    }
    this.#held.push(outgoing);
    this.#heldBytes += outgoing.bytes.length;
  }

  #write({ bytes, slab }: Outgoing): void {
    this.#host.counters.outputBytes += bytes.length;
    const socket = this.#socket;
    socket.write(bytes);
    // Taken at once. A socket that has to wait keeps what it has.
    if (socket.writableLength === 0) slab?.giveBack(bytes.length);
    else if (socket.writableLength > this.#host.options.replyBytesPause && !socket.writableNeedDrain) {
      // For the socket that is so little that it will not tell when it has been taken; the connection is paused for it.
      socket.write(NOTHING, (error) => {
        if (!error) socket.emit("drain");
      });
    }
  }

  /** The groups up to this one are acknowledged. True when something went out. */
  release(upTo: Group): boolean {
    const held = this.#held;
    let released = 0;
    while (released < held.length && held[released]!.group <= upTo) {
      const outgoing = held[released++]!;
      this.#heldBytes -= outgoing.bytes.length;
      this.#write(outgoing);
    }
    if (released > 0) this.#held = held.slice(released);
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
      held.slab?.giveBack(held.bytes.length);
      return { bytes, group: 0, replies: held.replies };
    });
  }

  /** Nobody will read it. */
  clear(): void {
    for (const { bytes, slab } of this.#held) slab?.giveBack(bytes.length);
    this.#held = [];
    this.#heldBytes = 0;
  }
}
