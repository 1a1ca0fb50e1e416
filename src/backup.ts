// Backups of an open store, and making a store of one. The work is done on native threads.
import { resolve } from "node:path";
import { closedError, rejected } from "./errors.js";
import { newDirectoryPath, requirePath } from "./paths.js";
import { runRequest, runTask } from "./native-task.js";
import type { TaskOptions } from "./native-task.js";
import { native } from "./native.js";
import type { BackupReport, RestoreReport } from "./native.js";
import type { Session } from "./session.js";

/** Options of {@link Store.backup}. */
export type BackupOptions = TaskOptions;
/** Options of {@link restore}. */
export type RestoreOptions = TaskOptions;

export function backupSession(session: Session, targetPath: unknown, options: unknown): Promise<BackupReport> {
  requirePath("targetPath", targetPath);
  if (session.handle === 0) throw closedError();
  const path = resolve(targetPath);
  const start = async (token: number, signal: AbortSignal | undefined): Promise<BackupReport> => {
    // What waits in the write-back buffer was accepted, too.
    if (session.writeBack !== undefined) await session.flush();
    signal?.throwIfAborted();
    if (session.handle === 0) throw closedError();
    return native.backup(session.handle, path, token);
  };
  return runRequest(session, options, start).catch((error: unknown) => {
    // Closing gives it up.
    throw session.handle === 0 ? closedError() : error;
  });
}

/**
 * Makes a store in `targetPath` of the backup in `backupPath`, which is only read: its files are copied, never shared, and all of
 * it is checked. The new store is made as `targetPath` + ".partial" and gets its name when all of it is durable; when this fails,
 * nothing is left of it. It is as it was at the report's `version`, and goes on from there in an epoch of its own; backups of it
 * need a directory of their own.
 *
 * @throws (rejects) `CRABKV_MISSING` when there is nothing; `CRABKV_FORMAT` when it is no backup; `CRABKV_LOCKED` while one is made
 * there; `CRABKV_CORRUPTION` when it is damaged; `CRABKV_EXISTS` when `targetPath` (or that with ".partial") is there and is not an
 * empty directory; `TypeError` when that is `backupPath` or inside of it; `CRABKV_IO`, `CRABKV_DISK_FULL`; the signal's reason.
 */
export function restore(backupPath: string, targetPath: string, options?: RestoreOptions): Promise<RestoreReport> {
  try {
    requirePath("backupPath", backupPath);
    requirePath("targetPath", targetPath);
    const target = newDirectoryPath(targetPath);
    return runTask(options, (token) => native.restore(resolve(backupPath), target, token));
  } catch (error) {
    return rejected(error);
  }
}
