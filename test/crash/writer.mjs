// A process that writes as fast as it can until it is killed. It reads one line from stdin, a WriterTask (see
// writer-process.ts), opens the store and makes the writes. It prints `a <n> <t>` when the writes up to n are acknowledged
// and `d <n> <t>` when write n, asked for with sync "always", is; t is the monotonic clock then, in nanoseconds. Asked to compact, it does so all
// the time, and prints `c 1 <t>` when it begins and `c 0 <t>` when it ends. Started ahead: the import is done when the line comes.
import { readSync, writeSync } from "node:fs";
import { open } from "crabkv";
import { operationsOf } from "./sequence.mjs";

// Blocking, and without process.stdout: what is acknowledged has to be in the pipe before anything else happens.
function say(line) {
  writeSync(1, `${line}\n`);
}

// The clock is read first: what is said to have happened at a time had happened by then.
function sayNow(what, n) {
  say(`${what} ${n} ${process.hrtime.bigint()}`);
}

function readLine() {
  const bytes = Buffer.alloc(4096);
  let length = 0;
  while (!bytes.includes(10)) {
    const got = readSync(0, bytes, length, bytes.length - length, null);
    if (got === 0) process.exit(0);
    length += got;
  }
  return bytes.toString("utf8", 0, length);
}

say("ready");
const { directory, options, from, window, durableEvery, compacts } = JSON.parse(readLine());

const settled = new Set();
let acknowledged = from - 1;
let next = from;
let wake;
let failed = false;

function settle(n) {
  settled.add(n);
  let moved = false;
  while (settled.delete(acknowledged + 1)) {
    acknowledged++;
    moved = true;
  }
  if (moved) sayNow("a", acknowledged);
  wake?.();
}

function write(n) {
  const operations = operationsOf(n);
  const [first] = operations;
  if (operations.length === 2) return db.putMany(operations.map(({ key, value }) => ({ key, value })));
  if (operations.length > 2) return db.batch(operations);
  if (n % durableEvery !== 1) return db.put(first.key, first.value);
  return db.put(first.key, first.value, { sync: "always" }).then(() => sayNow("d", n));
}

// The disk is gone: whoever cut its power kills this process next, or is gone itself.
function fail(error) {
  if (failed) return;
  failed = true;
  process.stderr.write(`${error.stack}\n`);
  process.stdin.on("close", () => process.exit(1)).resume();
}

async function compactAlways() {
  for (;;) {
    sayNow("c", 1);
    await db.compact();
    sayNow("c", 0);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const db = await open(directory, options);
say("open");
if (compacts) compactAlways().catch(fail);
try {
  while (db.failure === undefined) {
    while (next - acknowledged <= window) {
      const n = next++;
      write(n).then(() => settle(n), fail);
    }
    await new Promise((resolve) => (wake = resolve));
  }
} catch (error) {
  fail(error);
}
