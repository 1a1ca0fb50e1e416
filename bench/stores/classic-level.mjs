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
