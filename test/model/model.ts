// The reference: what a store is, said with a Map. Its order of insertion is the log's order, because a put moves its key to the
// end. A command is applied first; what comes back checks the store's answer and may teach the model what only the store decides:
// versions, and the exact deadlines.
import { isDeepStrictEqual } from "node:util";
import type { Command, GuardSpec, OperationSpec, Ttl } from "./commands.js";
import type { AuditedEntry } from "./store-process.js";
import { digestOf, valueOf } from "./values.mjs";
import type { ValueSpec } from "./values.mjs";

export interface Times {
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** A deadline is known as an interval until an answer shows it; Infinity: never. */
export interface Entry {
  readonly value: string;
  deadlineLowMs: number;
  deadlineHighMs: number;
  version: number | undefined;
}

/** Throws when the store's answer is wrong. */
export type Check = (result: unknown) => void;

// The store's clock and ours are read at different moments, and rounded.
const CLOCK_SLACK_MS = 100;

function differ(expected: unknown, result: unknown): never {
  const shown = (value: unknown) => (JSON.stringify(value) as string | undefined)?.slice(0, 2000);
  throw new Error(`expected ${shown(expected)}, got ${shown(result)}`);
}

export function equals(expected: unknown): Check {
  return (result) => {
    if (!isDeepStrictEqual(result, expected)) differ(expected, result);
  };
}

export class Model {
  readonly entries: Map<string, Entry>;
  /** Expired keys that the index may still count. */
  readonly lapsed: Set<string>;
  /** Keys that have ever expired: after a kill the write may be gone that took one from the index, or put it anew. */
  readonly everLapsed: Set<string>;
  snapshot: [key: string, value: string][] | undefined;
  defaultTtlMs: Ttl;
  /** Keys that reads asked for, and those that were there. */
  lookups = 0;
  hits = 0;

  constructor(entries: Iterable<[string, Entry]> = [], lapsed: Iterable<string> = []) {
    this.entries = new Map(entries);
    this.lapsed = new Set(lapsed);
    this.everLapsed = new Set(lapsed);
  }

  copy(): Model {
    const entries = [...this.entries].map(([key, entry]): [string, Entry] => [key, { ...entry }]);
    const copy = new Model(entries, this.lapsed);
    for (const key of this.everLapsed) copy.everLapsed.add(key);
    copy.defaultTtlMs = this.defaultTtlMs;
    return copy;
  }

  put({ key, value, ttlMs }: { key: string; value: ValueSpec; ttlMs?: Ttl | "keep" }, times: Times): void {
    this.set(key, digestOf(valueOf(value)), ttlMs, times);
  }

  set(key: string, value: string, ttlMs: Ttl | "keep", times: Times): void {
    const before = this.entries.get(key);
    const ttl = ttlMs === "keep" && before === undefined ? "never" : (ttlMs ?? this.defaultTtlMs ?? "never");
    const { deadlineLowMs, deadlineHighMs } = ttl === "keep" ? before! : deadlineAfter(ttl, times);
    this.remove(key);
    this.entries.set(key, { value, deadlineLowMs, deadlineHighMs, version: undefined });
  }

  /** Whether it was there. */
  remove(key: string): boolean {
    this.lapsed.delete(key);
    return this.entries.delete(key);
  }

  /** Its time has come. */
  lapse(key: string): void {
    if (!this.entries.delete(key)) return;
    this.lapsed.add(key);
    this.everLapsed.add(key);
  }

  expire(key: string, ttlMs: number | "never", times: Times): boolean {
    const entry = this.entries.get(key);
    if (entry !== undefined) Object.assign(entry, deadlineAfter(ttlMs, times));
    return entry !== undefined;
  }

  /** Looks a key up for a read. */
  read(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    this.lookups++;
    if (entry !== undefined) this.hits++;
    return entry;
  }

  /** Whether the guard holds. A version other than the key's own never does; an absent key has version 0. */
  #holds(key: string, guard: GuardSpec | undefined): boolean {
    if (guard === "stale") return false;
    if (guard === "absent") return !this.entries.has(key);
    if (guard === "present") return this.entries.has(key);
    return true;
  }

