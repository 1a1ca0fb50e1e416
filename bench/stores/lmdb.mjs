// lmdb-js in the configuration that its README recommends for speed at the durability asked for; see README.md here. The
// loops are what that README shows.
import { open as openStore } from "lmdb";

// Every put of one turn of the event loop goes into one transaction, written on another thread.
export { getTextByGet as getText, putAll } from "./loops.mjs";

/** `variant` "one-step": put() resolves when flushed. Otherwise commit and flush overlap, the default. */
export const optionsOf = ({ durability, form, variant }) => ({
  encoding: form === "bytes" ? "binary" : "string",
  ...(durability === "killed" ? { noSync: true } : {}),
  ...(variant === "one-step" ? { overlappingSync: false } : {}),
});

export const open = (path, options) => openStore(path, options);
export const close = (db) => db.close();

export async function putEach(db, keys, values, supply, { variant }) {
  if (variant === "one-step") {
    for (let at = supply.take(); at >= 0; at = supply.take()) await db.put(keys[at], values[at]);
    return;
  }
  for (let at = supply.take(); at >= 0; at = supply.take()) {
    await db.put(keys[at], values[at]);
    await db.flushed;
  }
}

export function getBytes(db, keys, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const value = db.getBinary(keys[at]);
    check += value.length + value[value.length - 1];
  }
  return check;
}

export async function getMany(db, batches, begin, end, { variant }) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const keys = batches[at];
    let values;
    if (variant === "loop") {
      values = new Array(keys.length);
      for (let i = 0; i < keys.length; i++) values[i] = db.get(keys[i]);
    } else {
      values = await db.getMany(keys);
    }
    for (const value of values) check += value.length + value.charCodeAt(value.length - 1);
  }
  return check;
}

export const getOne = (db, key) => db.get(key);

/** The puts of one turn are one transaction, acknowledged together. */
export async function runGroup(db, { reads, keys, values }) {
  let length = 0;
  for (const key of reads) length += db.get(key).length;
  let last;
  for (let at = 0; at < keys.length; at++) last = db.put(keys[at], values[at]);
  await last;
  return length;
}
