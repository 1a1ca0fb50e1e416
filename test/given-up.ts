// Long work that is given up as soon as it has begun.

/** A test's thread that gets no processor meanwhile may be late once or twice. */
const TRIES_MAX = 10;

/** Begins until one is given up, for it may be through before that is told; its error, or undefined when none is. */
export async function untilGivenUp(begin: () => Promise<unknown>): Promise<unknown> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      await begin();
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

/** The same, by a signal that is aborted for this reason. */
export function untilAborted(reason: Error, begin: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> {
  return untilGivenUp(() => {
    const controller = new AbortController();
    const running = begin(controller.signal);
    controller.abort(reason);
    return running;
  });
}
