// classic-level (LevelDB) in the configuration that its README recommends; see README.md here.
import { ClassicLevel } from "classic-level";

export { getBytes, getText } from "./loops.mjs";

const BATCH_RECORDS = 1000;

export const optionsOf = ({ form }) => ({ keyEncoding: "utf8", valueEncoding: form === "bytes" ? "buffer" : "utf8" });

export async function open(path, options) {
  const db = new ClassicLevel(path, options);
  await db.open();
  return db;
}

/** Leaves a store to be read in its best shape: without this, reads would search levels that compaction had not reached. */
export const settle = (db) => db.compactRange("", "~".repeat(32));
export const close = (db) => db.close();

/** Chained batches: the quickest of its ways to write many records. The next one is built while one is being written. */
export async function putAll(db, keys, values) {
  let written;
  for (let begin = 0; begin < keys.length; begin += BATCH_RECORDS) {
    const end = Math.min(begin + BATCH_RECORDS, keys.length);
    const batch = db.batch();
    for (let at = begin; at < end; at++) batch.put(keys[at], values[at]);
    await written;
    written = batch.write();
  }
  await written;
}

/** `sync` as its documentation says: LevelDB syncs its log before it acknowledges. It syncs once for those that wait together. */
export async function putEach(db, keys, values, supply) {
  for (let at = supply.take(); at >= 0; at = supply.take()) await db.put(keys[at], values[at], { sync: true });
}

export const getOne = (db, key) => db.getSync(key);

/** One batch for the group's writes: single puts would run on several threads at once, in any order. */
export async function runGroup(db, { reads, keys, values }) {
  let length = 0;
  for (const key of reads) length += db.getSync(key).length;
  if (keys.length === 0) return length;
  const batch = db.batch();
  for (let at = 0; at < keys.length; at++) batch.put(keys[at], values[at]);
  await batch.write();
  return length;
}
