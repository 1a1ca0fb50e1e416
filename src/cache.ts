// The LRU cache of read values, one per store handle. An entry remembers its key's change counter as it stood before the
// look-up and is trusted only while the counter stands still: the core bumps it whoever writes, another thread, active expiry or
// an undone write included. Text is kept decoded from UTF-8, everything else as bytes that are copied out and decoded for each
// read, so that no caller can change what the next one gets. Loaded only when the cache is on.
import { performance } from "node:perf_hooks";
import { LRUCache } from "lru-cache";
import type { Codec } from "./encodings.js";
import { native, results } from "./native.js";
import { RESULT_COUNTER, RESULT_COUNTER_INDEX, RESULT_EXPIRES_AT_MS, RESULT_NOW_MS } from "./native.js";
import type { Bytes, ColdEntry, Handle } from "./native.js";
import type { CacheOptions } from "./options.js";

interface Cached {
  readonly stored: string | Uint8Array;
  readonly counterIndex: number;
  readonly counter: number;
  /** Of the monotonic clock, which a wall clock that is set back does not stretch; Infinity for never. */
  readonly validUntilMs: number;
  /** Of the wall clock, which may be set forward. */
  readonly expiresAtMs: number;
}

// What an entry costs beside its text or bytes, about.
const ENTRY_BYTES = 200;
// And what bytes cost beside themselves.
const OWN_MEMORY_BYTES = 170;

export class ReadCache {
  readonly #counters: Uint32Array;
  readonly #entries: LRUCache<string, Cached>;
  hits = 0;
  misses = 0;

  /** Throws where the runtime does not allow shared memory from native code. */
  constructor(handle: Handle, options: CacheOptions) {
    const counters = native.changeCounters(handle);
    if (counters === undefined) {
      throw new TypeError("the cache option needs a runtime that allows external ArrayBuffers; this one does not");
    }
    this.#counters = new Uint32Array(counters);
    const bounds = {
      ...(options.entries === undefined ? {} : { max: options.entries }),
      ...(options.bytes === undefined ? {} : { maxSize: options.bytes, sizeCalculation: sizeOf }),
    } as LRUCache.Options<string, Cached, unknown>;
    this.#entries = new LRUCache(bounds);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What the codec decodes, if it is here and still true. */
  get(key: Bytes, codec: Codec): string | Buffer | undefined {
    const name = nameOf(key);
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      this.misses++;
      return undefined;
    }
    if (this.#counters[entry.counterIndex] !== entry.counter || hasExpired(entry)) {
      this.#entries.delete(name);
      this.misses++;
      return undefined;
    }
    if ((typeof entry.stored === "string") !== (codec.form === "text")) {
      this.misses++; // read before with another encoding: neither form can stand for the other
      return undefined;
    }
    this.hits++;
    return typeof entry.stored === "string" ? entry.stored : Buffer.from(entry.stored);
  }

  /** Keeps what the native read that has just returned found. */
  keep(key: Bytes, stored: string | Buffer): void {
    const expiresAtMs = results[RESULT_EXPIRES_AT_MS]!;
    const leftMs = expiresAtMs === 0 ? Infinity : expiresAtMs - results[RESULT_NOW_MS]!;
    this.#keep(key, stored, results[RESULT_COUNTER_INDEX]!, results[RESULT_COUNTER]!, expiresAtMs, leftMs);
  }

  /** The same for a cold read. */
  keepCold(key: Bytes, [stored, , expiresAtMs, counterIndex, counter, nowMs]: ColdEntry): void {
    this.#keep(key, stored, counterIndex, counter, expiresAtMs, expiresAtMs === 0 ? Infinity : expiresAtMs - nowMs);
  }

  #keep(
    key: Bytes,
    stored: string | Buffer,
    counterIndex: number,
    counter: number,
    expiresAtMs: number,
    leftMs: number,
  ): void {
    // Not Buffer.from: that would hold on to a piece of the pool, and with it to all of it.
    const own = typeof stored === "string" ? stored : new Uint8Array(stored);
    const validUntilMs = leftMs === Infinity ? Infinity : performance.now() + leftMs;
    this.#entries.set(nameOf(key), { stored: own, counterIndex, counter, validUntilMs, expiresAtMs });
  }
}

/**
 * A key as a string: itself, or for bytes one character each behind a NUL; so strings that begin with a NUL get another one.
 * The same key in both kinds (a custom encoding may do that) is two entries, each of them right.
 */
function nameOf(key: Bytes): string {
  if (typeof key === "string") return key.charCodeAt(0) === 0 ? `\0\0s${key}` : key;
  return `\0b${Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1")}`;
}

function hasExpired(entry: Cached): boolean {
  if (entry.validUntilMs === Infinity) return false;
  return performance.now() >= entry.validUntilMs || Date.now() >= entry.expiresAtMs;
}

function sizeOf(entry: Cached, name: string): number {
  const { stored } = entry;
  const storedBytes = typeof stored === "string" ? 2 * stored.length : OWN_MEMORY_BYTES + stored.length;
  return ENTRY_BYTES + 2 * name.length + storedBytes;
}
