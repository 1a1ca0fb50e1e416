// CrabKV as its users call it. The loops are here, not in a layer over all stores, so that each store runs the code that
// its own documentation would show, and pays for no abstraction.
import { open as openStore } from "../../dist/index.js";

export { getBytes, getText, putAll } from "./loops.mjs";

/** `durability` is "killed" (survives a killed process) or "power" (survives power loss). */
export const optionsOf = ({ durability, form }) => ({
  sync: durability === "power" ? "always" : "os",
  valueEncoding: form === "bytes" ? "buffer" : "utf8",
});

export const open = (path, options) => openStore(path, options);
export const close = (db) => db.close();

/** One of the concurrent loops: puts what the supply gives, one after the other, each when the one before is durable. */
export async function putEach(db, keys, values, supply) {
  for (let at = supply.take(); at >= 0; at = supply.take()) await db.put(keys[at], values[at]);
}

export const getOne = (db, key) => db.getSync(key);

/** Reads what a hundred requests ask for, and puts what they bring; the last put is the last to be acknowledged. */
export async function runGroup(db, { reads, keys, values }) {
  let length = 0;
  for (const value of db.getManySync(reads)) length += value.length;
  let last;
  for (let at = 0; at < keys.length; at++) last = db.put(keys[at], values[at]);
  await last;
  return length;
}

/** `batches[i]` is an array of 100 keys. */
export async function getMany(db, batches, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    for (const value of await db.getMany(batches[at])) check += value.length + value.charCodeAt(value.length - 1);
  }
  return check;
}
