// crabkv/express-rate-limit: a store of hit counters for express-rate-limit. A counter is a number that expires with its window.
import type { ClientRateLimitInfo, Options, Store } from "express-rate-limit";
import { StoreSource, checkOptions, textOption } from "./store-source.js";
import type { StoreSourceOptions, TextStore } from "./store-source.js";

export type { StoreSourceOptions, TextStore };

/** Options of {@link RateLimitStore}. Unknown ones are a `TypeError`. */
export interface RateLimitStoreOptions extends StoreSourceOptions {
  /** What the keys of the counters begin with. Limiters that count apart need prefixes of their own. Default `"rate-limit:"`. */
  readonly prefix?: string | undefined;
}

/**
 * `rateLimit({ store: new RateLimitStore({ store: db }), windowMs: 60_000, limit: 100 })`.
 *
 * Counting is atomic, also between worker threads on one store, and survives a restart. A window begins with the first hit of a
 * client and ends `windowMs` later. A hit is answered when it is as durable as the store's `sync` says; for counters `"os"` will do.
 * Methods reject with the store's errors; express-rate-limit hands them to express, or lets requests through with `passOnStoreError`.
 */
export class RateLimitStore implements Store {
  /** Counters are shared by all who use the store. */
  readonly localKeys = false;
  readonly prefix: string;
  readonly #source: StoreSource;
  #windowMs: number | undefined;

  /** @throws `TypeError` naming a wrong option. */
  constructor(options: RateLimitStoreOptions) {
    checkOptions(options, ["prefix"]);
    this.prefix = textOption(options.prefix, "prefix", "rate-limit:");
    this.#source = new StoreSource(options);
  }

  /** Called by the limiter, with its options. */
  init(options: Pick<Options, "windowMs">): void {
    this.#windowMs = options.windowMs;
  }

  /** A client's hits and the end of its window; undefined when it has none. */
  async get(key: string): Promise<ClientRateLimitInfo | undefined> {
    const db = await this.#source.use();
    const entry = await db.getEntry(this.prefix + key);
    if (entry === undefined) return undefined;
    const { value, expiresAtMs } = entry;
    return { totalHits: Number(value), resetTime: expiresAtMs === undefined ? undefined : new Date(expiresAtMs) };
  }

  /** Counts a hit, and begins the client's window with its first. */
  async increment(key: string): Promise<ClientRateLimitInfo> {
    if (this.#windowMs === undefined) throw new TypeError("init() must be called before, with windowMs");
    const name = this.prefix + key;
    const db = await this.#source.use();
    const totalHits = await db.increment(name, 1, { ttlMs: Math.ceil(this.#windowMs), ttlOn: "create" });
    // The window may have ended while the hit was written.
    const leftMs = (await db.ttl(name)) ?? 0;
    return { totalHits, resetTime: new Date(Date.now() + leftMs) };
  }

  /** Takes a hit back, down to none. The window stays as it is. */
  async decrement(key: string): Promise<void> {
    const db = await this.#source.use();
    await db.update(this.prefix + key, (hits) => {
      return hits === undefined ? undefined : String(Math.max(0, Number(hits) - 1));
    });
  }

  /** Forgets a client. */
  async resetKey(key: string): Promise<void> {
    const db = await this.#source.use();
    await db.delete(this.prefix + key);
  }

  /** Forgets every client. */
  async resetAll(): Promise<void> {
    const db = await this.#source.use();
    await db.clear({ prefix: this.prefix });
  }

  /** Closes the store if it was opened here. */
  shutdown(): Promise<void> {
    return this.#source.close();
  }
}
