// crabkv/keyv: storage adapters for Keyv, and with it for what builds on Keyv (cacheable, cache-manager). Nothing of Keyv is
// loaded here. The two contracts differ: Keyv 5 hands over milliseconds to live and wants one boolean of deleteMany, Keyv 6 hands
// over deadlines and wants a boolean for each key.
import { EventEmitter } from "node:events";
import { deserialize, serialize } from "node:v8";
import type { BatchOperation } from "../batch.js";
import { StoreSource, checkOptions, textOption } from "./store-source.js";
import type { StoreSourceOptions, TextStore } from "./store-source.js";

export type { StoreSourceOptions, TextStore };

/** Options of {@link Keyv5Storage} and {@link Keyv6Storage}. Unknown ones are a `TypeError`. */
export interface KeyvStorageOptions extends StoreSourceOptions {
  /** Namespace until Keyv sets its own, which it does when it has one. Default: none. */
  readonly namespace?: string | undefined;
  /** What all keys of all namespaces begin with in the store. Default `"keyv:"`. */
  readonly prefix?: string | undefined;
}

/** What Keyv gets back: what it kept, usually text that its serializer made. Keyv has the types of values. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Kept = any;

// Begins what is stored for values that are not text (base64 of v8's structured clone), and for text that begins like that itself.
const CLONE_MARK = "\0v";
const TEXT_MARK = "\0s";

/** What the adapters for Keyv 5 and Keyv 6 have in common. */
abstract class KeyvStorage extends EventEmitter {
  /**
   * Which keys are meant; Keyv sets it. Namespaces are apart from each other, and from the keys without one: `clear()` and
   * `iterator()` are about the current one alone. So an adapter serves one Keyv; several adapters may share a store.
   */
  namespace: string | undefined;
  readonly #source: StoreSource;
  readonly #prefix: string;

  /** @throws `TypeError` naming a wrong option. */
  constructor(options: KeyvStorageOptions) {
    super();
    checkOptions(options, ["namespace", "prefix"]);
    this.namespace = options.namespace === undefined ? undefined : textOption(options.namespace, "namespace", "");
    this.#prefix = textOption(options.prefix, "prefix", "keyv:");
    this.#source = new StoreSource(options);
  }

  /** What is kept under a key, or undefined. Rejects with the store's errors, as all methods do. */
  async get(key: string): Promise<Kept> {
    const name = this.#nameOf(key);
    const db = await this.#source.use();
    return decode(await db.get(name));
  }

