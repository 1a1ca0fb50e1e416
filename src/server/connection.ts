// One client: a socket on one side, a native session on the other. Bytes go in as they come, in one crossing a chunk; replies
// come out in order and wait here until the commit group that they tell of is acknowledged. A client that does not read its
// replies is not read from.
import type { Socket } from "node:net";
import { addressOf } from "./commands/shared.js";
import type { Listener } from "./listener.js";
import {
  OUTCOME_BUDGET,
  OUTCOME_BUSY,
  OUTCOME_CLOSE,
  OUTCOME_JOB,
  OUTCOME_NEED_MORE,
  OUTCOME_PAUSED,
  OUTCOME_REPLIED,
  OUTCOME_UP,
} from "../native.js";
import type { Group, SessionOutcome } from "../native.js";
import { CommandsUp } from "./commands-up.js";
import { CommittedNews } from "./committed-news.js";
import { ConnectionTimes } from "./connection-times.js";
import { NativeSession } from "./native-session.js";
import { Output, untakenBytes } from "./output.js";
import { encodeReply, ErrorReply, FORM_RESP2, FORM_RESP3 } from "./replies.js";
import type { ReplyForm } from "./replies.js";
import { REPLY_SLACK_BYTES } from "./reply-slabs.js";
import type { ConnectionHost } from "./server.js";
import { Turn } from "./turn.js";

export class Connection {
  readonly id: number;
  readonly times = new ConnectionTimes();
  /** CLIENT SETNAME, SETINFO. */
  name = "";
  readonly clientLibrary = { name: "", version: "" };
  lastCommand = "NULL";
  /** How it is answered. The first RESP request, and HELLO, change it. */
  form: ReplyForm;
  /** Of this connection: each makes the next answer later. */
  failedPasswords = 0;
  /** CLIENT NO-EVICT, and the store's owner. */
  isSpared: boolean;
  /** Names of channels and patterns. */
  subscribedBytes = 0;
  /** See ClientMemory. */
  countedBytes = 0;
  /** Whether it may run commands. */
  authenticated: boolean;
  readonly socket: Socket;
  readonly #host: ConnectionHost;
  readonly #listener: Pick<Listener, "path" | "trusted">;
  readonly #session: NativeSession;
  readonly #output: Output;
  readonly #news: CommittedNews;
  readonly #commandsUp: CommandsUp;
  readonly #turn = new Turn();
  /** The session waits for something else than bytes. */
  #parked = false;
  #paused = false;
  #ending = false;
  #closed = false;
  #sessionBytes = 0;

