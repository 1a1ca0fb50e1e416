// One client: a socket on one side, a native session on the other. Bytes go in as they come, in one crossing a chunk; replies
// come out in order and wait here until the commit group that they tell of is acknowledged. A client that does not read its
// replies is not read from.
import type { Socket } from "node:net";
import type { CommandContext } from "./commands.js";
import { runCommand } from "./commands.js";
import {
  native,
  OUTCOME_BUDGET,
  OUTCOME_BUSY,
  OUTCOME_CLOSE,
  OUTCOME_JOB,
  OUTCOME_NEED_MORE,
  OUTCOME_PAUSED,
  OUTCOME_UP,
  RESULT_MIDWAY,
  RESULT_REPLIES,
  RESULT_REPLY_BYTES,
  RESULT_REPLY_FORM,
  RESULT_REPLY_GROUP,
  results,
  SET_AUTHENTICATED,
  SET_CLOSE_AFTER_REPLIES,
  SET_FORGET,
  SET_FORM,
  SET_MUTE,
} from "../native.js";
import type { Group, SessionOutcome } from "../native.js";
import { encodeReply, ErrorReply, FORM_RESP2 } from "./replies.js";
import type { Reply, ReplyForm } from "./replies.js";
import type { ConnectionHost } from "./server.js";

// Replies lie in slabs that all connections share. What the socket takes at once, which is nearly all, is overwritten by the
// next; what has to wait keeps its slab.
const SLAB_BYTES = 256 * 1024;
const SLAB_ROOM_MIN = 32 * 1024;
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

/** Replies that may not be seen before their group is acknowledged. */
interface HeldReplies {
  readonly bytes: Buffer;
  readonly group: Group;
  readonly replies: number;
}

export class Connection {
  readonly id: number;
  readonly createdAtMs = Date.now();
  /** CLIENT SETNAME, SETINFO. */
  name = "";
  readonly libraryInfo = { name: "", version: "" };
  lastCommand = "NULL";
  lastActiveMs = this.createdAtMs;
  /** How it is answered. The first RESP request, and HELLO, change it. */
  form: ReplyForm;
  /** Of this connection: each makes the next answer later. */
  failedPasswords = 0;
  /** Whether it may run commands. */
  authenticated: boolean;
  readonly socket: Socket;
  /** When the request began that has not come in full; 0 for none. */
  #midwaySinceMs = 0;
  readonly #host: ConnectionHost;
  readonly #session: number;
  #held: HeldReplies[] = [];
  #heldBytes = 0;
  /** What the session waits for, if not for bytes. */
  #parked = false;
  /** It wants a turn, but the client has to read first. */
  #turnWaits = false;
  #paused = false;
  #ending = false;
  #closed = false;

