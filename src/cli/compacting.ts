// A compaction on request, as the command and the prompt tell of it.
import type { CompactionReport } from "../native.js";
import { FailureError } from "./outcome.js";
import { columns, formatBytes, formatCount, formatSeconds } from "./output.js";

/** What can be compacted: an open store, or whatever else can do the same. */
export interface Compactable {
  compact(options: { readonly signal: AbortSignal }): Promise<CompactionReport>;
  stats(): LogSize | Promise<LogSize>;
}

interface LogSize {
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
  let report: CompactionReport;
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
  const { compactions, segmentsIn, segmentsOut, recordsKept, recordsDropped } = report;
  const records = `${formatCount(recordsKept)} kept, ${formatCount(recordsDropped)} dropped`;
  const text = columns([
    ["log", `${formatBytes(logBytesBefore)} before, ${formatBytes(logBytesAfter)} after`],
    ["segments", `${formatCount(segmentsIn)} replaced by ${formatCount(segmentsOut)}`],
    ["records", compactions === 0 ? "nothing to drop" : records],
    ["took", took(begin)],
  ]);
  const seconds = (performance.now() - begin) / 1000;
  return { text, fields: { logBytesBefore, logBytesAfter, ...report, seconds } };
}

function took(begin: number): string {
  return formatSeconds((performance.now() - begin) / 1000);
}
