// Collects what goes unhandled, which otherwise ends the run and names no test.
import { onTestFinished } from "vitest";

/** What goes unhandled until the test is over, in place of failing it. */
export function unhandledRejections(): unknown[] {
  const unhandled: unknown[] = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => unhandled.push(reason));
  onTestFinished(() => {
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
  });
  return unhandled;
}
