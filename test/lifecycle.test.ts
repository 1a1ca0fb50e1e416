// Every public method of a store before it is open, while it closes, after it, when it is read-only, and after a failure that
// only a reopening ends: the right error, in the right way, and neither a crash nor a hang.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Store, open } from "../src/index.js";
import { resolveOpenOptions } from "../src/options.js";
import { Session } from "../src/session.js";
import { strace, whyNoStrace } from "./crash/strace.js";
import { madeBy, methods, outcomeOf, outcomesOf, records } from "./store-methods.mjs";
import type { Method } from "./store-methods.mjs";
import { openStore, temporaryDirectory } from "./temporary.js";

const buffered = [false, true];

/** What every method should give, by name. */
function expected(outcome: (method: Method) => string, others: Record<string, string> = {}): Record<string, string> {
  const all = methods.map((method): [string, string] => [method.name, outcome(method)]);
  const unknown = Object.keys(others).filter((name) => !all.some(([known]) => known === name));
  expect(unknown).toEqual([]);
  return { ...Object.fromEntries(all), ...others };
}

const closed = (others: Record<string, string> = {}) =>
  expected(({ answers }) => `${answers === "promise" ? "rejected" : "threw"} CRABKV_CLOSED`, {
    failure: "ok",
    "a scan's return": "ok",
    "a watch's return": "ok",
    close: "ok",
    asyncDispose: "ok",
    ...others,
  });

test("the table has every public method", () => {
  const named = new Set(methods.map(({ name }) => name));
  const prototypes = [Store.prototype, Object.getPrototypeOf(Store.prototype) as object]; // the second: open-store.ts
  const own = prototypes.flatMap((prototype) => Reflect.ownKeys(prototype)).filter((name) => name !== "constructor");
  expect(own).toContain("close");
  const names = own.map((name) => (name === Symbol.asyncDispose ? "asyncDispose" : String(name)));
  expect(names.filter((name) => !named.has(name))).toEqual([]);
});

test.each(buffered)("of an open store every method answers, write-back %j", async (writeBack) => {
  const db = await openStore(join(temporaryDirectory(), "data"), { writeBack });
  await db.putMany(records);
  expect(await outcomesOf(db, madeBy(db))).toEqual(expected(() => "ok"));
});

test("before it is open a store refuses every method", async () => {
  const path = join(temporaryDirectory(), "data");
  const opening = open(path);
  const resolved = resolveOpenOptions({ readOnly: true });
  const session = new Session(true, 1024, { putsMax: 64, keyUnitsMax: 1024, valueUnitsMax: 1024 }, resolved.native);
  const db = new Store<string, string>(session, resolved);
  const well = await opening;
  const outcomes = await outcomesOf(db, madeBy(well));
  const never = { "a stream's write": "ok", "a scan's next": "ok" }; // made by the other store
  const ends = { close: "rejected CRABKV_CLOSED", asyncDispose: "rejected CRABKV_CLOSED" };
  expect(outcomes).toEqual(closed({ ...never, ...ends }));
  await well.close();
});

test.each(buffered)("after close every method is refused, write-back %j", async (writeBack) => {
  const db = await openStore(join(temporaryDirectory(), "data"), { writeBack });
  await db.putMany(records);
  const made = madeBy(db);
  await db.close();
  expect(await outcomesOf(db, made)).toEqual(closed());
});

test.each(buffered)(
  "while it closes every method is refused, and what came before is kept, write-back %j",
  async (writeBack) => {
    const path = join(temporaryDirectory(), "data");
    for (const method of methods) {
      const db = await openStore(path, { writeBack });
      await db.putMany(records);
      const made = madeBy(db);
      const puts = Array.from({ length: 50 }, (_, i) => db.put(`put:${i}`, "v"));
      const closing = db.close();
      const outcome = outcomeOf(method, db, made.get(method.name));
      await closing;
      await Promise.all(puts);
      expect({ [method.name]: await outcome }).toEqual({ [method.name]: closed()[method.name] });
      const again = await openStore(path);
      expect((await again.hasMany(puts.map((_, i) => `put:${i}`))).includes(false)).toBe(false);
      await again.close();
    }
  },
);

test("a store that is open read-only refuses what writes, and nothing else", async () => {
  const path = join(temporaryDirectory(), "data");
  const writer = await open(path);
  await writer.putMany(records);
  await writer.close();
  const db = await openStore(path, { readOnly: true });
  expect(await outcomesOf(db, madeBy(db))).toEqual(
    expected(({ writes }) => (writes ? "rejected CRABKV_READ_ONLY" : "ok"), { flush: "ok" }),
  );
});

const reason = whyNoStrace();
test.skipIf(reason !== undefined).each(buffered)(
  `after a failed sync what writes is refused, reads go on, and close says why, write-back %j${reason ?? ""}`,
  (writeBack) => {
    const directory = temporaryDirectory();
    const program = fileURLToPath(new URL("programs/after-failure.mjs", import.meta.url));
    const injected = "fdatasync:error=EIO:when=6";
    const command = [process.execPath, program, join(directory, "data"), JSON.stringify(writeBack)];
    const { status, stdout, stderr } = strace(join(directory, "trace"), injected, ...command);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const ends = { close: "rejected CRABKV_IO", asyncDispose: "rejected CRABKV_IO" };
    expect(JSON.parse(stdout)).toEqual(expected(({ writes }) => (writes ? "rejected CRABKV_FAILED" : "ok"), ends));
  },
);
