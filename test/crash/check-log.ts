// What must be true after a crash: the store holds exactly the writes 1..n for some n, in log order, with their right values.
// Because sequence.mjs fixes every write, "exactly" is an equality of lists.
import { open } from "../../src/index.js";
import { entriesOf, numberOf } from "./sequence.mjs";

/** A prefix of the log that was checked. */
export interface CheckedLog {
  /** Number of its last write. */
  readonly last: number;
  /** Version of its last record. */
  readonly version: number;
}

export const emptyLog: CheckedLog = { last: 0, version: 0 };

function firstDifference(found: readonly [string, string][], expected: readonly [string, string][]): string {
  const shown = (entry: [string, string] | undefined) =>
    entry === undefined ? "nothing" : `${entry[0]} = ${entry[1].slice(0, 60)} (${entry[1].length} characters)`;
  const at = expected.findIndex(([key, value], i) => found[i]?.[0] !== key || found[i][1] !== value);
  const i = at < 0 ? expected.length : at;
  return `entry ${i} of ${found.length} found, ${expected.length} expected: ${shown(found[i])}, not ${shown(expected[i])}`;
}

/**
 * Opens the store after a crash, checks what is behind `before`, or with `whole` all of it, and closes. Throws when it is not
 * a prefix of the writes.
 */
export async function checkLog(directory: string, before: CheckedLog, whole: boolean): Promise<CheckedLog> {
  const db = await open(directory, { segmentBytes: 256 * 1024 });
  try {
    const start = whole ? emptyLog : before;
    const found: [string, string][] = [];
    for await (const entry of db.entries({ order: "log", from: start.version })) found.push(entry);
    const newest = found.at(-1);
    // The log's last record may be a delete, which leaves no entry: the cursor of its batch is then the highest number.
    const last = newest === undefined ? start.last : Math.max(numberOf(newest[1]), start.last);
    const expected = entriesOf(start.last, last);
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new Error(`not the writes ${start.last + 1}..${last}: ${firstDifference(found, expected)}`);
    }
    // Writes of before that this stretch deleted or moved on must not be there twice or come back.
    for (let n = Math.max(1, before.last - 4); n <= last && n <= before.last; n++) {
      const value = await db.get(`w:${n}:0`);
      const deleted = (n % 5 === 1 && n + 4 <= last) || n % 5 === 0;
      if ((value === undefined) !== deleted) throw new Error(`write ${n} is ${value === undefined ? "gone" : "back"}`);
    }
    return { last, version: db.stats().lastVersion };
  } finally {
    await db.close();
  }
}
