// The errors that the store throws and rejects with, and the one table from the core's codes (native/core/status.h) to
// theirs. Callers branch on `code`; messages are for people.

/** What can go wrong, apart from misuse. See {@link CrabKVError}. */
export type CrabKVErrorCode =
  | "CRABKV_INVALID_ARGUMENT"
  | "CRABKV_TOO_LARGE"
  | "CRABKV_LOCKED"
  | "CRABKV_CORRUPTION"
  | "CRABKV_IO"
  | "CRABKV_DISK_FULL"
  | "CRABKV_CLOSED"
  | "CRABKV_INDETERMINATE"
  | "CRABKV_BUSY"
  | "CRABKV_FORMAT"
  | "CRABKV_MISSING"
  | "CRABKV_EXISTS"
  | "CRABKV_READ_ONLY"
  | "CRABKV_OPTIONS_DIFFER"
  | "CRABKV_FAILED"
  | "CRABKV_ABORTED"
  | "CRABKV_NOT_RESIDENT"
  | "CRABKV_INTERNAL"
  | "CRABKV_POSITION_GONE"
  | "CRABKV_LAGGED"
  | "CRABKV_ENCODING"
  | "CRABKV_CONFLICT"
  | "CRABKV_NO_BINARY";

/** Where an error of the file system or of a file's contents happened. */
export interface ErrorDetails {
  /** The file or directory concerned. */
  path?: string | undefined;
  /** Where in the file, in bytes from its start. */
  offset?: number | undefined;
  /** The operating system's error number. */
  errno?: number | undefined;
  /** Where a watch stood. */
  version?: number | undefined;
  cause?: unknown;
}

/**
 * Everything that goes wrong and is not the caller's mistake.
 *
 * | `code` | Meaning |
 * |---|---|
 * | `CRABKV_LOCKED` | Another process has the directory open; the message has its pid if it writes. |
 * | `CRABKV_CORRUPTION` | Bytes that are proven durable fail their check; `path` and `offset` say where. |
 * | `CRABKV_IO` | The operating system refused; `errno` says why. |
 * | `CRABKV_DISK_FULL` | No space for this write; nothing of it was kept. Writes work again when there is space. |
 * | `CRABKV_CLOSED` | The store is closed or closing. |
 * | `CRABKV_INDETERMINATE` | A sync failed: the write may or may not be there after reopening. |
 * | `CRABKV_BUSY` | A bounded queue is full: await earlier work, then try again. |
 * | `CRABKV_FORMAT` | Not a store, or one of a format that this version does not read. |
 * | `CRABKV_MISSING` | There is no store and `createIfMissing` is off. |
 * | `CRABKV_EXISTS` | There is a store and `errorIfExists` is on. |
 * | `CRABKV_READ_ONLY` | A write to a store that was opened with `readOnly`, or a backup opened without it. |
 * | `CRABKV_OPTIONS_DIFFER` | The store is open in this process with another value of the option named. |
 * | `CRABKV_FAILED` | The store took a failure earlier: no writes until it is reopened; see `failure`. |
 * | `CRABKV_ABORTED` | Cancelled. |
 * | `CRABKV_ENCODING` | Stored bytes cannot be decoded with this encoding; `cause` says why. |
 * | `CRABKV_CONFLICT` | An `update` or `increment` lost against other writers too many times. |
 * | `CRABKV_POSITION_GONE` | The log no longer has, or never had, what a `watch` was to begin after. |
 * | `CRABKV_LAGGED` | A `watch` fell behind by more than `lagBytesMax`; go on with `from` at the error's `version`. |
 * | `CRABKV_NO_BINARY` | At import: no native binary of the package works here; `cause` has each one's error. |
 * | `CRABKV_INTERNAL` | A bug in CrabKV. |
 *
 * Misuse is a `TypeError` or a `RangeError` that names the argument; a key, value or batch over its bound is a `RangeError`
 * with the code `CRABKV_TOO_LARGE`.
 */
export class CrabKVError extends Error {
  readonly code: CrabKVErrorCode;
  // Declared only: they exist where there is something to say, so that printing an error shows no empty fields.
  /** The file or directory concerned. */
  declare readonly path?: string;
  /** Where in the file, in bytes from its start. */
  declare readonly offset?: number;
  /** The operating system's error number. */
  declare readonly errno?: number;
  /** Where a watch stood: everything up to this version was shown. */
  declare readonly version?: number;

  constructor(code: CrabKVErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.path !== undefined) this.path = details.path;
    if (details.offset !== undefined) this.offset = details.offset;
    if (details.errno !== undefined) this.errno = details.errno;
    if (details.version !== undefined) this.version = details.version;
  }

  override get name(): string {
    return "CrabKVError";
  }
}

/** By number, as in native/core/status.h; test/errors.test.ts compares the two. Number 0 is success. */
export const codeTable: readonly (CrabKVErrorCode | undefined)[] = [
  undefined,
  "CRABKV_INVALID_ARGUMENT",
  "CRABKV_TOO_LARGE",
  "CRABKV_LOCKED",
  "CRABKV_CORRUPTION",
  "CRABKV_IO",
  "CRABKV_DISK_FULL",
  "CRABKV_CLOSED",
  "CRABKV_INDETERMINATE",
  "CRABKV_BUSY",
  "CRABKV_FORMAT",
  "CRABKV_MISSING",
  "CRABKV_EXISTS",
  "CRABKV_READ_ONLY",
  "CRABKV_OPTIONS_DIFFER",
  "CRABKV_FAILED",
  "CRABKV_ABORTED",
  "CRABKV_NOT_RESIDENT",
  "CRABKV_INTERNAL",
  "CRABKV_POSITION_GONE",
  "CRABKV_LAGGED",
];

/** The error of a failed native call. The addon calls this for every status that is not OK. */
export function errorOfStatus(
  number: number,
  message: string,
  path: string | undefined,
  offset: number | undefined,
  errno: number | undefined,
): Error {
  const code = codeTable[number] ?? "CRABKV_INTERNAL";
  // A caller's mistake, even when only the core could see it.
  if (code === "CRABKV_TOO_LARGE") return Object.assign(new RangeError(message), { code });
  if (code === "CRABKV_INVALID_ARGUMENT") return Object.assign(new TypeError(message), { code });
  return new CrabKVError(code, message, { path, offset, errno });
}

export function closedError(): CrabKVError {
  return new CrabKVError("CRABKV_CLOSED", "the store is closed");
}

/** A promise rejected with whatever was caught. */
export function rejected(error: unknown): Promise<never> {
  // What is caught here was thrown by us, by the addon or by a caller's encoding; it travels on as it is.
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
  return Promise.reject(error);
}

/** How a value looks in a message: its type, and for primitives what it is. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string")
    return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "object") {
    const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object";
  }
  return `a ${typeof value}`;
}
