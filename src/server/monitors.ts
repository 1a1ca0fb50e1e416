// MONITOR: shows the commands of all clients to those who ask for it. While somebody does, every command comes up here.
import { describedBy } from "./command-table.js";
import type { Connection } from "./connection.js";
import { nameOf } from "./hooked-command.js";
import type { Hooks } from "./hooks.js";
import { encodeReply, Status } from "./replies.js";

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
  show(by: Connection, words: readonly Buffer[], queued: () => readonly (readonly Buffer[])[]): void {
    const commands = nameOf(words) === "EXEC" ? [...queued(), words] : [words];
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

/** Operators' commands are not, as in Redis. */
const isShown = (words: readonly Buffer[]): boolean => describedBy(words)?.flags.includes("admin") === false;

function withoutSecrets(words: readonly Buffer[]): string[] {
  const name = nameOf(words);
  let secretFrom = name === "AUTH" ? 1 : words.length;
  if (name === "HELLO") secretFrom = words.findIndex((word) => word.toString("latin1").toLowerCase() === "auth") + 1;
  if (secretFrom === 0) secretFrom = words.length;
  return words.map((word, i) =>
    i >= secretFrom && i < secretFrom + 2 ? '"(redacted)"' : `"${quoted(word.toString("latin1"))}"`,
  );
}

const quoted = (latin1: string): string =>
  latin1.replace(/[^ -~]|["\\]/g, (unit) => escapes[unit] ?? `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`);
