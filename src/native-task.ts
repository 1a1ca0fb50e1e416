// Long work on a native thread (a verification, a repair; a store's compaction, its backup) as a promise that a signal can end.
import { native } from "./native.js";
import { checkKnown, checkSignal } from "./options.js";
import type { Session } from "./session.js";

/** Options of long work. */
export interface TaskOptions {
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined;
}

const names: ReadonlySet<string> = new Set<keyof TaskOptions>(["signal"]);
let tokens = 0;

/**
 * `start` begins the work under a token by which `cancel` can have the addon give it up. Throws on bad options, and when the
 * signal is aborted already.
 */
export function runTask<T>(
  options: unknown,
  start: (token: number, signal: AbortSignal | undefined) => Promise<T>,
  cancel: (token: number) => void = (token) => native.cancelTask(token),
): Promise<T> {
  const signal = checkSignal((checkKnown(options, names, "options") as TaskOptions).signal);
  signal?.throwIfAborted();
  const token = ++tokens % 2 ** 32;
  const done = start(token, signal);
  if (signal === undefined) return done;
  const onAbort = (): void => cancel(token);
  signal.addEventListener("abort", onAbort, { once: true });
  return done
    .catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    })
    .finally(() => signal.removeEventListener("abort", onAbort));
}

/** The same for work that an open store does on its own thread. */
export function runRequest<T>(
  session: Session,
  options: unknown,
  start: (token: number, signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  return runTask(options, start, (token) => {
    if (session.handle !== 0) native.cancelRequest(session.handle, token);
  });
}
