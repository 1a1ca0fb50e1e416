// The commands of one connection that its native session sends up: shown to monitors, taken through hooks, or run by the table of
// commands, and answered, at once or later.
import type { SessionOutcome } from "../native.js";
import { runCommand, TOO_MANY_WORDS } from "./commands.js";
import type { CommandContext } from "./commands.js";
import type { Connection } from "./connection.js";
import { nameOf } from "./hooked-command.js";
import { HookedRun } from "./hooked-run.js";
import type { NativeSession } from "./native-session.js";
import { WORDS_UP_MAX } from "./native-session.js";
import { encodeReply, ErrorReply } from "./replies.js";
import type { Reply } from "./replies.js";
import type { ConnectionHost } from "./server.js";

/** What the connection does for them. */
export interface Conversation {
  /** A native call of the session; undefined when the store is closed, and with it the connection. */
  readonly call: <Result>(call: () => Result) => Result | undefined;
  /** The next outcome comes later. */
  readonly park: () => void;
  /** Here it is. */
  readonly goOn: (outcome: SessionOutcome | undefined) => void;
}

export class CommandsUp {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #session: NativeSession;
  readonly #conversation: Conversation;
  /** From the first command on that was hooked. */
  #hookedRun: HookedRun | undefined;
  #closed = false;

  constructor(connection: Connection, host: ConnectionHost, session: NativeSession, conversation: Conversation) {
    this.#connection = connection;
    this.#host = host;
    this.#session = session;
    this.#conversation = conversation;
  }

  /** Of replies that hooks have, in bytes. */
  get heldBytes(): number {
    return this.#hookedRun?.heldBytes ?? 0;
  }

  /** Runs the one that went up. Undefined when its reply comes later, or the connection is closed. */
  run(isExecuting: boolean): SessionOutcome | undefined {
    const words = this.#conversation.call(() => this.#session.arguments());
    if (words === undefined) return undefined;
    if (!isExecuting && this.#host.monitors.any) {
      this.#host.monitors.show(this.#connection, words, () => this.#session.queued());
    }
    const queuedNames = (): readonly string[] | undefined => this.#session.queued()?.map(nameOf);
    if (!isExecuting && this.#host.hooks.concern(nameOf(words), queuedNames)) return this.#runHooked(words);
    const context = { connection: this.#connection, server: this.#host, isExecuting, arguments: words };
    const sinceMs = performance.now();
    const reply = runCommand(context);
    if (reply === undefined) return this.#conversation.call(() => this.#session.proceed(false));
    if (!(reply instanceof Promise)) return this.#answer(reply);
    this.#conversation.park();
    void this.#answerLater(reply, sinceMs, context);
    return undefined;
  }

  /** OUTCOME_REPLIED: a hook gets the reply. */
  takeReply(): void {
    this.#hookedRun?.takeReply();
  }

  /** Nobody is answered any more. */
  close(): void {
    this.#closed = true;
    this.#hookedRun?.close();
  }

  #runHooked(words: readonly Buffer[]): SessionOutcome | undefined {
    const queued = words.length > WORDS_UP_MAX ? undefined : this.#session.queued();
    if (queued === undefined) return this.#answer(TOO_MANY_WORDS);
    const { goOn, park } = this.#conversation;
    park();
    this.#hookedRun ??= new HookedRun(this.#connection, this.#host, this.#session, goOn);
    void this.#hookedRun.run(words, queued).then((bytes) => {
      goOn(this.#answerBytes(bytes));
    });
    return undefined;
  }

  async #answerLater(reply: Promise<Reply>, sinceMs: number, context: CommandContext): Promise<void> {
    const later = await reply.catch((error: unknown) => new ErrorReply(`ERR ${(error as Error).message}`));
    this.#host.slowCommands.addIfSlow(sinceMs, this.#connection, () => context.arguments);
    this.#conversation.goOn(this.#answer(later));
  }

  #answer(reply: Reply): SessionOutcome | undefined {
    const form = this.#hookedRun?.answerForm ?? this.#connection.form;
    return this.#answerBytes(encodeReply(reply, form, this.#host.replyBytesMax));
  }

  #answerBytes(bytes: Buffer): SessionOutcome | undefined {
    return this.#closed ? undefined : this.#conversation.call(() => this.#session.answer(bytes));
  }
}
