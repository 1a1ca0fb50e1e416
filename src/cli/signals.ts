// Long work that Ctrl-C gives up in good order.
const signalNames = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal cancels the work; a second one ends the process. */
export async function untilSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const cancel = (): void => controller.abort();
  for (const name of signalNames) process.once(name, cancel);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of signalNames) process.off(name, cancel);
  }
}
