// A compaction on request, as the command and the prompt tell of it.
import type { CompactionReport } from "../native.js";
import { FailureError } from "./outcome.js";
import { columns, formatBytes, formatCount, formatSeconds } from "./output.js";

/** What can be compacted: an open store, or whatever else can do the same. */
export interface Compactable {
  compact(options: { readonly signal: AbortSignal }): Promise<Partial<CompactionReport>>;
  stats(): LogSize | Promise<LogSize>;
}

export interface LogSize {
  readonly logBytes: number;
}

/** What came of it, for people and for programs. */
export interface CompactionAnswer {
  readonly text: string;
  readonly fields: object;
}

/** Throws a FailureError that says how far it was when the signal gave it up. */
export async function compactAndTell(target: Compactable, signal: AbortSignal): Promise<CompactionAnswer> {
  const begin = performance.now();
  const { logBytes: logBytesBefore } = await target.stats();
  let report: Partial<CompactionReport>;
  try {
    report = await target.compact({ signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    const { logBytes } = await target.stats();
    throw new FailureError(
      `the compaction was cancelled after ${took(begin)}; the log had ${formatBytes(logBytesBefore)}, and has ` +
        `${formatBytes(logBytes)}: what was finished stays, and nothing is lost`,
      { advice: "compact again, and it goes on with what is left" },
    );
  }
  const { logBytes: logBytesAfter } = await target.stats();
  const text = columns([
    ["log", `${formatBytes(logBytesBefore)} before, ${formatBytes(logBytesAfter)} after`],
    ...rowsOf(report),
    ["took", took(begin)],
  ]);
  const seconds = (performance.now() - begin) / 1000;
  return { text, fields: { logBytesBefore, logBytesAfter, ...report, seconds } };
}

/** None of a server that does not say more. */
function rowsOf({
  compactions,
  segmentsIn = 0,
  segmentsOut = 0,
  recordsKept = 0,
  recordsDropped = 0,
}: Partial<CompactionReport>): string[][] {
  if (compactions === undefined) return [];
  const records = `${formatCount(recordsKept)} kept, ${formatCount(recordsDropped)} dropped`;
  return [
    ["segments", `${formatCount(segmentsIn)} replaced by ${formatCount(segmentsOut)}`],
    ["records", compactions === 0 ? "nothing to drop" : records],
  ];
}

function took(begin: number): string {
  return formatSeconds((performance.now() - begin) / 1000);
}
