// MONITOR: shows the commands of all clients to those who ask for it. While somebody does, every command comes up here.
import { describedBy } from "./command-table.js";
import type { Connection } from "./connection.js";
import { nameOf } from "./hooked-command.js";
import type { Hooks } from "./hooks.js";
import { encodeReply, Status } from "./replies.js";
import { shortened } from "./shortened.js";

/** What is shown of a command: to escape and send all of a large one takes longer than to run it. */
const SHOWN_MAX = { words: 128, wordBytes: 1024 };
/** Of what an EXEC runs, together. */
const QUEUED_BYTES_MAX = 256 * 1024;

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
};

export class Monitors {
  readonly #hooks: Hooks;
  readonly #connections = new Set<Connection>();

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  get any(): boolean {
    return this.#connections.size > 0;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
    this.#hooks.showAll(true);
  }

  delete(connection: Connection): void {
    if (this.#connections.delete(connection) && !this.any) this.#hooks.showAll(false);
  }

  /** This command is about to run, after those of the transaction that it ends. */
  show(by: Connection, words: readonly Buffer[], queued: () => readonly (readonly Buffer[])[] | undefined): void {
    const commands = nameOf(words) === "EXEC" ? [...shownOf(queued() ?? []), words] : [words];
    const nowMicroseconds = Math.round((performance.timeOrigin + performance.now()) * 1000);
    const seconds = Math.floor(nowMicroseconds / 1e6);
    const time = `${seconds}.${String(nowMicroseconds % 1e6).padStart(6, "0")}`;
    const from = `[0 ${by.peerAddress}]`;
    for (const command of commands) {
      if (!isShown(command)) continue;
      const line = new Status(`${time} ${from} ${withoutSecrets(command).join(" ")}`);
      for (const connection of this.#connections) connection.push(encodeReply(line, connection.form), 0);
    }
  }
}

/** The first of the commands. */
function* shownOf(queued: readonly (readonly Buffer[])[]): Generator<readonly Buffer[]> {
  let bytes = 0;
  for (const words of queued) {
    for (const word of words) bytes += Math.min(word.length, SHOWN_MAX.wordBytes);
    if (bytes > QUEUED_BYTES_MAX) return;
    yield words;
  }
}

/** Operators' commands are not, as in Redis. */
const isShown = (words: readonly Buffer[]): boolean => describedBy(words)?.flags.includes("admin") === false;

function withoutSecrets(words: readonly Buffer[]): string[] {
  const secrets = new Set(secretsOf(words));
  return shortened(words, SHOWN_MAX).map((word, i) =>
    secrets.has(i) ? '"(redacted)"' : `"${quoted(word.toString("latin1"))}"`,
  );
}

/** Places of users and passwords: of HELLO, behind each of its AUTH, also if it is refused for what is wrong before that. */
function* secretsOf(words: readonly Buffer[]): Generator<number> {
  const name = nameOf(words);
  if (name === "AUTH") yield* [1, 2];
  if (name !== "HELLO") return;
  for (let i = 1; i < words.length; i++) {
    const option = words[i]!.toString("latin1").toLowerCase();
    if (option === "setname") i++;
    else if (option === "auth") yield* [++i, ++i];
  }
}

const quoted = (latin1: string): string =>
  latin1.replace(/[^ -~]|["\\]/g, (unit) => escapes[unit] ?? `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`);