  /** What is kept under many keys, all as of one moment. */
  async getMany(keys: string[]): Promise<Kept[]> {
    const names = keys.map((key) => this.#nameOf(key));
    const db = await this.#source.use();
    return (await db.getMany(names)).map(decode);
  }

  /** Answered from the index: the value is not read. */
  async has(key: string): Promise<boolean> {
    const name = this.#nameOf(key);
    const db = await this.#source.use();
    return db.has(name);
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    const names = keys.map((key) => this.#nameOf(key));
    const db = await this.#source.use();
    return db.hasMany(names);
  }

  /** Removes a key. Resolves with whether it was there. */
  async delete(key: string): Promise<boolean> {
    const name = this.#nameOf(key);
    const db = await this.#source.use();
    return db.delete(name);
  }

  /** Removes every key of the namespace, in batches. */
  async clear(): Promise<void> {
    const prefix = this.#nameOf("");
    const db = await this.#source.use();
    await db.clear({ prefix });
  }

  /** The keys and values of a namespace, as they were when the first was asked for. Default: the current one. */
  async *iterator(namespace?: string): AsyncGenerator<[string, Kept], void> {
    const prefix = this.#nameOf("", namespace ?? this.namespace);
    const db = await this.#source.use();
    for await (const [name, kept] of db.entries({ prefix })) yield [name.slice(prefix.length), decode(kept)];
  }

  /** Closes the store if this adapter opened it. Then its methods reject with `CRABKV_CLOSED`. */
  disconnect(): Promise<void> {
    return this.#source.close();
  }

  /** Keeps values, all or none. `ttlMs`: `Infinity` for ever; what has no time left is removed. */
  protected async putAll(records: readonly { key: string; value: unknown; ttlMs: number }[]): Promise<void> {
    const operations = records.map(({ key, value, ttlMs }): BatchOperation<string, string> => {
      const name = this.#nameOf(key);
      if (ttlMs <= 0) return { type: "delete", key: name };
      return { type: "put", key: name, value: encode(value), ttlMs: wholeMs(ttlMs) };
    });
    const db = await this.#source.use();
    await db.batch(operations);
  }

  /** Removes keys, all or none. Resolves with which were there. */
  protected async deleteAll(keys: string[]): Promise<boolean[]> {
    const names = keys.map((key) => this.#nameOf(key));
    const db = await this.#source.use();
    return db.deleteMany(names);
  }

  // The namespace is escaped, so that no other one, however it is called, begins with the same text.
  #nameOf(key: string, namespace = this.namespace): string {
    return `${this.#prefix}${(namespace ?? "").replace(/[%:]/g, encodeURIComponent)}:${key}`;
  }
}

/**
 * Storage for Keyv 5: `new Keyv({ store: new Keyv5Storage({ store: db }), useKeyPrefix: false })`. (With `useKeyPrefix`, Keyv's
 * default, keys hold the namespace twice, and all works as well.)
 */
export class Keyv5Storage extends KeyvStorage {
  /** Keyv 5 offers `iterator()` only for dialects that it knows by name; this one says that keys can be listed by namespace. */
  readonly opts: Kept = { dialect: "redis", url: "" };

  /** `ttlMs`: undefined or 0 for ever. A fraction of a millisecond counts as a whole one. */
  async set(key: string, value: unknown, ttlMs?: number): Promise<boolean> {
    await this.putAll([{ key, value, ttlMs: ttlOf(ttlMs) }]);
    return true;
  }

  /** Keeps all of the values or none. Resolves with `true` for each: Keyv 5 passes it on, though its types say nothing of it. */
  async setMany(entries: { key: string; value: unknown; ttl?: number | undefined }[]): Promise<Kept> {
    await this.putAll(entries.map(({ key, value, ttl }) => ({ key, value, ttlMs: ttlOf(ttl) })));
    return entries.map(() => true);
  }

  /** Removes all of the keys or none. Resolves with whether all of them were there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    return (await this.deleteAll(keys)).every(Boolean);
  }
}

/** Storage for Keyv 6: `new Keyv({ store: new Keyv6Storage({ store: db }), namespace: "users" })`. */
export class Keyv6Storage extends KeyvStorage {
  /** Says that this adapter takes deadlines. */
  readonly capabilities = capabilities;

  // As ever, with the types that Keyv 6 asks of emitters.
  override listeners(event: string | symbol): Listener[] {
    return super.listeners(event) as Listener[];
  }

  override rawListeners(event: string | symbol): Listener[] {
    return super.rawListeners(event) as Listener[];
  }

  /** `expires`: the deadline, in ms since 1970; undefined for ever. With one that has passed the key is removed. */
  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    await this.putAll([{ key, value, ttlMs: timeLeft(expires) }]);
    return true;
  }

  /** Keeps all of the values or none. Resolves with `true` for each. */
  async setMany(entries: { key: string; value: unknown; expires?: number | undefined }[]): Promise<boolean[]> {
    await this.putAll(entries.map(({ key, value, expires }) => ({ key, value, ttlMs: timeLeft(expires) })));
    return entries.map(() => true);
  }

  /** Removes all of the keys or none. Resolves with which of them were there. */
  deleteMany(keys: string[]): Promise<boolean[]> {
    return this.deleteAll(keys);
  }
}

type Listener = (...args: Kept[]) => void;

const method = { exists: true, methodType: "async" } as const;
/** As Keyv's own `keyvStorageCapability()` describes an adapter. */
const capabilities = {
  compatible: true,
  store: "keyvStorage",
  expires: true,
  methods: {
    get: method,
    getMany: method,
    has: method,
    hasMany: method,
    set: method,
    setMany: method,
    delete: method,
    deleteMany: method,
    clear: method,
    disconnect: method,
    iterator: method,
  },
} as const;

function ttlOf(ttlMs: number | undefined): number {
  return typeof ttlMs !== "number" || ttlMs === 0 || Number.isNaN(ttlMs) ? Infinity : ttlMs;
}

function timeLeft(expires: number | undefined): number {
  return typeof expires !== "number" || !Number.isFinite(expires) ? Infinity : expires - Date.now();
}

// Never a moment too early: Keyv has the exact deadline beside the value.
function wholeMs(ttlMs: number): number {
  return ttlMs === Infinity ? Infinity : Math.min(Math.ceil(ttlMs), Number.MAX_SAFE_INTEGER);
}

function encode(value: unknown): string {
  if (typeof value !== "string") return CLONE_MARK + serialize(value).toString("base64");
  return value.startsWith("\0") ? TEXT_MARK + value : value;
}

function decode(kept: string | undefined): Kept {
  if (kept?.startsWith("\0") !== true) return kept;
  const rest = kept.slice(CLONE_MARK.length);
  return kept.startsWith(TEXT_MARK) ? rest : deserialize(Buffer.from(rest, "base64"));
}
