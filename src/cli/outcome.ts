// How a command ends: the exit codes, the error that carries one, and what a person is told. Nothing else in the CLI knows
// what an error means.
import { CrabKVError } from "../errors.js";

export const EXIT_DONE = 0;
export const EXIT_NOT_FOUND = 1;
export const EXIT_USAGE = 2;
export const EXIT_CORRUPTION = 3;
export const EXIT_FAILURE = 4;

/** Arguments, environment or input that cannot be meant. The message is complete. */
export class UsageError extends Error {}

/** A key that is not there: an answer more than an error. */
export class NotFoundError extends Error {}

/** Something failed, and the message says all that the person needs. With a cause it ends as the cause would. */
export class FailureError extends Error {}

export function exitCodeOf(error: unknown): number {
  if (error instanceof FailureError && error.cause !== undefined) return exitCodeOf(error.cause);
  if (error instanceof NotFoundError) return EXIT_NOT_FOUND;
  if (error instanceof UsageError || hasCode(error, "CRABKV_TOO_LARGE")) return EXIT_USAGE;
  if (error instanceof CrabKVError && error.code === "CRABKV_CORRUPTION") return EXIT_CORRUPTION;
  return EXIT_FAILURE;
}

/** What is wrong, in a line; for a bug, where. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CrabKVError) return `${error.message} (${error.code})`;
  const isExpected =
    error instanceof UsageError || error instanceof NotFoundError || error instanceof FailureError || "code" in error;
  return isExpected ? error.message : (error.stack ?? error.message);
}

/** The same for programs. */
export function errorAsJson(error: unknown): string {
  const origin = error instanceof FailureError && error.cause !== undefined ? error.cause : error;
  const { code, path, offset } = origin as { code?: unknown; path?: unknown; offset?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  return JSON.stringify({ error: { code, message, path, offset }, exitCode: exitCodeOf(error) });
}

/** What the parser of the command line found wrong. */
export function usageAsJson(message: string): string {
  return JSON.stringify({ error: { message }, exitCode: EXIT_USAGE });
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
