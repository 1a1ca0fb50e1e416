// The process that holds the store of the model test, so that it can be killed. It does what its parent sends, in order, and
// answers each command with [number, before, after, result, buffered]: the result as JSON, the time around it in milliseconds,
// and how many puts waited in the write-back buffer then. Up to
// `window` writes wait for their acknowledgement at a time; reads are awaited, so that each has one place in the order.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { open } from "crabkv";
import { digestOf, valueOf } from "./values.mjs";

const LAPSE_MS_MAX = 10_000;

/** The handles of the store, and the one whose turn it is. */
let handles = [];
let db;
let isBuffered = false;
let snapshot;
/** The first step of the snapshot, which decides what it sees. */
let snapshotBegun;

const ttlOf = (ttlMs) => (ttlMs === "never" ? Infinity : ttlMs);
const digestOrNull = (value) => (value === undefined ? null : digestOf(value));
const recordOf = ({ key, value, ttlMs }) => ({ key, value: valueOf(value), ttlMs: ttlOf(ttlMs) });
const leftOf = (ttlMs) => (ttlMs === undefined ? null : ttlMs === Infinity ? "never" : ttlMs);

async function entryOf(key) {
  const entry = await db.getEntry(key);
  return entry === undefined ? null : [digestOf(entry.value), entry.version, entry.expiresAtMs ?? "never"];
}

async function guardOf(guard, key) {
  if (guard !== "current" && guard !== "stale") return guard;
  const version = (await db.getEntry(key))?.version ?? 0;
  return { version: guard === "current" ? version : version === 0 ? 1 : version - 1 };
}

async function operationOf(operation) {
  const { type, key } = operation;
  const guard = await guardOf(operation.if, key);
  if (type === "put") return { type, ...recordOf(operation), if: guard };
  return { type, key, if: guard };
}

async function stream(records) {
  const writable = db.createWriteStream();
  for (const record of records) {
    if (!writable.write(recordOf(record))) await once(writable, "drain");
  }
  writable.end();
  await once(writable, "finish");
  return writable.committed;
}

// Not before the clock says so, and then soon.
async function lapsed(keys, deadlineMs) {
  const give = Date.now() + LAPSE_MS_MAX;
  while ((await db.hasMany(keys)).includes(true)) {
    if (Date.now() > give) throw new Error("keys outlive their deadline");
    await sleep(1);
  }
  return Date.now() - deadlineMs;
}

async function walk({ part, prefix, limit, log, fromKey }) {
  const from = fromKey === null ? undefined : ((await db.getEntry(fromKey))?.version ?? 0);
  const options = { prefix, limit: limit ?? undefined, order: log ? "log" : undefined, from };
  const found = [];
  for await (const item of db[part](options)) found.push(item);
  if (part === "keys") return found;
  return part === "values" ? found.map(digestOf) : found.map(([key, value]) => [key, digestOf(value)]);
}

async function drain() {
  if (snapshot === undefined) return null;
  const found = [];
  for (let step = await snapshotBegun; !step.done; step = await snapshot.next()) found.push(step.value);
  snapshot = undefined;
  return found.map(([key, value]) => [key, digestOf(value)]);
}

