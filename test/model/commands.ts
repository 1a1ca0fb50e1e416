// The commands of the model test and how they are drawn. A command is plain JSON: it goes to the process that holds the store as
// it is. The keys are few, so that most reads find something; what removes keys is drawn less often than what writes them.
import fc from "fast-check";
import type { OpenOptions } from "../../src/index.js";
import type { ValueSpec } from "./values.mjs";

/** Milliseconds; none stands for the store's default, `never` for Infinity, which JSON does not have. */
export type Ttl = number | "never" | undefined;
export interface RecordSpec {
  key: string;
  value: ValueSpec;
  ttlMs?: Ttl;
}
/** `current` and `stale` stand for the version that the key has, and for one that it had not. */
export type GuardSpec = "absent" | "present" | "current" | "stale";
export type OperationSpec =
  | { type: "put"; key: string; value: ValueSpec; ttlMs?: Ttl | "keep"; if?: GuardSpec | undefined }
  | { type: "delete"; key: string; if?: GuardSpec | undefined }
  | { type: "check"; key: string; if: GuardSpec };
export type Part = "entries" | "keys" | "values";

export type Command =
  | { op: "put"; record: RecordSpec; durable: boolean }
  | { op: "putMany" | "stream"; records: RecordSpec[] }
  | { op: "get" | "getSync" | "getEntry" | "has" | "ttl" | "persist"; key: string }
  | { op: "getMany" | "getManySync" | "hasMany" | "deleteMany"; keys: string[] }
  | { op: "delete"; key: string; durable: boolean }
  | { op: "batch"; operations: OperationSpec[] }
  | { op: "expire"; key: string; ttlMs: number | "never" }
  | { op: "increment"; key: string; by: number; ttlMs?: Ttl; ttlOn: "create" | "write" }
  /** Replaces whatever is there by the value; null deletes. */
  | { op: "update"; key: string; value: ValueSpec | null; ttlMs?: Ttl }
  /** Puts with a time to live of a few milliseconds, together or each by itself, or expires one key in so many, and waits until it is over. */
  | { op: "lapse"; records: RecordSpec[]; apart: boolean }
  | { op: "lapseKey"; key: string; ttlMs: number }
  | { op: "walk"; part: Part; prefix: string; limit: number | null; log: boolean; fromKey: string | null }
  /** Begins a walk, and reads it to its end after whatever other commands came in between. */
  | { op: "snapshot" | "drain" }
  | { op: "clear"; prefix: string }
  | { op: "flush" | "stats" | "compact" };

/** From an open to a close or a kill. */
export interface Phase {
  options: OpenOptions;
  /** Another handle of the same process, with a cache where the first has none; the commands alternate. */
  twoHandles: boolean;
  /** Most writes that wait for their acknowledgement. */
  window: number;
  commands: Command[];
  /** Killed when this part of the commands has answered; null: closed. */
  killAt: number | null;
  /** The next open is made by another process, also after a close. */
  newProcess: boolean;
}

const KEYS = 80;
const prefixes = ["", "user:", "user:1", "{tag}:", "ü", "nobody"];
const HOUR_MS = 3_600_000;

function keyOf(n: number): string {
  if (n === 0) return "";
  if (n === 1) return "long:".repeat(60);
  return (n % 3 === 0 ? "user:" : n % 3 === 1 ? "{tag}:" : "ü") + String(n);
}

const key = fc.nat({ max: KEYS - 1 }).map(keyOf);
// Keys that only increment writes, so that they hold numbers.
const counter = fc.nat({ max: 5 }).map((n) => `#${n}`);
const anyKey = fc.oneof({ weight: 12, arbitrary: key }, { weight: 1, arbitrary: counter });
const keys = fc.array(anyKey, { maxLength: 8, size: "max" });
const length = fc.oneof(
  { weight: 60, arbitrary: fc.nat({ max: 40 }) },
  { weight: 40, arbitrary: fc.nat({ max: 600 }) },
  { weight: 6, arbitrary: fc.integer({ min: 3000, max: 9000 }) },
  // More than the smallest segment.
  { weight: 1, arbitrary: fc.constant(70_000) },
);
const value: fc.Arbitrary<ValueSpec> = fc.tuple(fc.nat({ max: 99_999 }), length, fc.nat({ max: 2 }));
const ttlMs: fc.Arbitrary<Ttl> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant("never" as const) },
  { weight: 2, arbitrary: fc.integer({ min: HOUR_MS, max: 720 * HOUR_MS }) },
  { weight: 1, arbitrary: fc.constant(1e15) },
);
const record: fc.Arbitrary<RecordSpec> = fc.record({ key, value, ttlMs });
const records = fc.array(record, { maxLength: 10, size: "max" });
const durable = fc.integer({ min: 0, max: 29 }).map((n) => n === 0);
const shortMs = fc.integer({ min: 1, max: 3 });

