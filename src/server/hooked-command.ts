// One command while hooks have it: what they see of it, and what they make of it.
import { describe } from "../errors.js";
import type { Connection } from "./connection.js";
import type { ChangeableCommand, HookConnection, HookContext } from "./hooks.js";

class Changeable implements ChangeableCommand {
  #words: readonly Buffer[];
  /** Whether a hook has made it another one. */
  changed = false;

  constructor(words: readonly Buffer[]) {
    this.#words = words;
  }

  /** The name first. */
  get words(): readonly Buffer[] {
    return this.#words;
  }

  get name(): string {
    return nameOf(this.#words);
  }

  set name(name: string) {
    if (typeof name !== "string" || name === "") throw new TypeError(`name must be a command, not ${describe(name)}`);
    this.#set([Buffer.from(name), ...this.arguments]);
  }

  get arguments(): readonly Buffer[] {
    return this.#words.slice(1);
  }

  set arguments(words: readonly (string | Uint8Array)[]) {
    if (!Array.isArray(words)) throw new TypeError(`arguments must be an array, not ${describe(words)}`);
    const bytes = (words as unknown[]).map((word) => {
      if (typeof word === "string" || word instanceof Uint8Array) return Buffer.from(word as string);
      throw new TypeError(`arguments must be strings or bytes, not ${describe(word)}`);
    });
    this.#set([this.#words[0]!, ...bytes]);
  }

  #set(words: readonly Buffer[]): void {
    this.#words = words;
    this.changed = true;
  }
}

export class HookedCommand extends Changeable implements HookContext {
  readonly queued: readonly Changeable[];
  readonly connection: HookConnection;

  constructor({ id, name, peerAddress }: Connection, words: readonly Buffer[], queued: readonly (readonly Buffer[])[]) {
    super(words);
    this.queued = queued.map((inner) => new Changeable(inner));
    this.connection = { id, name, address: peerAddress };
  }
}

/** Of a command, in upper case. */
export const nameOf = (words: readonly Buffer[]): string => words[0]!.toString("latin1").toUpperCase();
