// The writes of the crash tests: write number n is the same for whoever asks, so that the checker knows from the numbers alone
// what a prefix of the log looks like. Singles, atomic batches over several keys, deletes, and one key that every batch moves on.

/** Numbers that differ without a pattern, for lengths and contents. */
function mixed(n) {
  let hash = Math.imul(n ^ (n >>> 16), 0x45d9f3b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

// Mostly short, sometimes longer than a page; half of them compress well.
function valueOf(n, part) {
  const hash = mixed(n * 31 + part);
  const length = hash % 89 === 0 ? 20_000 : hash % 200;
  const piece = hash % 2 === 0 ? "crab" : hash.toString(36) + mixed(hash).toString(36);
  return `${n}/${part}:` + piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
}

function put(n, part, key = `w:${n}:${part}`) {
  return { type: "put", key, value: valueOf(n, part) };
}

/** What write number n does, in this order and as one. */
export function operationsOf(n) {
  if (n % 5 === 3) return [put(n, 0), put(n, 1)];
  if (n % 5 !== 0) return [put(n, 0)];
  const operations = [put(n, 0, "cursor")];
  for (let part = 1; part <= 2 + (n % 4); part++) operations.push(put(n, part));
  operations.push({ type: "delete", key: `w:${n - 4}:0` });
  return operations;
}

/** The number of the write that left this value. */
export function numberOf(value) {
  return Number(value.slice(0, value.indexOf("/")));
}

/** The entries that the writes above `after` and up to `last` leave, as [key, value] in log order. */
export function entriesOf(after, last) {
  const entries = new Map();
  for (let n = after + 1; n <= last; n++) {
    for (const { type, key, value } of operationsOf(n)) {
      entries.delete(key);
      if (type === "put") entries.set(key, value);
    }
  }
  return [...entries];
}
