// better-sqlite3 (SQLite) as its documents recommend: write-ahead log, prepared statements, and a transaction for what is written
// at once; see README.md here.
import Database from "better-sqlite3";

const BATCH_RECORDS = 1000;
/** sqlite.org: WITHOUT ROWID is quicker where a row is small beside a page of 4 KiB. */
const SMALL_VALUE_BYTES = 200;

export const optionsOf = ({ durability, load }) => ({
  journal_mode: "WAL",
  // In a write-ahead log NORMAL syncs at checkpoints, FULL at every commit too.
  synchronous: durability === "power" ? "FULL" : "NORMAL",
  mmap_size: 2 ** 30,
  withoutRowid: (load?.valueBytes ?? 0) <= SMALL_VALUE_BYTES,
});

/** Its addon is loaded only by opening a database. */
export const probe = () => new Database(":memory:").close();

export function open(path, { withoutRowid, ...pragmas }) {
  const db = new Database(`${path}/records.sqlite`);
  for (const [name, value] of Object.entries(pragmas)) db.pragma(`${name} = ${value}`);
  const kind = withoutRowid ? " WITHOUT ROWID" : "";
  db.exec(`CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value TEXT NOT NULL)${kind}`);
  const put = db.prepare("INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  const get = db.prepare("SELECT value FROM records WHERE key = ?").pluck();
  const putMany = db.transaction((keys, values, begin, end) => {
    for (let at = begin; at < end; at++) put.run(keys[at], values[at]);
  });
  return { db, get, put, putMany };
}

export const close = ({ db }) => db.close();
export const getOne = ({ get }, key) => get.get(key);

export function putAll({ putMany }, keys, values) {
  for (let begin = 0; begin < keys.length; begin += BATCH_RECORDS) {
    putMany(keys, values, begin, Math.min(begin + BATCH_RECORDS, keys.length));
  }
}

/** What is not measured is filled in one transaction. */
export const fill = ({ putMany }, keys, values) => putMany(keys, values, 0, keys.length);

/** One transaction a put. They are synchronous, so there is never more than one in flight. */
export async function putEach({ put }, keys, values, supply) {
  for (let at = supply.take(); at >= 0; at = supply.take()) await put.run(keys[at], values[at]);
}

export function getText({ get }, keys, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const value = get.get(keys[at]);
    check += value.length + value.charCodeAt(value.length - 1);
  }
  return check;
}

export function runGroup({ get, putMany }, { reads, keys, values }) {
  let length = 0;
  for (const key of reads) length += get.get(key).length;
  if (keys.length > 0) putMany(keys, values, 0, keys.length);
  return length;
}
