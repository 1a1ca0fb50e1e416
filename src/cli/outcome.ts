// How a command ends: the exit codes, the errors that carry one, and what a person or a program is told. Nothing else in the
// CLI knows what an error means.
import { CrabKVError } from "../errors.js";
import { adviceByCode } from "./advice.js";

export const EXIT_DONE = 0;
const EXIT_NOT_FOUND = 1;
export const EXIT_USAGE = 2;
export const EXIT_CORRUPTION = 3;
export const EXIT_FAILURE = 4;

export interface ErrorContext extends ErrorOptions {
  /** What the person can do about it, where the message does not say so. */
  readonly advice?: string;
}

class CliError extends Error {
  readonly advice: string | undefined;

  constructor(message: string, context?: ErrorContext) {
    super(message, context);
    this.advice = context?.advice;
  }
}

/** Arguments, environment or configuration that cannot be meant. */
export class UsageError extends CliError {}

/** A key that is not there: an answer more than an error. */
export class NotFoundError extends CliError {}

/** Something failed. With a cause it ends as the cause would. */
export class FailureError extends CliError {}

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
  return error instanceof CliError || "code" in error ? error.message : (error.stack ?? error.message);
}

/** What a person can do about it; undefined where there is nothing to do, or the message says it. */
export function adviceOf(error: unknown): string | undefined {
  if (error instanceof CliError && error.advice !== undefined) return error.advice;
  const origin = originOf(error);
  if (origin instanceof CliError) return origin.advice;
  const { code, errno } = origin as { code?: unknown; errno?: unknown };
  const isOfStore = origin instanceof CrabKVError;
  return typeof code === "string"
    ? adviceByCode(code, isOfStore ? (errno as number | undefined) : undefined)
    : undefined;
}

/** What a person is told: the message, and what to do. */
export function textOfError(error: unknown): string {
  return withHint(`crabkv: ${messageOf(error)}`, adviceOf(error));
}

/** The same for programs. */
export function jsonOfError(error: unknown): string {
  const { code, path, offset } = originOf(error) as { code?: unknown; path?: unknown; offset?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  return JSON.stringify({
    error: { code, message, path, offset, advice: adviceOf(error) },
    exitCode: exitCodeOf(error),
  });
}

/** What the parser of the command line found wrong. */
export function usageProblem(message: string, advice: string, json: boolean): string {
  return json
    ? JSON.stringify({ error: { message, advice }, exitCode: EXIT_USAGE })
    : withHint(`crabkv: ${message}`, advice);
}

function withHint(message: string, advice: string | undefined): string {
  return advice === undefined ? message : `${message}\nhint: ${advice}`;
}

/** What says what it is: a failure's cause. */
function originOf(error: unknown): object {
  const origin = error instanceof FailureError && error.cause !== undefined ? error.cause : error;
  return typeof origin === "object" && origin !== null ? origin : {};
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
