// Takes the hooked commands of one connection through the hooks, and runs them when these let it: here, or natively with the
// reply set aside for the hooks to see.
import type { SessionOutcome } from "../native.js";
import { runCommand } from "./commands.js";
import type { Connection } from "./connection.js";
import { HookedCommand } from "./hooked-command.js";
import type { NativeSession } from "./native-session.js";
import { encodeReply, FORM_RESP2, FORM_RESP3 } from "./replies.js";
import type { Reply } from "./replies.js";
import { decodeReply } from "./reply-decoding.js";
import type { ConnectionHost } from "./server.js";

const CLOSED = "the connection is closed";

export class HookedRun {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #session: NativeSession;
  readonly #goOn: (outcome: SessionOutcome) => void;
  #closed = false;
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
  async run(words: readonly Buffer[]): Promise<Buffer> {
    const command = new HookedCommand(this.#connection, words, this.#session.queued());
    // A reply of the addon's that nobody changed goes on as it is.
    let own: { readonly reply: Reply; readonly bytes: Buffer } | undefined;
    const reply = await this.#host.hooks.around(command, async () => {
      const given = await this.#runInside(command);
      if (given.reply !== undefined) return given.reply;
      own = { reply: decodeReply(given.bytes), bytes: given.bytes };
      return own.reply;
    });
    const { form } = this.#connection;
    const isResp = form === FORM_RESP2 || form === FORM_RESP3;
    return own?.reply === reply && isResp ? own.bytes : encodeReply(reply, form);
  }

  /** OUTCOME_REPLIED. */
  takeReply(): void {
    const bytes = this.#session.takeCaptured();
    this.#host.kick(); // a hook may take its time with the reply: what was written need not wait for that
    this.#replied?.resolve(bytes);
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
    const reply = runCommand({
      connection: this.#connection,
      server: this.#host,
      isExecuting: false,
      arguments: command.words,
    });
    if (reply !== undefined) return { reply: await reply };
    const bytes = new Promise<Buffer>((resolve, reject) => (this.#replied = { resolve, reject }));
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
