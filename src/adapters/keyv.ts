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

/** What is to be kept. */
interface Entry {
  readonly key: string;
  readonly value: unknown;
  /** Its deadline, in ms since 1970; none that is a number: it is kept for ever. */
  readonly endMs: number | undefined;
}

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

  /** Keeps a value; one that is over removes the key. */
  protected async put({ key, value, endMs }: Entry): Promise<void> {
    const name = this.#nameOf(key);
    const text = encode(value);
    const db = await this.#source.use();
    const ttlMs = timeLeft(endMs);
    if (ttlMs > 0) await db.put(name, text, { ttlMs });
    else await db.delete(name);
  }

  /** Keeps values, all or none. */
  protected async putAll(entries: readonly Entry[]): Promise<void> {
    const encoded = entries.map(({ key, value, endMs }) => ({ key: this.#nameOf(key), value: encode(value), endMs }));
    const db = await this.#source.use();
    await db.batch(
      encoded.map(({ key, value, endMs }): BatchOperation<string, string> => {
        const ttlMs = timeLeft(endMs);
        return ttlMs > 0 ? { type: "put", key, value, ttlMs } : { type: "delete", key };
      }),
    );
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
    await this.put({ key, value, endMs: endOf(ttlMs) });
    return true;
  }

  /** Keeps all of the values or none. Resolves with `true` for each: Keyv 5 passes it on, though its types say nothing of it. */
  async setMany(entries: { key: string; value: unknown; ttl?: number | undefined }[]): Promise<Kept> {
    await this.putAll(entries.map(({ key, value, ttl }) => ({ key, value, endMs: endOf(ttl) })));
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
    await this.put({ key, value, endMs: expires });
    return true;
  }

  /** Keeps all of the values or none. Resolves with `true` for each. */
  async setMany(entries: { key: string; value: unknown; expires?: number | undefined }[]): Promise<boolean[]> {
    await this.putAll(entries.map(({ key, value, expires }) => ({ key, value, endMs: expires })));
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

/** The deadline of a time to live from now on. Keyv 5 means for ever by 0. */
function endOf(ttlMs: number | undefined): number | undefined {
  return typeof ttlMs !== "number" || ttlMs === 0 ? undefined : Date.now() + ttlMs;
}

/** As the store takes it; never a moment too early, for Keyv has the exact deadline beside the value. 0 or less: it is over. */
function timeLeft(endMs: number | undefined): number {
  if (typeof endMs !== "number" || !Number.isFinite(endMs)) return Infinity;
  return Math.min(Math.ceil(endMs - Date.now()), Number.MAX_SAFE_INTEGER);
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
