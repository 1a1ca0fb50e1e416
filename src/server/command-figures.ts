// What the native sessions of a server count for each command (native/protocol/command_counts.h).
import { native } from "../native.js";
import type { Session } from "../session.js";
import { commandTable } from "./command-table.js";

/** Upper bounds of the buckets of times, in seconds; the last bucket has none. */
export const LATENCY_BOUNDS_S = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];
const NUMBERS = 3 + LATENCY_BOUNDS_S.length + 1;

export interface CommandFigures {
  readonly name: string;
  readonly calls: number;
  /** Answered with an error. */
  readonly failed: number;
  /** Together; 0 where times are not taken. */
  readonly seconds: number;
  /** Calls by their time: one more than there are bounds. */
  readonly buckets: readonly number[];
}

/** Keys that commands looked up to read them. */
export interface LookupFigures {
  readonly found: number;
  readonly missed: number;
}

function countsOf({ handle }: Session, nativeServer: number): Float64Array {
  const numbers = new Float64Array((commandTable.length + 1) * NUMBERS + 2);
  if (handle !== 0) native.serverCounts(handle, nativeServer, numbers);
  return numbers;
}

export function lookupFigures(session: Session, nativeServer: number): LookupFigures {
  const [found, missed] = countsOf(session, nativeServer).subarray(-2);
  return { found: found!, missed: missed! };
}

/** How many commands were called, known ones and others. */
export function calledCount(session: Session, nativeServer: number): number {
  const numbers = countsOf(session, nativeServer);
  let calls = 0;
  for (let at = 0; at < numbers.length - 2; at += NUMBERS) calls += numbers[at]!;
  return calls;
}

/** Of the commands that were called. What is no command is called "unknown". */
export function commandFigures(session: Session, nativeServer: number): CommandFigures[] {
  const numbers = countsOf(session, nativeServer);
  const names = [...commandTable.map(({ name }) => name), "unknown"];
  return names.flatMap((name, i) => {
    const [calls, failed, ns, ...buckets] = numbers.subarray(i * NUMBERS, (i + 1) * NUMBERS);
    return calls === 0 ? [] : [{ name, calls: calls!, failed: failed!, seconds: ns! / 1e9, buckets }];
  });
}