  constructor(host: ConnectionHost, socket: Socket, id: number) {
    this.#host = host;
    this.socket = socket;
    this.id = id;
    this.form = host.lineForm;
    this.authenticated = host.password === undefined;
    this.#session = native.sessionOpen(host.session.handle, host.nativeServer);
    socket.on("data", this.#onData);
    socket.on("drain", this.#onDrain);
    socket.on("end", this.#onEnd);
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
  }

  /** Replies that wait for their group or for the client, in bytes. */
  get waitingBytes(): number {
    return this.#heldBytes + this.socket.writableLength;
  }

  /** Bytes that are no reply (a push), in order with the replies. */
  push(bytes: Buffer): void {
    if (!this.#closed) this.#send(bytes, 0, 0);
  }

  setForm(form: ReplyForm): void {
    this.form = form;
    native.sessionSet(this.#host.session.handle, this.#session, SET_FORM, form);
  }

  setAuthenticated(authenticated: boolean): void {
    this.authenticated = authenticated;
    native.sessionSet(this.#host.session.handle, this.#session, SET_AUTHENTICATED, authenticated ? 1 : 0);
  }

  /** CLIENT REPLY: one of MUTE_NONE, MUTE_NEXT, MUTE_ALL. */
  mute(which: number): void {
    native.sessionSet(this.#host.session.handle, this.#session, SET_MUTE, which);
  }

  /** The command that runs, or none if none does, is the last one. */
  closeAfterReply(): void {
    native.sessionSet(this.#host.session.handle, this.#session, SET_CLOSE_AFTER_REPLIES, 0);
  }

  /** After CLIENT PAUSE. */
  unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    setImmediate(this.#resume);
  }

  /** Ends the connection if it has taken too long over its password, over a request or over its own end. */
  checkTime(nowMs: number): void {
    const { authTimeoutMs, requestTimeoutMs } = this.#host.options;
    const midway = !this.#parked && this.#midwaySinceMs !== 0 && nowMs - this.#midwaySinceMs > requestTimeoutMs;
    const lingers = this.socket.writableEnded && nowMs - this.lastActiveMs > requestTimeoutMs;
    if (midway || lingers || (!this.authenticated && nowMs - this.createdAtMs > authTimeoutMs)) this.destroy();
  }

  /** As after connecting: no MULTI, no WATCH, RESP2, and the password has to be said again. */
  reset(): void {
    this.setAuthenticated(this.#host.password === undefined);
    native.sessionSet(this.#host.session.handle, this.#session, SET_FORGET, 0);
    this.setForm(FORM_RESP2);
    this.name = "";
  }

  /** The groups up to this one are acknowledged. True when nothing is held any more. */
  release(upTo: Group): boolean {
    const held = this.#held;
    let released = 0;
    while (released < held.length && held[released]!.group <= upTo) {
      const { bytes } = held[released++]!;
      this.#heldBytes -= bytes.length;
      this.#write(bytes);
    }
    if (released > 0) held.splice(0, released);
    if (released > 0) this.#afterWrites();
    return this.#held.length === 0;
  }

  /** What these groups wrote is not there: their replies become errors, as many as there were. */
  fail(first: Group, last: Group, error: Error): void {
    this.#held = this.#held.map((held) => {
      if (held.group < first || held.group > last) return held;
      const reply = encodeReply(new ErrorReply(`MISCONF Errors writing to the log: ${error.message}`), this.form);
      const bytes = Buffer.concat(Array.from({ length: held.replies }, () => reply));
      this.#heldBytes += bytes.length - held.bytes.length;
      return { ...held, bytes, group: 0 };
    });
  }

  /** No more commands; what they answered still goes out, and then the connection ends. */
  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.socket.pause();
    this.#endWhenSent();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#heldBytes = 0;
    native.sessionEnd(this.#host.session.handle, this.#session);
    this.socket.destroy();
    this.#host.closed(this);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#closed || this.#ending) return;
    this.lastActiveMs = Date.now();
    if (slab.length - used < SLAB_ROOM_MIN) this.#renewSlab();
    this.#goOn(this.#call(() => native.sessionFeed(this.#host.session.handle, this.#session, chunk, slab, used)));
  };

  readonly #onDrain = (): void => {
    this.#afterWrites();
  };

  // The client has said all that it will: it still gets its replies.
  readonly #onEnd = (): void => {
    if (!this.#parked) this.end();
    else this.#ending = true;
  };

  #renewSlab(): void {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }

  /** A native call of the session; undefined when the store is closed, and with it the connection. */
  #call(call: () => SessionOutcome): SessionOutcome | undefined {
    try {
      return call();
    } catch {
      this.destroy();
      return undefined;
    }
  }

  /** Deals with outcomes until the session needs bytes, or waits for something. */
  #goOn(first: SessionOutcome | undefined): void {
    let outcome = first;
    while (outcome !== undefined && !this.#closed) {
      this.#takeReplies();
      switch (outcome) {
        case OUTCOME_NEED_MORE: {
          this.#unpark();
          return;
        }
        case OUTCOME_UP:
          outcome = this.#runUp();
          break;
        case OUTCOME_CLOSE: {
          this.end();
          return;
        }
        case OUTCOME_BUDGET:
          this.#park();
          if (this.waitingBytes > this.#host.options.replyBytesPause) this.#turnWaits = true;
          else setImmediate(this.#resume);
          return;
        case OUTCOME_BUSY:
          this.#park();
          this.#host.kick();
          void this.#host.session.room().then(this.#resume);
          return;
        case OUTCOME_PAUSED:
          this.#park();
          this.#paused = true;
          return;
        case OUTCOME_JOB:
          this.#park();
          this.#runJob();
          return;
      }
    }
  }

  readonly #resume = (): void => {
    if (this.#closed) return;
    if (slab.length - used < SLAB_ROOM_MIN) this.#renewSlab();
    this.#goOn(this.#call(() => native.sessionResume(this.#host.session.handle, this.#session, slab, used)));
  };

  #runJob(): void {
    const { session, slowCommands } = this.#host;
    const sinceMs = performance.now();
    native.sessionRunJob(session.handle, this.#session).then(() => {
      if (this.#closed) return;
      slowCommands.addIfSlow(sinceMs, this, () => native.sessionArguments(session.handle, this.#session));
      this.#resume();
    }, this.#failJob);
  }

  // The readers' queue is full, or the store closes: the command is answered so, and the connection ends.
  readonly #failJob = (error: unknown): void => {
    if (this.#closed) return;
    this.#send(encodeReply(new ErrorReply(`ERR ${(error as Error).message}`), this.form), 0, 1);
    this.closeAfterReply();
    this.#parked = false;
    this.end();
  };

  /** Runs the command that went up. Undefined when its reply comes later. */
  #runUp(): SessionOutcome | undefined {
    const { handle } = this.#host.session;
    const context: CommandContext = {
      connection: this,
      server: this.#host,
      arguments: native.sessionArguments(handle, this.#session),
    };
    const sinceMs = performance.now();
    const reply = runCommand(context);
    if (reply === undefined) return this.#proceed();
    if (!(reply instanceof Promise)) return this.#answer(reply);
    this.#park();
    void reply
      .catch((error: unknown) => new ErrorReply(`ERR ${(error as Error).message}`))
      .then((later) => {
        this.#host.slowCommands.addIfSlow(sinceMs, this, () => context.arguments);
        this.#goOn(this.#answer(later));
      });
    return undefined;
  }

  #proceed(): SessionOutcome | undefined {
    return this.#call(() => native.sessionProceed(this.#host.session.handle, this.#session, slab, used));
  }

  #answer(reply: Reply): SessionOutcome | undefined {
    if (this.#closed) return undefined;
    const bytes = encodeReply(reply, this.form);
    if (slab.length - used < SLAB_ROOM_MIN) this.#renewSlab();
    return this.#call(() => native.sessionAnswer(this.#host.session.handle, this.#session, bytes, slab, used));
  }

  #park(): void {
    if (this.#parked) return;
    this.#parked = true;
    this.socket.pause();
  }

  #unpark(): void {
    if (this.#parked) {
      this.#parked = false;
      if (this.#ending) {
        this.#ending = false;
        this.end();
        return;
      }
    }
    this.#readWhileItMay();
  }

  // Reads from the client only as long as it reads.
  #readWhileItMay(): void {
    if (this.#ending || this.#parked || this.#closed) return;
    const mayRead = this.waitingBytes <= this.#host.options.replyBytesPause;
    if (mayRead === this.socket.isPaused()) {
      if (mayRead) this.socket.resume();
      else this.socket.pause();
    }
  }

  /** What the last native call of the session gave. */
  #takeReplies(): void {
    this.form = results[RESULT_REPLY_FORM] as ReplyForm;
    if (results[RESULT_MIDWAY] === 0) this.#midwaySinceMs = 0;
    else if (this.#midwaySinceMs === 0 || results[RESULT_REPLIES] !== 0) this.#midwaySinceMs = this.lastActiveMs;
    const length = results[RESULT_REPLY_BYTES]!;
    if (length === 0) return;
    const group = results[RESULT_REPLY_GROUP]!;
    const replies = results[RESULT_REPLIES]!;
    if (length > slab.length - used) {
      const own = Buffer.allocUnsafeSlow(length);
      native.sessionTake(this.#host.session.handle, this.#session, own);
      this.#send(own, group, replies);
      return;
    }
    const begin = used;
    used += length;
    this.#send(slab.subarray(begin, used), group, replies);
    // Taken at once: the room is free again. (A socket that has to wait keeps what it has.)
    if (this.#held.length === 0 && this.socket.writableLength === 0) used = begin;
  }

  #send(bytes: Buffer, group: Group, replies: number): void {
    if (group > this.#host.session.acknowledgedGroup || this.#held.length > 0) {
      if (this.#held.length === 0) this.#host.holds(this);
      if (group !== 0) this.#host.kick();
      this.#held.push({ bytes, group, replies });
      this.#heldBytes += bytes.length;
    } else {
      this.#write(bytes);
    }
    // A reply is bounded where it is made, and another one is made only below the pause: this is a client that is sent more
    // than it asks for.
    const { options, replyBytesMax } = this.#host;
    if (this.waitingBytes > replyBytesMax + options.replyBytesPause + SLAB_BYTES * 2) this.destroy();
  }

  #write(bytes: Buffer): void {
    if (!this.#closed) this.socket.write(bytes);
  }

  #afterWrites(): void {
    if (this.#turnWaits && this.waitingBytes <= this.#host.options.replyBytesPause) {
      this.#turnWaits = false;
      setImmediate(this.#resume);
    }
    this.#readWhileItMay();
    this.#endWhenSent();
  }

  #endWhenSent(): void {
    if (!this.#ending || this.#parked || this.#held.length > 0 || this.socket.writableEnded) return;
    this.socket.end();
    this.socket.resume(); // what still comes is thrown away: unread, it would hide the client's end
  }
}
