// Write-back against a Map: any mix of calls, over reopenings, with a cache and without.
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { open } from "../src/index.js";
import type { BatchOperation, OpenOptions } from "../src/index.js";
import { never } from "./buffered-pair.js";
import { pick, randomOf, scaled, testSeed, timeoutFor } from "./seed.js";
import { collect, temporaryDirectory } from "./temporary.js";

const RUNS = scaled(8, 2);
const STEPS = scaled(1200, 200);

test(
  "any mix of calls answers as a Map does, with a cache and without, over reopenings",
  async () => {
    const seed = testSeed();
    console.log(`write-back seed ${seed}`);
    const counts = { reads: 0, hits: 0, reopened: 0 };
    for (let run = 0; run < RUNS; run++) await live(seed + run, run % 2 === 1, counts);
    console.log(counts);
    expect(counts.hits).toBeGreaterThan(counts.reads / 2);
  },
  timeoutFor(RUNS * STEPS, 20),
);

interface Held {
  readonly value: string;
  readonly expires: boolean;
}

/** One store, through many calls: what it answers is compared with a Map at every step. */
async function live(seed: number, cached: boolean, counts: { reads: number; hits: number; reopened: number }) {
  const random = randomOf(seed);
  const directory = join(temporaryDirectory(), "data");
  const options = (): OpenOptions<"utf8", "utf8"> => ({
    sync: pick(random, ["os", "always", { everyMs: 5 }] as const),
    shards: pick(random, [1, 16]),
    writeBack: pick(random, [never, { everyMs: 1 }, { bytes: 2048, ...never }]),
    cache: cached && { entries: 20 },
  });
  const keys = Array.from({ length: 16 }, (_, i) => (i % 4 === 0 ? `schlüssel:${i}` : `key:${i}`));
  const model = new Map<string, Held>();
  let db = await open(directory, options());
  onTestFinished(() => db.close().catch(() => undefined));
  let last = 0;
  const key = () => pick(random, keys);
  const value = () => `${++last} ${"ü".repeat(random() * 20)}${"x".repeat(random() * 200)}`;
  const set = (at: string, held: Held | undefined) => (held === undefined ? model.delete(at) : model.set(at, held));
  const check = (what: string, got: unknown, expected: unknown) => {
    counts.reads++;
    if (expected !== undefined && expected !== false) counts.hits++;
    expect(got, `${what} (seed ${seed})`).toEqual(expected);
  };
  const checkNow = (...what: Parameters<typeof check>) => {
    check(...what);
    return Promise.resolve();
  };
  const put = async () => {
    const [at, held] = [key(), { value: value(), expires: random() < 0.3 }];
    const sync = random() < 0.1 ? ({ sync: "always" } as const) : {};
    void db.put(at, held.value, held.expires ? { ttlMs: 3_600_000, ...sync } : sync);
    set(at, held);
    if (random() < 0.2) await Promise.resolve();
  };
  const steps: (() => Promise<unknown>)[] = [
    put, put, put, put, put, put, put, put,
    async () => { const at = key(); check("get", await db.get(at), model.get(at)?.value); },
    async () => { const at = key(); check("get", await db.get(at), model.get(at)?.value); },
    () => { const at = key(); return checkNow("getSync", db.getSync(at), model.get(at)?.value); },
    async () => { const at = key(); check("getEntry", (await db.getEntry(at))?.value, model.get(at)?.value); },
    async () => { const at = key(); check("has", await db.has(at), model.has(at)); },
    async () => { check("hasMany", await db.hasMany(keys), keys.map((at) => model.has(at))); },
    async () => { check("getMany", await db.getMany(keys), keys.map((at) => model.get(at)?.value)); },
    () => checkNow("getManySync", db.getManySync(keys), keys.map((at) => model.get(at)?.value)),
    async () => {
      const at = key();
      const [ttl, held] = [await db.ttl(at), model.get(at)];
      check("ttl", ttl === undefined ? undefined : ttl !== Infinity, held?.expires);
    },
    async () => { const at = key(); check("delete", await take(at, db.delete(at)), true); },
    async () => {
      const some = [key(), key(), key()];
      const expected = some.map((at, i) => model.has(at) && some.indexOf(at) === i);
      const deleted = db.deleteMany(some);
      some.forEach((at) => set(at, undefined));
      check("deleteMany", await deleted, expected);
    },
    async () => {
      const at = key();
      const held = model.get(at);
      const answer = db.expire(at, 3_600_000);
      if (held !== undefined) set(at, { ...held, expires: true });
      check("expire", await answer, held !== undefined);
    },
    async () => {
      const at = key();
      const held = model.get(at);
      const answer = db.persist(at);
      if (held !== undefined) set(at, { ...held, expires: false });
      check("persist", await answer, held?.expires === true);
    },
    () => {
      const records = [key(), key()].map((at) => ({ key: at, value: value() }));
      void db.putMany(records);
      for (const record of records) set(record.key, { value: record.value, expires: false });
      return Promise.resolve();
    },
    async () => {
      // Expires at once: in the buffer, or from the log.
      const at = key();
      void db.put(at, value(), { ttlMs: 1 });
      if (random() < 0.5) void db.flush();
      set(at, undefined);
      await expect.poll(() => db.getSync(at), { interval: 2 }).toBe(undefined);
    },
    async () => { await batch(); },
    async () => { await batch(); },
    async () => {
      const at = key();
      const held = model.get(at);
      const next = value();
      const updated = await db.update(at, (old) => (old === held?.value ? next : "wrong"));
      set(at, { value: next, expires: held?.expires ?? false });
      check("update", updated, next);
    },
    async () => {
      const at = `count:${Math.floor(random() * 3)}`;
      if (random() < 0.3) {
        void db.put(at, "100");
        set(at, { value: "100", expires: false });
      }
      const sum = Number(model.get(at)?.value ?? 0) + 1;
      set(at, { value: String(sum), expires: model.get(at)?.expires ?? false });
      check("increment", await db.increment(at), sum);
    },
    async () => {
      const part = pick(random, ["key:", "schl", "count:", ""]);
      const expected = [...model].filter(([at]) => at.startsWith(part)).map(([at, held]) => [at, held.value]);
      const entries = collect(db.entries({ prefix: part, ...(random() < 0.5 ? { order: "log" } : {}) }));
      if (random() < 0.5) await put(); // after the snapshot
      check("entries", new Map((await entries)), new Map(expected as [string, string][]));
    },
    async () => {
      const stream = db.createWriteStream();
      for (let i = 0; i < 5; i++) {
        const record = { key: key(), value: value() };
        stream.write(record);
        set(record.key, { value: record.value, expires: false });
      }
      await new Promise((resolve) => stream.end(resolve));
    },
    () => db.flush(),
    () => Promise.resolve(void db.flush()),
    () => new Promise((resolve) => setImmediate(resolve)),
    async () => {
      if (random() < 0.7) return;
      const prefix = pick(random, ["key:1", "schl"]);
      for (const at of [...model.keys()]) if (at.startsWith(prefix)) set(at, undefined);
      await db.clear({ prefix });
    },
    async () => {
      if (random() < 0.5) return;
      counts.reopened++;
      const closing = db.close();
      await closing;
      db = await open(directory, options());
    },
  ]; // prettier-ignore

  /** Whether the answer of a delete is right. */
  async function take(at: string, answer: Promise<boolean>): Promise<boolean> {
    const expected = model.delete(at);
    return (await answer) === expected;
  }

  async function batch(): Promise<void> {
    const used = keys.filter(() => random() < 0.2);
    const operations = used.map((at): BatchOperation<string, string> => {
      const guard = random() < 0.2 ? { if: pick(random, ["absent", "present"] as const) } : {};
      if (random() < 0.3) return { type: "delete", key: at, ...guard };
      const ttlMs = pick(random, [undefined, "keep", 3_600_000] as const);
      return { type: "put", key: at, value: value(), ttlMs, ...guard };
    });
    const failed = operations.findIndex(({ if: guard, key: at }) => guard !== undefined && (guard === "present") !== model.has(at)); // prettier-ignore
    if (failed < 0) {
      for (const operation of operations) {
        if (operation.type === "put") {
          const keeps = operation.ttlMs === "keep" && model.get(operation.key)?.expires === true;
          set(operation.key, { value: operation.value, expires: keeps || operation.ttlMs === 3_600_000 });
        } else {
          set(operation.key, undefined);
        }
      }
    }
    const result = await db.batch(operations);
    check("batch", result.committed ? -1 : result.failedIndex, failed);
  }

  for (let step = 0; step < STEPS; step++) await pick(random, steps)();
  await db.close();
  db = await open(directory, { sync: "os" });
  check("all", new Map(await collect(db.entries())), new Map([...model].map(([at, held]) => [at, held.value])));
  await db.close();
}
