// The option `compaction` of open(): checks it and turns it into what the core takes, whole percents.
import { describe } from "./errors.js";
import type { NativeOptions } from "./native.js";
import { checkKnown, flag, integer } from "./options.js";

/**
 * Compaction gives back the space of overwritten, deleted and expired records, on a thread of its own. Reads and writes go on;
 * `stats()` and the event `compacted` say what it did.
 */
export interface CompactionOptions {
  /** Default true; else only `compact()` does. */
  readonly auto?: boolean | undefined;
  /** The share of the log that is dead from which on it is compacted, 0.01 to 0.99. Default a third. */
  readonly deadRatio?: number | undefined;
  /** A log of fewer bytes is left alone. Default 1 MiB. */
  readonly minBytes?: number | undefined;
  /** The share of the time that it may take, 0.01 to 1; less is slower and disturbs less. Default a half. */
  readonly ioShare?: number | undefined;
}

type NativeCompaction = Pick<
  NativeOptions,
  "autoCompaction" | "compactionDeadPercent" | "compactionLogBytesMin" | "compactionIoPercent"
>;

export function resolveCompaction(given: unknown): NativeCompaction {
  const known = new Set(["auto", "deadRatio", "minBytes", "ioShare"]);
  const options = checkKnown(given, known, "compaction") as CompactionOptions;
  return {
    autoCompaction: flag(options.auto, "compaction.auto", true),
    compactionDeadPercent: Math.round(100 * ratio(options.deadRatio, "compaction.deadRatio", 1 / 3, 0.01, 0.99)),
    compactionLogBytesMin: integer(options.minBytes, "compaction.minBytes", 2 ** 20, 0, 2 ** 50),
    compactionIoPercent: Math.round(100 * ratio(options.ioShare, "compaction.ioShare", 0.5, 0.01, 1)),
  };
}

function ratio(given: unknown, name: string, missing: number, low: number, high: number): number {
  if (given === undefined) return missing;
  if (typeof given !== "number") throw new TypeError(`${name} must be a number, not ${describe(given)}`);
  if (!(given >= low && given <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, not ${given}`);
  return given;
}
