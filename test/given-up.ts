// Long work that is given up as soon as it has begun.

/** Begins until one is given up, for it may be through before that is told; its error. */
export async function untilGivenUp(begin: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      await begin();
    } catch (error) {
      return error;
    }
  }
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