const guard = fc.constantFrom<GuardSpec>("absent", "present", "current", "current", "current", "stale");
const maybeGuard = fc.option(guard, { nil: undefined, freq: 2 });
const operation: fc.Arbitrary<OperationSpec> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("put" as const),
      key,
      value,
      ttlMs: fc.oneof(ttlMs, fc.constant("keep" as const)),
      if: maybeGuard,
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), key: anyKey, if: maybeGuard }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("check" as const), key: anyKey, if: guard }) },
);

function weighted(weight: number, arbitrary: fc.Arbitrary<Command>) {
  return { weight, arbitrary };
}

function op<Op extends Command["op"]>(...names: Op[]): fc.Arbitrary<Op> {
  return fc.constantFrom(...names);
}

const walk = fc.record({
  op: op("walk"),
  part: fc.constantFrom<Part>("entries", "keys", "values"),
  prefix: fc.constantFrom(...prefixes),
  limit: fc.option(fc.nat({ max: 50 }), { freq: 2 }),
  log: fc.boolean(),
  fromKey: fc.option(key, { freq: 3 }),
});

const increment = fc.record({
  op: op("increment"),
  key: fc.oneof({ weight: 5, arbitrary: counter }, { weight: 1, arbitrary: key }),
  by: fc.constantFrom(1, 10, -3, 0.5),
  ttlMs,
  ttlOn: fc.constantFrom("create" as const, "write" as const),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  weighted(300, fc.record({ op: op("put"), record, durable })),
  weighted(30, fc.record({ op: op("putMany", "stream"), records })),
  weighted(80, fc.record({ op: op("batch"), operations: fc.array(operation, { maxLength: 6, size: "max" }) })),
  weighted(50, fc.record({ op: op("delete"), key: anyKey, durable })),
  weighted(10, fc.record({ op: op("deleteMany"), keys })),
  weighted(
    40,
    fc.record({ op: op("expire"), key: anyKey, ttlMs: fc.constantFrom(HOUR_MS, 5 * HOUR_MS, 1e15, "never" as const) }),
  ),
  weighted(20, fc.record({ op: op("persist"), key: anyKey })),
  weighted(
    3,
    fc.record({
      op: op("lapse"),
      records: fc.array(fc.record({ key, value, ttlMs: shortMs }), { minLength: 1, maxLength: 4 }),
      apart: fc.boolean(),
    }),
  ),
  weighted(40, increment),
  weighted(30, fc.record({ op: op("update"), key, value: fc.option(value, { nil: null, freq: 4 }), ttlMs })),
  weighted(3, fc.record({ op: op("lapseKey"), key: anyKey, ttlMs: shortMs })),
  weighted(1, fc.record({ op: op("clear"), prefix: fc.constantFrom("", "user:", "user:1", "{tag}:1", "ü1") })),
  weighted(240, fc.record({ op: op("get", "getSync", "getEntry", "has", "ttl"), key: anyKey })),
  weighted(60, fc.record({ op: op("getMany", "getManySync", "hasMany"), keys })),
  weighted(20, walk),
  weighted(6, fc.record({ op: op("snapshot") })),
  weighted(12, fc.record({ op: op("drain") })),
  weighted(10, fc.record({ op: op("flush", "stats") })),
  weighted(5, fc.record({ op: op("compact") })),
);

// So large that nothing is flushed but by a call: what a kill leaves is known exactly (log-view.ts).
const writeBack = { bytes: 16 * 1024 * 1024, everyMs: HOUR_MS };

const options: fc.Arbitrary<OpenOptions> = fc.record({
  shards: fc.constantFrom(1, 2, 16, 333),
  sync: fc.constantFrom("always" as const, "os" as const, "os" as const, { everyMs: 1 }, { everyMs: 50 }),
  compression: fc.constantFrom("none" as const, "snappy" as const),
  cache: fc.constantFrom(false as const, { entries: 20 }, { bytes: 10_000 }),
  writeBack: fc.constantFrom(false as const, writeBack),
  segmentBytes: fc.constantFrom(64 * 1024, 100_000, 1024 * 1024),
  defaultTtlMs: fc.constantFrom(undefined, undefined, 2 * HOUR_MS),
  compaction: fc.constantFrom(undefined, { auto: false }, { minBytes: 64 * 1024, deadRatio: 0.2, ioShare: 1 }),
});

/** Whether a cold getMany flushes is the store's to say, and a store that was killed cannot. */
function withoutUnknown(drawn: Phase): Phase {
  if (drawn.killAt === null || drawn.options.writeBack === false) return drawn;
  const commands = drawn.commands.map((one) => (one.op === "getMany" ? { ...one, op: "getManySync" as const } : one));
  return { ...drawn, commands };
}

const phase: fc.Arbitrary<Phase> = fc
  .record({
    options,
    twoHandles: fc.nat({ max: 3 }).map((n) => n === 0),
    window: fc.constantFrom(1, 1, 8, 64),
    commands: fc.array(command, { maxLength: 700, size: "max" }),
    killAt: fc.oneof(
      { weight: 2, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
    ),
    newProcess: fc.nat({ max: 3 }).map((n) => n === 0),
  })
  .map(withoutUnknown);

/** What happens to one directory. */
export const phases: fc.Arbitrary<Phase[]> = fc.array(phase, { minLength: 1, maxLength: 6, size: "max" });
