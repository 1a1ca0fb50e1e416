// crabkv/unstorage: a driver for unstorage. Values are the text that unstorage makes of them; raw ones it writes as base64.
import type { Driver, StorageMeta, WatchCallback } from "unstorage";
import { CrabKVError, describe } from "../errors.js";
import type { StoreSourceOptions, TextStore } from "./store-source.js";
import { StoreSource, checkOptions, textOption } from "./store-source.js";

export type { StoreSourceOptions, TextStore };

/** Options of {@link crabkvDriver}. Unknown ones are a `TypeError`. */
export interface CrabKVDriverOptions extends StoreSourceOptions {
  /** Namespace in the store: what the keys begin with, before a colon. Default: none, so that `clear()` clears the store. */
  readonly base?: string | undefined;
  /** Seconds until an item expires that is set without a `ttl` of its own. Default: never. */
  readonly ttl?: number | undefined;
  /** Not used: frameworks leave the name in, by which they found the driver. */
  readonly driver?: string | undefined;
}

/**
 * `createStorage({ driver: crabkvDriver({ dataDir: "data" }) })`. Items may have a time to live: `setItem(key, value, { ttl })`, in
 * seconds, and `getMeta` tells what is left of it. `watch` shows every change of the store, whoever makes it. `getInstance()` is the
 * store, and `dispose()` ends the watching and closes the store if the driver opened it. Methods reject with the store's errors.
 *
 * @throws `TypeError` or `RangeError` naming a wrong option.
 */
export default function crabkvDriver(options: CrabKVDriverOptions): DriverOf {
  checkOptions(options, ["base", "ttl", "driver"]);
  const source = new StoreSource(options);
  const base = textOption(options.base, "base", "").replace(/:+$/, "");
  const prefix = base === "" ? "" : `${base}:`;
  const defaultTtlMs = ttlMsOf(options.ttl, Infinity);
  const watches = new Set<AbortController>();
  return {
    name: "crabkv",
    flags: { ttl: true },
    options,
    getInstance: () => source.use(),
    async hasItem(key) {
      return (await source.use()).has(prefix + key);
    },
    async getItem(key) {
      return (await (await source.use()).get(prefix + key)) ?? null;
    },
    async getItems(items) {
      const values = await (await source.use()).getMany(items.map(({ key }) => prefix + key));
      return items.map(({ key }, i) => ({ key, value: values[i] ?? null }));
    },
    async setItem(key, value, { ttl } = {}) {
      const ttlMs = ttlMsOf(ttl, defaultTtlMs);
      await (await source.use()).put(prefix + key, value, { ttlMs });
    },
    async setItems(items, common) {
      const records = items.map(({ key, value, options: own }) => {
        return { key: prefix + key, value, ttlMs: ttlMsOf(own?.ttl ?? common?.ttl, defaultTtlMs) };
      });
      await (await source.use()).putMany(records);
    },
    async removeItem(key) {
      await (await source.use()).delete(prefix + key);
    },
    async getMeta(key): Promise<StorageMeta | null> {
      const leftMs = await (await source.use()).ttl(prefix + key);
      return leftMs === undefined || leftMs === Infinity ? null : { ttl: leftMs / 1000 };
    },
    async getKeys(within = "") {
      const keys: string[] = [];
      for await (const key of (await source.use()).keys({ prefix: prefix + within }))
        keys.push(key.slice(prefix.length));
      return keys;
    },
    async clear(within = "") {
      await (await source.use()).clear({ prefix: prefix + within });
    },
    async watch(callback) {
      const ended = new AbortController();
      watches.add(ended); // at once: dispose() can come while the store is opened
      const db = await source.use();
      void follow(db, prefix, callback, ended.signal).finally(() => watches.delete(ended));
      return () => ended.abort();
    },
    dispose() {
      // A store of the caller's stays open, and would go on telling.
      for (const watch of watches) watch.abort();
      return source.close();
    },
  };
}

type DriverOf = Driver<CrabKVDriverOptions, Promise<TextStore>>;

/** Tells of changes until the signal comes or the store closes. */
async function follow(db: TextStore, prefix: string, tell: WatchCallback, signal: AbortSignal): Promise<void> {
  let from: number | undefined;
  while (true) {
    try {
      for await (const change of db.watch({ prefix, from, signal })) {
        if (change.type === "expire") continue; // the item is what it was
        tellOrThrowLater(tell, change.type === "put" ? "update" : "remove", change.key.slice(prefix.length));
      }
      return; // nobody can change it
    } catch (error) {
      const code = error instanceof CrabKVError ? error.code : undefined;
      if (signal.aborted || code === "CRABKV_CLOSED") return;
      if (code !== "CRABKV_LAGGED") {
        process.emitWarning(error as Error);
        return;
      }
      from = (error as CrabKVError).version;
    }
  }
}

/** What a listener throws is an uncaught error, as it is of an event's listener, and not the end of the watching. */
function tellOrThrowLater(tell: WatchCallback, ...change: Parameters<WatchCallback>): void {
  try {
    tell(...change);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function ttlMsOf(ttl: unknown, missing: number): number {
  if (ttl === undefined || ttl === null) return missing;
  if (typeof ttl !== "number") throw new TypeError(`ttl must be a number of seconds, not ${describe(ttl)}`);
  if (ttl === Infinity) return Infinity;
  const ttlMs = Math.ceil(ttl * 1000);
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0) return ttlMs;
  throw new RangeError(`ttl must be a positive number of seconds, or Infinity, not ${ttl}`);
}