  batch(operations: readonly OperationSpec[], times: Times): Check {
    const failedIndex = operations.findIndex(({ key, if: guard }) => !this.#holds(key, guard));
    if (failedIndex >= 0) return equals({ committed: false, failedIndex });
    for (const operation of operations) {
      if (operation.type === "put") this.put(operation, times);
      else if (operation.type === "delete") this.remove(operation.key);
    }
    const last = operations.at(-1);
    const written = last?.type === "put" ? this.entries.get(last.key) : undefined;
    return (result) => {
      const { committed, version } = result as { committed: boolean; version: number };
      if (!committed || !Number.isSafeInteger(version)) differ("a committed batch", result);
      if (written !== undefined) learnVersion(written, version);
    };
  }

  /** Whether the store, just opened, holds what the model does; and learns what it shows. */
  matches(audited: readonly AuditedEntry[]): boolean {
    const expected = [...this.entries];
    let lastVersion = 0;
    return (
      audited.length === expected.length &&
      audited.every(([key, value, version, expiresAtMs], i) => {
        const [expectedKey, entry] = expected[i]!;
        const ascends = version > lastVersion;
        lastVersion = version;
        if (!ascends || key !== expectedKey || value !== entry.value) return false;
        return knowsVersion(entry, version) && knowsDeadline(entry, expiresAtMs);
      })
    );
  }

  learn(audited: readonly AuditedEntry[]): void {
    for (const [key, , version, expiresAtMs] of audited) {
      const entry = this.entries.get(key)!;
      learnVersion(entry, version);
      learnDeadline(entry, expiresAtMs);
    }
  }
}

function deadlineAfter(ttlMs: number | "never", { beforeMs, afterMs }: Times) {
  if (ttlMs === "never") return { deadlineLowMs: Infinity, deadlineHighMs: Infinity };
  return { deadlineLowMs: beforeMs + ttlMs - CLOCK_SLACK_MS, deadlineHighMs: afterMs + ttlMs + CLOCK_SLACK_MS };
}

function knowsVersion(entry: Entry, version: number): boolean {
  return entry.version === undefined || entry.version === version;
}

function learnVersion(entry: Entry, version: number): void {
  if (!knowsVersion(entry, version)) differ(`version ${entry.version}`, version);
  entry.version = version;
}

function knowsDeadline(entry: Entry, expiresAtMs: number | "never"): boolean {
  if (expiresAtMs === "never") return entry.deadlineHighMs === Infinity;
  return expiresAtMs >= entry.deadlineLowMs && expiresAtMs <= entry.deadlineHighMs;
}

function learnDeadline(entry: Entry, expiresAtMs: number | "never"): void {
  if (!knowsDeadline(entry, expiresAtMs)) differ(`${entry.deadlineLowMs}..${entry.deadlineHighMs}`, expiresAtMs);
  if (expiresAtMs !== "never") entry.deadlineLowMs = entry.deadlineHighMs = expiresAtMs;
}

/** Answer of getEntry. */
export function checkEntry(entry: Entry | undefined): Check {
  if (entry === undefined) return equals(null);
  return (result) => {
    const [value, version, expiresAtMs] = result as [string, number, number | "never"];
    equals(entry.value)(value);
    learnVersion(entry, version);
    learnDeadline(entry, expiresAtMs);
  };
}

/** Answer of ttl. */
export function checkTtl(entry: Entry | undefined, { beforeMs, afterMs }: Times): Check {
  if (entry === undefined) return equals(null);
  if (entry.deadlineHighMs === Infinity) return equals("never");
  const low = entry.deadlineLowMs - afterMs - CLOCK_SLACK_MS;
  const high = entry.deadlineHighMs - beforeMs + CLOCK_SLACK_MS;
  return (result) => {
    if (typeof result !== "number" || result < low || result > high) differ(`${low}..${high} ms`, result);
  };
}

/** A command as the steps that a crash may come between. What a step cannot say yet, because a later one does, it leaves. */
export function atomsOf(command: Command): Command[] {
  if (command.op !== "stream") return [command];
  return command.records.map((record) => ({ op: "put", record, durable: true }));
}
