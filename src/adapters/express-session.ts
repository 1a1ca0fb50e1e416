// crabkv/express-session: a store of sessions for express-session, as JSON with the time to live of their cookies.
import { Store } from "express-session";
import type { SessionData } from "express-session";
import { resolveTtl } from "../options.js";
import { StoreSource, checkOptions, textOption } from "./store-source.js";
import type { StoreSourceOptions, TextStore } from "./store-source.js";

export type { StoreSourceOptions, TextStore };

/** Options of {@link SessionStore}. Unknown ones are a `TypeError`. */
export interface SessionStoreOptions extends StoreSourceOptions {
  /** What the keys of the sessions begin with. Default `"session:"`. */
  readonly prefix?: string | undefined;
  /** Milliseconds that a session lives when its cookie has no end: a positive integer, or `Infinity`. Default: a day. */
  readonly ttlMs?: number | undefined;
}

const DAY_MS = 86_400_000;

/**
 * `session({ store: new SessionStore({ store: db }), secret, resave: false, saveUninitialized: false })`.
 *
 * A session ends with its cookie, or `ttlMs` after it was last saved or touched. `resave: false` is right here: touching a
 * session moves its end without writing it again. Callbacks get the store's errors.
 */
export class SessionStore extends Store {
  readonly #source: StoreSource;
  readonly #prefix: string;
  readonly #ttlMs: number;

  /** @throws `TypeError` or `RangeError` naming a wrong option. */
  constructor(options: SessionStoreOptions) {
    super();
    checkOptions(options, ["prefix", "ttlMs"]);
    resolveTtl(options.ttlMs, "ttlMs", DAY_MS);
    this.#ttlMs = options.ttlMs ?? DAY_MS;
    this.#prefix = textOption(options.prefix, "prefix", "session:");
    this.#source = new StoreSource(options);
  }

  override get(sid: string, callback: Callback<SessionData | null>): void {
    answer(this.#get(sid), callback);
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>): void {
    answer(this.#set(sid, session), callback);
  }

  override destroy(sid: string, callback?: Callback<void>): void {
    answer(this.#destroy(sid), callback);
  }

  /** Moves the end of a session. One that has ended does not come back. */
  override touch(sid: string, session: SessionData, callback?: Callback<void>): void {
    answer(this.#touch(sid, session), callback);
  }

  /** All sessions, each with its `id`. */
  override all(callback: Callback<(SessionData & { id: string })[]>): void {
    answer(this.#all(), callback);
  }

  /** How many sessions there are. */
  override length(callback: Callback<number>): void {
    answer(this.#length(), callback);
  }

  /** Ends all sessions. */
  override clear(callback?: Callback<void>): void {
    answer(this.#clear(), callback);
  }

  /** Closes the store if it was opened here. */
  close(): Promise<void> {
    return this.#source.close();
  }

  async #get(sid: string): Promise<SessionData | null> {
    const db = await this.#source.use();
    const text = await db.get(this.#prefix + sid);
    return text === undefined ? null : (JSON.parse(text) as SessionData);
  }

  async #set(sid: string, session: SessionData): Promise<void> {
    const ttlMs = this.#ttlOf(session);
    // As it is now: the caller may go on changing it.
    const text = JSON.stringify(session);
    const db = await this.#source.use();
    if (ttlMs > 0) await db.put(this.#prefix + sid, text, { ttlMs });
    else await db.delete(this.#prefix + sid);
  }

  async #destroy(sid: string): Promise<void> {
    const db = await this.#source.use();
    await db.delete(this.#prefix + sid);
  }

  async #touch(sid: string, session: SessionData): Promise<void> {
    const ttlMs = this.#ttlOf(session);
    const db = await this.#source.use();
    if (ttlMs > 0) await db.expire(this.#prefix + sid, ttlMs);
    else await db.delete(this.#prefix + sid);
  }

  async #all(): Promise<(SessionData & { id: string })[]> {
    const db = await this.#source.use();
    const sessions: (SessionData & { id: string })[] = [];
    for await (const [key, text] of db.entries({ prefix: this.#prefix })) {
      sessions.push({ ...(JSON.parse(text) as SessionData), id: key.slice(this.#prefix.length) });
    }
    return sessions;
  }

  async #length(): Promise<number> {
    const db = await this.#source.use();
    let count = 0;
    for await (const _key of db.keys({ prefix: this.#prefix })) count++;
    return count;
  }

  async #clear(): Promise<void> {
    const db = await this.#source.use();
    await db.clear({ prefix: this.#prefix });
  }

  /** Milliseconds that a session has left. Its cookie may have been through JSON. */
  #ttlOf(session: SessionData): number {
    const { expires } = session.cookie as { expires?: unknown };
    if (typeof expires !== "string" && !(expires instanceof Date)) return this.#ttlMs;
    const endMs = new Date(expires).getTime();
    return Number.isNaN(endMs) ? this.#ttlMs : endMs - Date.now();
  }
}

type Callback<T> = (error: unknown, result?: T) => void;

/** Tells the callback, on a stack of its own: what it throws is not the store's error. An error that nobody asked for is a warning. */
function answer<T>(result: Promise<T>, callback: Callback<T> | undefined): void {
  result.then(
    (value) => callback && process.nextTick(callback, null, value),
    (error: unknown) => {
      if (callback === undefined) process.emitWarning(error as Error);
      else process.nextTick(callback, error);
    },
  );
}
