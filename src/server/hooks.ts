// server.use(): functions around commands. What nobody hooked stays native; what somebody did comes up here, goes through the
// hooks in the order in which they were added, and runs when the last of them lets it.
import { channel } from "node:diagnostics_channel";
import { describe } from "../errors.js";
import { native } from "../native.js";
import { checkKnown } from "../options.js";
import type { Session } from "../session.js";
import { commandTable } from "./command-table.js";
import type { HookedCommand } from "./hooked-command.js";
import { checkReply, ErrorReply } from "./replies.js";
import type { Reply } from "./replies.js";

/**
 * Sees a command before it runs, and its reply before the client does. What it returns, or resolves with, is the reply; with nothing
 * the reply is what `next()` gave. What it throws becomes an `ERR` reply, or the reply itself if that is an `ErrorReply`.
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- an async function that returns nothing is a good hook
export type CommandHook = (context: HookContext, next: () => Promise<Reply>) => Reply | void | Promise<Reply | void>;

/** Which commands a hook is for. */
export interface HookOptions {
  /**
   * Names, in any case; also of commands that do not exist, which the hook then answers. Each is a command of its own: `SET` is not
   * `SETEX`, nor the text protocol's `PUT`. Default: all, those that do not exist too.
   */
  readonly commands?: readonly string[] | undefined;
}

/** A command that a hook can change until it calls `next()`. */
export interface ChangeableCommand {
  /** In upper case. */
  name: string;
  /** Without the name. Strings are taken as UTF-8. */
  get arguments(): readonly Buffer[];
  set arguments(words: readonly (string | Uint8Array)[]);
}

/** A command on its way, for a {@link CommandHook}. */
export interface HookContext extends ChangeableCommand {
  /** For `EXEC` what it would run, which is one unit: all of it runs, or none. Empty for other commands. */
  readonly queued: readonly ChangeableCommand[];
  /** Who sent it. */
  readonly connection: HookConnection;
}

/** The client of a hooked command. */
export interface HookConnection {
  /** As `CLIENT ID` answers. */
  readonly id: number;
  /** As `CLIENT SETNAME` set it; empty if nobody did. */
  readonly name: string;
  /** Address and port, such as `127.0.0.1:50123`; of a Unix socket its path, with `:0`. */
  readonly address: string;
}

/** What is published on the channel `crabkv:command`, when a command has its reply. */
export interface CommandMessage {
  /** In upper case. */
  readonly name: string;
  readonly connectionId: number;
  /** From before the command ran, hooks included, until it had its reply (not: until that was durable or sent). */
  readonly durationMs: number;
  /** The error that it was answered with, such as `ERR syntax error`. */
  readonly error?: string;
}

interface Hook {
  /** In upper case; undefined: all. */
  readonly commands: ReadonlySet<string> | undefined;
  readonly run: CommandHook;
}

const commandChannel = channel("crabkv:command");
const commandIndexes: ReadonlyMap<string, number> = new Map(
  commandTable.map(({ name }, index) => [name.toUpperCase(), index]),
);

export class Hooks {
  readonly #session: Session;
  readonly #nativeServer: number;
  #hooks: readonly Hook[] = [];
  #publishes = false;
  #showsAll = false;

  constructor(session: Session, nativeServer: number) {
    this.#session = session;
    this.#nativeServer = nativeServer;
  }

  /** See {@link Server.use}. */
  add(first: unknown, second: unknown): () => void {
    const hook = typeof first === "function" ? checkHook({}, first) : checkHook(first, second);
    this.#hooks = [...this.#hooks, hook];
    this.#tellNative();
    return () => {
      this.#hooks = this.#hooks.filter((other) => other !== hook);
      this.#tellNative();
    };
  }

  /** To be called now and then: whether somebody has begun or ceased to listen to the channel. */
  checkChannel(): void {
    if (commandChannel.hasSubscribers === this.#publishes) return;
    this.#publishes = !this.#publishes;
    this.#tellNative();
  }

  /** Whether every command comes up, hooked or not. */
  showAll(shows: boolean): void {
    this.#showsAll = shows;
    this.#tellNative();
  }

  /** Whether this command, one of those that came up, is to go through here. */
  concern(name: string, queued: () => readonly string[] | undefined): boolean {
    if (this.#publishes) return true;
    if (this.#hooks.length === 0) return false;
    const inner = name === "EXEC" ? queued() : [];
    if (inner === undefined) return true; // too many to look at: it will be refused
    const names = [name, ...inner];
    return this.#hooks.some((hook) => isFor(hook, names));
  }

  /** Through the hooks to `run`, and back with the reply. Never rejects. */
  async around(command: HookedCommand, run: () => Promise<Reply>): Promise<Reply> {
    const sinceMs = performance.now();
    const { name } = command;
    let reply: Reply;
    try {
      reply = await this.#passOn(command, 0, run);
    } catch (error) {
      reply = error instanceof ErrorReply ? error : new ErrorReply(`ERR ${messageOf(error)}`);
    }
    if (commandChannel.hasSubscribers) {
      const message = { name, connectionId: command.connection.id, durationMs: performance.now() - sinceMs };
      commandChannel.publish(reply instanceof ErrorReply ? { ...message, error: reply.message } : message);
    }
    return reply;
  }

  async #passOn(command: HookedCommand, from: number, run: () => Promise<Reply>): Promise<Reply> {
    const hooks = this.#hooks;
    const names = [command.name, ...command.queued.map((queued) => queued.name)];
    const at = hooks.findIndex((hook, index) => index >= from && isFor(hook, names));
    if (at === -1) return run();
    let passed: Promise<Reply> | undefined;
    const next = (): Promise<Reply> => {
      if (passed !== undefined) return Promise.reject(new Error("next() was called twice"));
      passed = this.#passOn(command, at + 1, run);
      passed.catch(() => undefined); // a hook may not wait for it
      return passed;
    };
    let reply;
    try {
      reply = await hooks[at]!.run(command, next);
    } finally {
      // The command is over when all of it is, whether the hook waited for that or not.
      await Promise.allSettled([passed]);
    }
    if (reply !== undefined) return checkReply(reply);
    if (passed === undefined) throw new Error(`a hook left ${command.name} without a reply`);
    return passed;
  }

  #tellNative(): void {
    if (this.#session.handle === 0) return;
    const goesUp = new Uint8Array(commandTable.length + 1);
    if (this.#publishes || this.#showsAll || this.#hooks.some(({ commands }) => commands === undefined)) goesUp.fill(1);
    for (const { commands } of this.#hooks) {
      for (const name of commands ?? []) goesUp[commandIndexes.get(name) ?? commandTable.length] = 1;
    }
    native.serverHook(this.#session.handle, this.#nativeServer, goesUp);
  }
}

const isFor = ({ commands }: Hook, names: readonly string[]): boolean =>
  commands === undefined || names.some((name) => commands.has(name));

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function checkHook(given: unknown, run: unknown): Hook {
  const { commands } = checkKnown(given, new Set(["commands"]), "options") as HookOptions;
  if (typeof run !== "function") throw new TypeError(`hook must be a function, not ${describe(run)}`);
  if (commands === undefined) return { commands, run: run as CommandHook };
  if (!Array.isArray(commands)) throw new TypeError(`commands must be an array of names, not ${describe(commands)}`);
  const names = (commands as unknown[]).map((name) => {
    if (typeof name === "string" && name !== "") return name.toUpperCase();
    throw new TypeError(`commands must be names, not ${describe(name)}`);
  });
  return { commands: new Set(names), run: run as CommandHook };
}
