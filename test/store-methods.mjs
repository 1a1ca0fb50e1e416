// Every public method of a store, and how it is called: the table that test/lifecycle.test.ts and programs/after-failure.mjs go
// through. `made` makes, while the store is well, what the call needs.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const scratch = mkdtempSync(join(tmpdir(), "crabkv-methods-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
let backups = 0;

/** Keys that the calls find: one that never expires, and one that would. */
export const records = [
  { key: "k", value: "1" },
  { key: "expiring", value: "1", ttlMs: 3_600_000 },
];

const read = (name, call) => ({ name, answers: "promise", writes: false, call });
const write = (name, call) => ({ name, answers: "promise", writes: true, call });
const value = (name, call) => ({ name, answers: "value", writes: false, call });

function errorOf(stream) {
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.write({ key: "k", value: "v" });
    stream.end((error) => (error == null ? resolve() : reject(error)));
  });
}

export const methods = [
  write("put", (db) => db.put("k", "2")),
  write("putMany", (db) => db.putMany(records)),
  read("get", (db) => db.get("k")),
  value("getSync", (db) => db.getSync("k")),
  read("getMany", (db) => db.getMany(["k", "none"])),
  value("getManySync", (db) => db.getManySync(["k", "none"])),
  read("getEntry", (db) => db.getEntry("k")),
  read("has", (db) => db.has("k")),
  read("hasMany", (db) => db.hasMany(["k", "none"])),
  write("delete", (db) => db.delete("k")),
  write("deleteMany", (db) => db.deleteMany(["k", "none"])),
  write("batch", (db) => db.batch([{ type: "put", key: "k", value: "2", if: "present" }])),
  write("increment", (db) => db.increment("k")),
  write("update", (db) => db.update("k", (old) => `${old}0`)),
  write("expire", (db) => db.expire("k", 3_600_000)),
  write("persist", (db) => db.persist("expiring")),
  read("ttl", (db) => db.ttl("k")),
  value("entries", (db) => db.entries()),
  value("keys", (db) => db.keys()),
  value("values", (db) => db.values()),
  value("records", (db) => db.records()),
  value("watch", (db) => db.watch()),
  value("shardOf", (db) => db.shardOf("k")),
  value("createWriteStream", (db) => db.createWriteStream().on("error", () => undefined)),
  write("flush", (db) => db.flush()),
  write("compact", (db) => db.compact()),
  read("verify", (db) => db.verify()),
  write("backup", (db) => db.backup(join(scratch, `backup-${backups++}`))),
  write("clear", (db) => db.clear()),
  value("stats", (db) => db.stats()),
  value("failure", (db) => db.failure),
  // What a store's methods made before.
  { ...read("a scan's next", (_, scan) => scan.next()), made: (db) => db.entries() },
  { ...read("a scan's return", (_, scan) => scan.return()), made: (db) => db.entries() },
  { ...read("a watch's return", (_, watch) => watch.return()), made: (db) => db.watch() },
  { ...write("a stream's write", (_, stream) => errorOf(stream)), made: (db) => db.createWriteStream() },
  // Last, because they end the store.
  read("close", (db) => db.close()),
  // Older releases of Node 20 have no Symbol.asyncDispose.
  read("asyncDispose", (db) => (db[Symbol.asyncDispose] ?? db.close).call(db)),
];

const HANGS_MS = 20_000;

/** What becomes of a call: "ok", "rejected CODE", "threw CODE" or "hung". */
export async function outcomeOf(method, db, made) {
  let timer;
  const hung = new Promise((resolve) => (timer = setTimeout(resolve, HANGS_MS, "hung")));
  let answer;
  try {
    answer = method.call(db, made);
  } catch (error) {
    clearTimeout(timer);
    return `threw ${error.code ?? error}`;
  }
  const settled = Promise.resolve(answer).then(
    () => "ok",
    (error) => `rejected ${error.code ?? error}`,
  );
  const outcome = await Promise.race([settled, hung]);
  clearTimeout(timer);
  return outcome;
}

/** The outcomes of all methods, by name. */
export async function outcomesOf(db, made) {
  const outcomes = {};
  for (const method of methods) outcomes[method.name] = await outcomeOf(method, db, made.get(method.name));
  return outcomes;
}

/** What the calls need, made by a store that is well. */
export function madeBy(db) {
  return new Map(methods.map(({ name, made }) => [name, made?.(db)]));
}
