// Takes the hooked commands of one connection through the hooks, and runs them when these let it: here, or natively with the
// reply set aside for the hooks to see.
import type { SessionOutcome } from "../native.js";
import { runCommand } from "./commands.js";
import type { Connection } from "./connection.js";
import { HookedCommand } from "./hooked-command.js";
import type { NativeSession } from "./native-session.js";
import { encodeReply, FORM_RESP3, isText, printReplies } from "./replies.js";
import type { Reply, ReplyForm } from "./replies.js";
import { decodeReply } from "./reply-decoding.js";
import type { ConnectionHost } from "./server.js";

const CLOSED = "the connection is closed";

export class HookedRun {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #session: NativeSession;
  readonly #goOn: (outcome: SessionOutcome) => void;
  #closed = false;
  #heldBytes = 0;
  /** For the reply of the command that runs natively. */
  #replied: { readonly resolve: (bytes: Buffer) => void; readonly reject: (error: Error) => void } | undefined;

  constructor(
    connection: Connection,
    host: ConnectionHost,
    session: NativeSession,
    goOn: (outcome: SessionOutcome) => void,
  ) {
    this.#connection = connection;
    this.#host = host;
    this.#session = session;
    this.#goOn = goOn;
  }

  /** The reply of the command that went up, for the client. Never rejects. */
  async run(words: readonly Buffer[], queued: readonly (readonly Buffer[])[]): Promise<Buffer> {
    const command = new HookedCommand(this.#connection, words, queued);
    // A reply of the addon's that nobody changed goes on as it is.
    let own: { readonly reply: Reply; readonly bytes: Buffer } | undefined;
    const reply = await this.#host.hooks.around(command, async () => {
      const given = await this.#runInside(command);
      if (given.reply !== undefined) return given.reply;
      own = { reply: decodeReply(given.bytes), bytes: given.bytes };
      return own.reply;
    });
    this.#heldBytes = 0;
    const { form } = this.#connection;
    const { replyBytesMax } = this.#host;
    if (own?.reply !== reply) return encodeReply(reply, form, replyBytesMax);
    return isText(form) ? printReplies(own.bytes, form, replyBytesMax) : own.bytes;
  }

  /** In which form commands are answered: of an EXEC whose reply is set aside in another one than the connection's. */
  get answerForm(): ReplyForm {
    const { form } = this.#connection;
    return this.#replied !== undefined && isText(form) ? FORM_RESP3 : form;
  }

  /** Of a reply that hooks have. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** OUTCOME_REPLIED. */
  takeReply(): void {
    const bytes = this.#session.takeCaptured();
    this.#heldBytes = bytes.length;
    this.#host.kick(); // a hook may take its time with the reply: what was written need not wait for that
    this.#replied?.resolve(bytes);
    this.#replied = undefined;
  }

  /** The connection is closed: a hook that waits for its command hears so. */
  close(): void {
    this.#closed = true;
    this.#replied?.reject(new Error(CLOSED));
  }

  /** A value from here, or bytes from the addon. */
  async #runInside(command: HookedCommand): Promise<{ reply: Reply } | { reply?: undefined; bytes: Buffer }> {
    if (this.#closed) throw new Error(CLOSED);
    this.#applyChanges(command);
    const { words } = command;
    const sinceMs = performance.now();
    const reply = runCommand({
      connection: this.#connection,
      server: this.#host,
      isExecuting: false,
      arguments: words,
    });
    if (reply instanceof Promise) {
      const later = await reply;
      this.#host.slowCommands.addIfSlow(sinceMs, this.#connection, () => words);
      return { reply: later };
    }
    if (reply !== undefined) return { reply };
    const bytes = new Promise<Buffer>((resolve, reject) => (this.#replied = { resolve, reject }));
    bytes.catch(() => undefined); // nobody waits for it when the session is gone already
    this.#goOn(this.#session.proceed(true));
    return { bytes: await bytes };
  }

  #applyChanges(command: HookedCommand): void {
    const changes = [command, ...command.queued].filter(({ changed }) => changed);
    for (const change of changes) {
      const at = command.queued.indexOf(change);
      if (!this.#session.replace(at === -1 ? undefined : at, change.words)) {
        throw new TypeError(`a hook made a command of it that cannot run here: ${change.name}`);
      }
    }
  }
}
