// What each command does to the model, and what the store must answer. One entry a command.
import type { Command, Part } from "./commands.js";
import { checkEntry, checkTtl, equals } from "./model.js";
import type { Check, Model, Times } from "./model.js";

type Apply<C extends Command> = (model: Model, command: C, times: Times) => Check;
/** The member of the union whose `op` may be this one. */
type CommandOf<Op, C = Command> = C extends { op: unknown } ? (Op extends C["op"] ? C : never) : never;

const nothing = equals(null);
const isCount: Check = (result) => {
  if (typeof result !== "number") throw new Error(`expected a count, got ${JSON.stringify(result)}`);
};
// The store may not let a key go before its deadline; how late it may is bounded where it waits (store-process.mjs). Clocks
// are read at different moments, hence the slack.
const EARLY_MS_MAX = 2;

const notEarly: Check = (result) => {
  if (typeof result !== "number" || result < -EARLY_MS_MAX)
    throw new Error(`expired ${JSON.stringify(result)} ms late`);
};

function value(model: Model, { key }: { key: string }): Check {
  return equals(model.read(key)?.value ?? null);
}

function values(model: Model, { keys }: { keys: string[] }): Check {
  return equals(keys.map((key) => model.read(key)?.value ?? null));
}

function putAll(model: Model, { records }: CommandOf<"putMany" | "lapse" | "stream">, times: Times): void {
  for (const record of records) model.put(record, times);
}

function persist(model: Model, key: string, times: Times): boolean {
  const entry = model.entries.get(key);
  return entry?.deadlineHighMs !== Infinity && model.expire(key, "never", times);
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function increment(model: Model, { key, by, ttlMs, ttlOn }: CommandOf<"increment">, times: Times): Check {
  const old = model.entries.get(key);
  if (old !== undefined && !numberPattern.test(old.value)) return equals("CRABKV_ENCODING");
  const sum = Number(old?.value ?? 0) + by;
  const keeps = old !== undefined && (ttlMs === undefined || ttlOn === "create");
  model.set(key, String(sum), keeps ? "keep" : ttlMs, times);
  return equals(sum);
}

function update(model: Model, { key, value: next, ttlMs }: CommandOf<"update">, times: Times): Check {
  const old = model.read(key)?.value ?? null;
  // Of a key that is not there nothing is written.
  if (next === null && old !== null) model.remove(key);
  if (next !== null)
    model.put({ key, value: next, ttlMs: old !== null && ttlMs === undefined ? "keep" : ttlMs }, times);
  return equals([old, model.entries.get(key)?.value ?? null]);
}

function prefixed(model: Model, prefix: string): [key: string, value: string][] {
  const bytes = Buffer.from(prefix);
  const matching = [...model.entries].filter(([key]) => Buffer.from(key).subarray(0, bytes.length).equals(bytes));
  return matching.map(([key, entry]) => [key, entry.value]);
}

const parts: Record<Part, (entry: [key: string, value: string]) => unknown> = {
  entries: (entry) => entry,
  keys: ([key]) => key,
  values: ([, stored]) => stored,
};

function walk(model: Model, { part, prefix, limit, log, fromKey }: CommandOf<"walk">): Check {
  let expected = prefixed(model, prefix);
  if (fromKey !== null && model.entries.has(fromKey)) {
    const order = [...model.entries.keys()];
    const from = order.indexOf(fromKey);
    expected = expected.filter(([key]) => order.indexOf(key) > from);
  }
  const all = expected.map(parts[part]);
  const count = Math.min(limit ?? Infinity, all.length);
  if (log) return equals(all.slice(0, count));
  return (result) => {
    // Any of them, in any order, each once.
    const left = all.map((item) => JSON.stringify(item));
    const found = result as unknown[];
    if (found.length !== count) throw new Error(`expected ${count} entries, got ${found.length}`);
    for (const item of found) {
      const at = left.indexOf(JSON.stringify(item));
      if (at < 0) throw new Error(`${JSON.stringify(item)} is not there, or came twice`);
      left.splice(at, 1);
    }
  };
}

function stats(model: Model): Check {
  const least = model.entries.size;
  const most = least + model.lapsed.size;
  return (result) => {
    const [keys, , buffered] = result as [number, number, number];
    // A buffered put may be of a key that the index has, or not.
    if (keys + buffered < least || keys > most + buffered)
      throw new Error(`expected ${least} to ${most} keys, got ${keys} and ${buffered} buffered`);
  };
}

const appliers: { [Op in Command["op"]]: Apply<CommandOf<Op>> } = {
  put: (model, { record }, times) => (model.put(record, times), nothing),
  putMany: (model, command, times) => (putAll(model, command, times), nothing),
  stream: (model, command, times) => (putAll(model, command, times), equals(command.records.length)),
  get: value,
  getSync: value,
  getMany: values,
  getManySync: values,
  getEntry: (model, { key }) => checkEntry(model.read(key)),
  has: (model, { key }) => equals(model.read(key) !== undefined),
  hasMany: (model, { keys }) => equals(keys.map((key) => model.read(key) !== undefined)),
  ttl: (model, { key }, times) => checkTtl(model.read(key), times),
  delete: (model, { key }) => equals(model.remove(key)),
  deleteMany: (model, { keys }) => equals(keys.map((key) => model.remove(key))),
  increment,
  update,
  batch: (model, { operations }, times) => model.batch(operations, times),
  expire: (model, { key, ttlMs }, times) => equals(model.expire(key, ttlMs, times)),
  persist: (model, { key }, times) => equals(persist(model, key, times)),
  lapse: (model, command, times) => {
    putAll(model, command, times);
    for (const { key } of command.records) model.lapse(key);
    return notEarly;
  },
  lapseKey: (model, { key }) => {
    if (!model.entries.has(key)) return nothing;
    model.lapse(key);
    return notEarly;
  },
  walk,
  snapshot: (model) => ((model.snapshot = prefixed(model, "")), nothing),
  drain: (model) => {
    const expected = model.snapshot ?? null;
    model.snapshot = undefined;
    return equals(expected);
  },
  // Not atomic by contract; with so few keys it is one batch.
  clear: (model, { prefix }) => {
    for (const [key] of prefixed(model, prefix)) model.remove(key);
    return nothing;
  },
  flush: () => nothing,
  compact: () => isCount,
  stats,
};

export function apply(model: Model, command: Command, times: Times): Check {
  // TypeScript does not see that the applier and the command have the same `op`.
  return (appliers[command.op] as Apply<Command>)(model, command, times);
}
