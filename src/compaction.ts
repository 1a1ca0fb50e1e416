// Compaction on request. When and what to compact by itself, the core decides; see CompactionOptions in compaction-options.ts.
import { runRequest } from "./native-task.js";
import type { TaskOptions } from "./native-task.js";
import { native } from "./native.js";
import type { CompactionReport } from "./native.js";
import type { Session } from "./session.js";

/** Options of {@link Store.compact}. What a compaction has finished when its signal gives it up stays. */
export type CompactOptions = TaskOptions;

export function compact(session: Session, options: unknown): Promise<CompactionReport> {
  return runRequest(session, options, (token) => native.compact(session.handle, token));
}
