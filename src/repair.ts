// Making a new store of what checks out in a damaged one. The work is done on a native thread.
import { rejected } from "./errors.js";
import { runTask } from "./native-task.js";
import type { TaskOptions } from "./native-task.js";
import { native } from "./native.js";
import type { Fault, NativeRepairReport, VerifyReport } from "./native.js";
import { newDirectoryPath, requirePath } from "./paths.js";

/** Options of {@link repair}. */
export type RepairOptions = TaskOptions;

/**
 * What the new store has of a key of which a record is damaged: nothing; a version from before the damaged one, or of the same
 * damaged place; a newer one, so that nothing is lost of this key; or the key is too long to be told.
 */
export type KeptVersion = "none" | "older" | "newer" | "unknown";

/** One thing that is wrong with the original. */
export interface RepairFault extends Fault {
  /** For each of `keys`. They are as far as they can be read: their bytes may be what is damaged. */
  readonly kept: readonly KeptVersion[];
}

/** What {@link repair} found in the original (`faults` and the rest of a verification), and what the new store has of it. */
export interface RepairReport extends VerifyReport {
  readonly faults: readonly RepairFault[];
  /** In the new store. */
  readonly keys: number;
  /** Of these keys and their values. */
  readonly keptBytes: number;
  /** Keys that had expired by the original's own clock, and were left out. */
  readonly expired: number;
  /** Something that was stored is missing, or may be: one of the faults says so, or is not among the first 1,000. */
  readonly dataLost: boolean;
}

/** By the numbers of native/core/repair.h. */
const keptVersions: readonly KeptVersion[] = ["none", "older", "newer", "unknown"];

/**
 * Writes what checks out of the store in the directory `path` into a new store in `targetPath`: the newest good version of each
 * key, in log order, with its deadline; what a batch wrote in a damaged place is kept as a whole or not at all. The original,
 * which nobody may have open for writing, is only read. The new store is made as `targetPath` + ".partial" and gets its name
 * when all of it is durable; when this fails, nothing is left of it. Resolves also when something was lost: see `dataLost`.
 *
 * @throws (rejects) `CRABKV_MISSING` and `CRABKV_FORMAT` when there is no store, or one of another format; `CRABKV_LOCKED` when it is
 * open; `CRABKV_EXISTS` when `targetPath` (or that with ".partial") is there and is not an empty directory; `TypeError` when it
 * is `path` or inside of it; `CRABKV_IO`, `CRABKV_DISK_FULL`; the signal's reason.
 */
export function repair(path: string, targetPath: string, options?: RepairOptions): Promise<RepairReport> {
  try {
    requirePath("path", path);
    requirePath("targetPath", targetPath);
    const target = newDirectoryPath(targetPath);
    return runTask(options, (token) => native.repair(path, target, token)).then(reportOf);
  } catch (error) {
    return rejected(error);
  }
}

function reportOf({ kept, ...report }: NativeRepairReport): RepairReport {
  const faults = report.faults.map((fault, i) => ({
    ...fault,
    kept: kept[i]!.map((version) => keptVersions[version]!),
  }));
  return { ...report, faults };
}