  constructor(host: ConnectionHost, socket: Socket, id: number, listener: Pick<Listener, "path" | "trusted">) {
    this.#host = host;
    this.#listener = listener;
    this.socket = socket;
    this.id = id;
    this.form = host.lineForm;
    this.authenticated = host.password === undefined || listener.trusted;
    this.#session = new NativeSession(host.session, host.nativeServer);
    this.isSpared = listener.trusted;
    if (listener.trusted) this.#session.setAuthenticated(true);
    this.#output = new Output(host, this, socket);
    this.#news = new CommittedNews(this, host, this.#session);
    this.#commandsUp = new CommandsUp(this, host, this.#session, {
      call: (call) => this.#call(call),
      park: () => this.#park(),
      goOn: (outcome) => this.#goOn(outcome),
    });
    socket.on("data", this.#onData);
    socket.on("drain", this.#onDrain);
    socket.on("end", this.#onEnd);
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
  }

  /** The client's address, as CLIENT LIST shows it; the socket's path for those that have none. */
  get peerAddress(): string {
    const { path } = this.#listener;
    return path === undefined ? addressOf(this.socket.remoteAddress, this.socket.remotePort) : `${path}:0`;
  }

  /** The address that the client has connected to. */
  get localAddress(): string {
    const { path } = this.#listener;
    return path === undefined ? addressOf(this.socket.localAddress, this.socket.localPort) : `${path}:0`;
  }

  /** Replies that wait for their group, for the end of the turn, or for the client, in bytes. */
  get waitingBytes(): number {
    return this.#output.waitingBytes;
  }

  /** The newest group that its replies wait for; 0 for none. */
  get awaitedGroup(): Group {
    return this.#output.awaitedGroup;
  }

  /** What the server holds for it. */
  get heldBytes(): number {
    return this.waitingBytes + this.#sessionBytes + this.subscribedBytes + this.#commandsUp.heldBytes;
  }

  /** Bytes that are no reply, in order with the replies, and not before this group is acknowledged. Not after the end. */
  push(bytes: Buffer, group: Group): void {
    if (!this.#closed && !this.socket.writableEnded) this.#send(bytes, group, 0);
  }

  /** Whether it has subscribed to something. */
  setSubscribed(subscribed: boolean): void {
    this.#session.setSubscribed(subscribed);
  }

  setForm(form: ReplyForm): void {
    this.form = form;
    this.#session.setForm(form);
  }

  setAuthenticated(authenticated: boolean): void {
    if (this.authenticated && !authenticated) this.times.isAskedAgain();
    this.authenticated = authenticated;
    this.#session.setAuthenticated(authenticated);
  }

  /** CLIENT REPLY: one of MUTE_NONE, MUTE_NEXT, MUTE_ALL. */
  mute(which: number): void {
    this.#session.mute(which);
  }

  /** The command that runs, or none if none does, is the last one. */
  closeAfterReply(): void {
    this.#session.closeAfterReplies();
  }

  /** After CLIENT PAUSE. */
  unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    setImmediate(this.#resume);
  }

  /** Ends the connection if it takes too long over something. A quiet one keeps no room. */
  checkTime(nowMs: number): void {
    const { authenticated, socket } = this;
    const doing = { authenticated, reads: !this.#ending && !socket.isPaused(), untaken: untakenBytes(socket) };
    if (this.times.isLate(nowMs, this.#host.options, doing)) this.destroy();
    else if (!this.#parked && this.times.becameQuiet(nowMs)) this.#trim();
  }

  #trim(): void {
    if (!this.#session.trim()) return;
    this.#sessionBytes = this.#session.heldBytes;
    this.#host.clientMemory.count(this);
  }

  /** As after connecting: no MULTI, no WATCH, RESP2 for who spoke RESP, and the password has to be said again. */
  reset(): void {
    this.setAuthenticated(this.#host.password === undefined || this.#listener.trusted);
    this.#session.forget();
    if (this.form === FORM_RESP3) this.setForm(FORM_RESP2); // one of text stays one
    this.#host.pubsub.forget(this);
    this.#host.monitors.delete(this);
    this.setSubscribed(false);
    this.name = "";
  }

  /** The groups up to this one are acknowledged. True when nothing is held any more. */
  release(upTo: Group): boolean {
    if (this.#output.release(upTo)) this.#afterWrites();
    return !this.#output.isHolding;
  }

  /** What these groups wrote is not there: their replies become errors. */
  fail(first: Group, last: Group, error: Error): void {
    this.#output.fail(first, last, error);
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
    this.#output.clear();
    this.#session.end();
    this.#commandsUp.close();
    this.socket.destroy();
    this.#host.closed(this);
    this.#news.tell();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#host.heldReplies.releaseIfMany(); // which may end connections that hold too much
    if (this.#closed || this.#ending) return;
    this.times.isActive();
    this.#host.counters.inputBytes += chunk.length;
    this.#host.hooks.checkChannel();
    this.#turn.begin();
    this.#goOn(this.#call(() => this.#session.feed(chunk)));
  };

  readonly #onDrain = (): void => {
    this.#afterWrites();
  };

  // The client has said all that it will: it still gets its replies.
  readonly #onEnd = (): void => {
    if (!this.#parked) this.end();
    else this.#ending = true;
  };

  /** A native call of the session; undefined when the store is closed, and with it the connection. */
  #call<Result>(call: () => Result): Result | undefined {
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
      if (outcome === OUTCOME_REPLIED) {
        this.#news.collect();
        this.#commandsUp.takeReply();
        this.#host.clientMemory.count(this);
        return;
      }
      if (!this.#takeReplies()) return;
      switch (outcome) {
        case OUTCOME_NEED_MORE: {
          this.#unpark();
          return;
        }
        case OUTCOME_UP: {
          const { isExecuting } = this.#session; // after another session's turn it would be about that
          this.#turn.addCommandUp();
          if (this.#turn.isOver || !this.#mayGetMore) {
            this.#yield(() => this.#commandsUp.run(isExecuting));
            return;
          }
          outcome = this.#commandsUp.run(isExecuting);
          break;
        }
        case OUTCOME_CLOSE:
          this.#endAfterWaiting();
          return;
        case OUTCOME_BUDGET:
          this.#yield(this.#resumeSession);
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
          if (this.#mayGetMore) this.#runJob();
          else this.#turn.yield(this.#runJob, false);
          return;
      }
    }
  }

  readonly #resume = (): void => {
    this.#takeTurn(this.#resumeSession);
  };

  readonly #resumeSession = (): SessionOutcome | undefined => this.#call(() => this.#session.resume());

  #takeTurn(run: () => SessionOutcome | undefined): void {
    if (this.#closed) return;
    this.#turn.begin();
    this.#goOn(run());
  }

  /** Others have their turn, and the client reads what waits for it; then this runs. */
  #yield(run: () => SessionOutcome | undefined): void {
    this.#park();
    this.#turn.yield(() => this.#takeTurn(run), this.#mayGetMore);
  }

  /** Whether so little waits for the client that another reply may be made for it. */
  get #mayGetMore(): boolean {
    return this.waitingBytes <= this.#host.options.replyBytesPause;
  }

  readonly #runJob = (): void => {
    if (this.#closed) return; // while it waited for the client to read
    const sinceMs = performance.now();
    const finish = (): SessionOutcome => {
      this.#host.slowCommands.addIfSlow(sinceMs, this, () => this.#session.arguments());
      return this.#session.resume();
    };
    this.#call(() => this.#session.runJob())?.then(() => {
      this.#takeTurn(() => this.#call(finish));
    }, this.#failJob);
  };

  // The readers' queue is full, or the store closes: the command is answered so, and the connection ends.
  readonly #failJob = (error: unknown): void => {
    if (this.#closed) return;
    this.#send(encodeReply(new ErrorReply(`ERR ${(error as Error).message}`), this.form), 0, 1);
    this.#endAfterWaiting();
  };

  // It has waited for something, maybe, and the client may have ended meanwhile.
  #endAfterWaiting(): void {
    this.#parked = false;
    this.#ending = false;
    this.end();
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
    const mayRead = this.#mayGetMore;
    if (mayRead === this.socket.isPaused()) {
      if (mayRead) {
        this.times.readsAgain();
        this.socket.resume();
      } else this.socket.pause();
    }
  }

  /** What the last call of the session gave. False when that has ended the connection. */
  #takeReplies(): boolean {
    const session = this.#session;
    this.form = session.form;
    this.times.setMidway(session.isMidway, session.hasReplied);
    this.#sessionBytes = session.heldBytes;
    this.#turn.addReplies(session.replyBytes);
    this.#news.collect();
    session.takeReplies(this.#output);
    this.#news.tell();
    this.#checkWaiting();
    return !this.#closed;
  }

  #send(bytes: Buffer, group: Group, replies: number): void {
    this.#output.send({ bytes, group, replies });
    this.#checkWaiting();
  }

  // A reply is bounded where it is made, and another one is made only below the pause: beyond that this is a client that is
  // sent more than it asks for.
  #checkWaiting(): void {
    const { options, replyBytesMax } = this.#host;
    if (this.waitingBytes > replyBytesMax + options.replyBytesPause + REPLY_SLACK_BYTES) this.destroy();
    else this.#host.clientMemory.count(this);
  }

  #afterWrites(): void {
    this.#host.clientMemory.count(this);
    if (this.#mayGetMore) this.#turn.goOn();
    this.#readWhileItMay();
    this.#endWhenSent();
  }

  #endWhenSent(): void {
    if (!this.#ending || this.#parked || this.#output.isHolding || this.socket.writableEnded) return;
    this.socket.end();
    this.times.hasEnded();
    this.socket.resume(); // what still comes is thrown away: unread, it would hide the client's end
  }
}
