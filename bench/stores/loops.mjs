// Loops that are the same text for several stores, because their methods have the same names. A process measures one store, so
// the compiler sees only that one's calls here.

/** Puts all records without waiting, then waits for the last, which is the last to be acknowledged. */
export async function putAll(db, keys, values) {
  let last;
  for (let at = 0; at < keys.length; at++) last = db.put(keys[at], values[at]);
  await last;
}

export function getText(db, keys, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const value = db.getSync(keys[at]);
    check += value.length + value.charCodeAt(value.length - 1);
  }
  return check;
}

/** Of stores whose get is synchronous. */
export function getTextByGet(db, keys, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const value = db.get(keys[at]);
    check += value.length + value.charCodeAt(value.length - 1);
  }
  return check;
}

export function getBytes(db, keys, begin, end) {
  let check = 0;
  for (let at = begin; at < end; at++) {
    const value = db.getSync(keys[at]);
    check += value.length + value[value.length - 1];
  }
  return check;
}
