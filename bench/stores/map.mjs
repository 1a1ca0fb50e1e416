// A plain Map: no store, but what any store in this process is bound by. Nothing is written anywhere.
export { getTextByGet as getText, putAll } from "./loops.mjs";

/** What one process puts, another does not see. */
export const volatile = true;
export const optionsOf = () => ({});

class MapStore extends Map {
  put(key, value) {
    this.set(key, value);
  }
}

export const open = () => new MapStore();
export const close = () => undefined;
export const getOne = (db, key) => db.get(key);

export function runGroup(db, { reads, keys, values }) {
  let length = 0;
  for (const key of reads) length += db.get(key).length;
  for (let at = 0; at < keys.length; at++) db.set(keys[at], values[at]);
  return length;
}