const commands = {
  put: ({ record, durable }) =>
    db.put(record.key, valueOf(record.value), { ttlMs: ttlOf(record.ttlMs), sync: durable ? "always" : undefined }),
  putMany: ({ records }) => db.putMany(records.map(recordOf)),
  stream: ({ records }) => stream(records),
  get: async ({ key }) => digestOrNull(await db.get(key)),
  getSync: ({ key }) => digestOrNull(db.getSync(key)),
  getEntry: ({ key }) => entryOf(key),
  has: ({ key }) => db.has(key),
  ttl: async ({ key }) => leftOf(await db.ttl(key)),
  persist: ({ key }) => db.persist(key),
  getMany: async ({ keys }) => (await db.getMany(keys)).map(digestOrNull),
  getManySync: ({ keys }) => db.getManySync(keys).map(digestOrNull),
  hasMany: ({ keys }) => db.hasMany(keys),
  delete: ({ key, durable }) => db.delete(key, { sync: durable ? "always" : undefined }),
  deleteMany: ({ keys }) => db.deleteMany(keys),
  batch: async ({ operations }) => {
    const resolved = [];
    for (const operation of operations) resolved.push(await operationOf(operation));
    return db.batch(resolved);
  },
  increment: ({ key, by, ttlMs, ttlOn }) =>
    db.increment(key, by, { ttlMs: ttlOf(ttlMs), ttlOn }).catch((error) => error.code ?? String(error)),
  update: async ({ key, value, ttlMs }) => {
    let before;
    const change = (old) => {
      before = digestOrNull(old);
      return value === null ? undefined : valueOf(value);
    };
    const after = await db.update(key, change, { ttlMs: ttlOf(ttlMs) });
    return [before, digestOrNull(after)];
  },
  expire: ({ key, ttlMs }) => db.expire(key, ttlOf(ttlMs)),
  lapse: async ({ records, apart }) => {
    const before = Date.now();
    if (apart) await Promise.all(records.map((record) => commands.put({ record })));
    else await db.putMany(records.map(recordOf));
    // A key's last record is the one that counts.
    const ttls = new Map(records.map(({ key, ttlMs }) => [key, ttlMs]));
    return lapsed([...ttls.keys()], before + Math.max(...ttls.values()));
  },
  lapseKey: async ({ key, ttlMs }) => {
    const before = Date.now();
    return (await db.expire(key, ttlMs)) ? lapsed([key], before + ttlMs) : null;
  },
  walk,
  snapshot: async () => {
    await snapshot?.return();
    snapshot = db.entries({ order: "log" });
    snapshotBegun = snapshot.next();
    await snapshotBegun;
  },
  drain,
  clear: ({ prefix }) => db.clear(prefix === "" ? undefined : { prefix }),
  flush: () => db.flush(),
  compact: async () => (await db.compact()).compactions,
  stats: () => {
    const { keys, segments, writeBackEntries } = db.stats();
    return [keys, segments, writeBackEntries];
  },
};

// Acknowledged some time later, but decided at once.
const unawaited = new Set(["put", "putMany", "delete", "deleteMany", "expire", "persist", "compact"]);

async function run({ list, window }) {
  let inFlight = 0;
  let answered = Promise.resolve();
  for (const [number, command] of list.entries()) {
    const before = Date.now();
    db = handles[number % handles.length];
    const result = new Promise((resolve) => resolve(commands[command.op](command))).then(
      (value) => value ?? null,
      (error) => ({ error: String(error.stack) }),
    );
    if (!unawaited.has(command.op)) await result;
    const after = Date.now();
    const buffered = isBuffered ? db.stats().writeBackEntries : 0;
    inFlight++;
    answered = answered.then(async () => {
      process.send({ answer: [number, before, after, await result, buffered] });
      inFlight--;
    });
    if (inFlight >= window) await answered;
  }
  await answered;
}

/** Everything in log order: [key, value, version, deadline]. */
async function audit() {
  const all = [];
  for await (const [key, value] of db.entries({ order: "log" })) {
    const [again, version, expiresAtMs] = await entryOf(key);
    if (again !== digestOf(value)) throw new Error(`a walk and getEntry differ about ${key}`);
    all.push([key, again, version, expiresAtMs]);
  }
  return all;
}

const requests = {
  open: async ({ directory, options, twoHandles }) => {
    snapshot = undefined;
    handles = [await open(directory, options)];
    const others = { ...options, cache: options.cache === false ? { entries: 1000 } : false };
    if (twoHandles) handles.push(await open(directory, others));
    db = handles[0];
    isBuffered = options.writeBack !== false;
    return audit();
  },
  run,
  close: () => Promise.all(handles.map((handle) => handle.close())),
};

process.on("message", (request) => {
  requests[request.do](request).then(
    (result) => process.send({ done: request.do === "open" ? result : null }),
    (error) => process.send({ failed: String(error.stack) }),
  );
});
// Orphans go: nobody is left to kill them.
process.on("disconnect", () => process.exit(0));
