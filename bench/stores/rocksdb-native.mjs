// rocksdb-native (RocksDB) as its README shows: batches for reading and for writing. It has no option to sync a write, so it takes
// part only where an acknowledged write has to survive a killed process and not power loss; see README.md here.
import RocksDB from "rocksdb-native";

const BATCH_RECORDS = 1000;

export const optionsOf = () => ({});

export async function open(path, options) {
  const db = new RocksDB(path, options);
  await db.ready();
  return db;
}

export const close = (db) => db.close();

/** Leaves a store to be read in its best shape, as classic-level's is. */
export const settle = (db) => db.compactRange();

async function write(db, keys, values, begin, end) {
  const batch = db.write({ capacity: end - begin });
  for (let at = begin; at < end; at++) batch.tryPut(keys[at], values[at]);
  await batch.flush();
  batch.destroy();
}

/** The next batch is built while one is being written. */
export async function putAll(db, keys, values) {
  let written;
  for (let begin = 0; begin < keys.length; begin += BATCH_RECORDS) {
    const next = write(db, keys, values, begin, Math.min(begin + BATCH_RECORDS, keys.length));
    await written;
    written = next;
  }
  await written;
}

function readAll(db, keys) {
  const batch = db.read({ capacity: keys.length, autoDestroy: true });
  const values = keys.map((key) => batch.get(key));
  batch.tryFlush();
  return Promise.all(values);
}

export async function getOne(db, key) {
  return (await readAll(db, [key]))[0].toString();
}

export async function getText(db, keys, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const value = await getOne(db, keys[at]);
    check += value.length + value.charCodeAt(value.length - 1);
  }
  return check;
}

/** `batches[i]` is an array of 100 keys. */
export async function getMany(db, batches, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    for (const bytes of await readAll(db, batches[at])) {
      const value = bytes.toString();
      check += value.length + value.charCodeAt(value.length - 1);
    }
  }
  return check;
}

export async function runGroup(db, { reads, keys, values }) {
  let length = 0;
  if (reads.length > 0) for (const bytes of await readAll(db, reads)) length += bytes.toString().length;
  if (keys.length > 0) await write(db, keys, values, 0, keys.length);
  return length;
}
