// Compaction on request. When and what to compact by itself, the core decides; see CompactionOptions in options.ts.
import { native } from "./native.js";
import type { CompactionReport } from "./native.js";
import { checkKnown, checkSignal } from "./options.js";
import type { Session } from "./session.js";

/** Options of {@link Store.compact}. */
export interface CompactOptions {
  /** Gives the compaction up; what it has finished until then stays. */
  readonly signal?: AbortSignal | undefined;
}

const names: ReadonlySet<string> = new Set<keyof CompactOptions>(["signal"]);
let tokens = 0;

export function compact(session: Session, given: unknown): Promise<CompactionReport> {
  const signal = checkSignal((checkKnown(given, names, "options") as CompactOptions).signal);
  signal?.throwIfAborted();
  const token = ++tokens % 2 ** 32;
  const done = native.compact(session.handle, token);
  if (signal === undefined) return done;
  const cancel = (): void => {
    if (session.handle !== 0) native.cancelCompaction(session.handle, token);
  };
  signal.addEventListener("abort", cancel, { once: true });
  return done
    .catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    })
    .finally(() => signal.removeEventListener("abort", cancel));
}
