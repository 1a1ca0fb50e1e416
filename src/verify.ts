// Checking what is on disk, of an open store and of a directory. The reading is done on a native thread.
import { closedError, rejected } from "./errors.js";
import { runTask } from "./native-task.js";
import type { TaskOptions } from "./native-task.js";
import { native } from "./native.js";
import type { VerifyReport } from "./native.js";
import { requirePath } from "./paths.js";
import type { Session } from "./session.js";

/** Options of {@link verify} and {@link Store.verify}. */
export type VerifyOptions = TaskOptions;

/**
 * Reads everything of the store in the directory `path`, which nobody may have open for writing, and reports what fails a check;
 * changes nothing. Resolves also when there are faults.
 *
 * @throws (rejects) `CRABKV_MISSING` and `CRABKV_FORMAT` when there is no store, or one of another format; `CRABKV_LOCKED` when it is
 * open; `CRABKV_IO`; the signal's reason.
 */
export function verify(path: string, options?: VerifyOptions): Promise<VerifyReport> {
  try {
    requirePath("path", path);
    return runTask(options, (token) => native.verify(0, path, token));
  } catch (error) {
    return rejected(error);
  }
}

export function verifySession(session: Session, options: unknown): Promise<VerifyReport> {
  if (session.handle === 0) throw closedError();
  return runTask(options, (token) => native.verify(session.handle, "", token)).catch((error: unknown) => {
    // Closing gives it up.
    throw session.handle === 0 ? closedError() : error;
  });
}
