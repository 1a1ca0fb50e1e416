// Write-back between a flush that fails natively and the report of it here. The log has taken it back by then, and knows nothing of
// its puts; but they were acknowledged, so no call of this handle may miss them.
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { OpenOptions, Store } from "../src/index.js";
import { native } from "../src/native.js";
import { sessionOf } from "../src/store.js";
import { fill, mountSmall, whyNoMounts } from "./mounts.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const noMounts = whyNoMounts();
const fullDiskTest = test.skipIf(noMounts !== undefined);
const suffix = noMounts === undefined ? "" : ` (not here: ${noMounts})`;

const LARGE = "x".repeat(200_000);
const HOUR_MS = 3_600_000;
const PATIENCE_MS = 20_000;

type Db = Store<string, string>;

/** Holds this thread, so that it hears of nothing, until something is so natively. */
function holdUntil(isSo: () => boolean): void {
  const endsAt = performance.now() + PATIENCE_MS;
  while (!isSo()) if (performance.now() > endsAt) throw new Error("it is not so in time");
}

/** A handle with a buffer on a small disk, and one that sees the log. */
async function pairOn(disk: string, options: OpenOptions<"utf8", "utf8">) {
  const path = join(disk, "data");
  const writeBack = { everyMs: HOUR_MS, bytes: 1 << 20 };
  const db = await openStore(path, { sync: "os", ...options, writeBack });
  const log = await openStore(path, { sync: "os", ...options, cache: false });
  db.on("error", () => undefined);
  return { db, log };
}

/** Fills the disk, and begins to flush puts and one that is too large for what is left. */
function beginFlushInVain(db: Db, disk: string, put: () => void) {
  const giveBack = fill(disk, 60 * 1024);
  put();
  void db.put("large", LARGE);
  const flushed = db.flush();
  flushed.catch(() => undefined);
  return { flushed, giveBack };
}

/** The same. Resolves in the turn in which the log has taken them back. */
async function flushInVain(db: Db, log: Db, disk: string, put: () => void) {
  const { flushed, giveBack } = beginFlushInVain(db, disk, put);
  await Promise.resolve(); // the writer is told
  holdUntil(() => log.getSync("large") === undefined);
  giveBack();
  return { flushed };
}

/** What a call answers in that moment, and what the log has in the end. Before: k is 1. Put since: k is 41, fresh 7, expiring 5. */
const calls: [name: string, call: (db: Db) => unknown, answer: unknown, left?: Record<string, string | undefined>][] = [
  ["get", (db) => db.get("k"), "41"],
  ["get of a new key", (db) => db.get("fresh"), "7"],
  ["getSync", (db) => db.getSync("k"), "41"],
  ["getMany", (db) => db.getMany(["k", "none", "fresh"]), ["41", undefined, "7"]],
  ["getManySync", (db) => db.getManySync(["k", "none", "fresh"]), ["41", undefined, "7"]],
  ["getEntry", (db) => db.getEntry("k").then((entry) => entry?.value), "41"],
  ["has", (db) => db.has("fresh"), true],
  ["hasMany", (db) => db.hasMany(["none", "fresh"]), [false, true]],
  ["ttl", (db) => db.ttl("expiring").then((ms) => ms! > HOUR_MS / 2 && ms! <= HOUR_MS), true],
  ["increment", (db) => db.increment("k"), 42, { k: "42" }],
  ["increment of a new key", (db) => db.increment("fresh"), 8, { fresh: "8" }],
  ["update", (db) => db.update("fresh", (old) => `${old}!`), "7!", { fresh: "7!" }],
  ["delete", (db) => db.delete("fresh"), true, { fresh: undefined }],
  ["deleteMany", (db) => db.deleteMany(["none", "fresh", "k"]), [false, true, true], { fresh: undefined, k: undefined }],
  ["expire", (db) => db.expire("fresh", 2 * HOUR_MS), true, {}],
  ["persist", (db) => db.persist("expiring"), true, {}],
  ["batch", (db) => db.batch([{ type: "put", key: "fresh", value: "no", if: "absent" }]), { committed: false, failedIndex: 0 }, {}],
  ["putMany", (db) => db.putMany([{ key: "k", value: "more" }]), undefined, { k: "more" }],
]; // prettier-ignore

/** Two handles with k in the log, as it was made, or reopened: then the value is not in memory. */
async function pairWithOldValue(options: OpenOptions<"utf8", "utf8">, reopened: boolean) {
  const disk = temporaryDirectory();
  mountSmall(disk, 1024 * 1024);
  let { db, log } = await pairOn(disk, options);
  await db.putMany([{ key: "k", value: "1" }, { key: "cold", value: "c" }]); // prettier-ignore
  const coldVersion = (await log.getEntry("cold"))!.version;
  if (reopened) {
    await Promise.all([db.close(), log.close()]);
    ({ db, log } = await pairOn(disk, options));
  } else {
    await db.get("k");
  }
  return { db, log, disk, coldVersion };
}

const putAll = (db: Db) => {
  void db.put("k", "41");
  void db.put("fresh", "7");
  void db.put("expiring", "5", { ttlMs: HOUR_MS });
};

async function expectLeft(log: Db, name: string, left: Record<string, string | undefined>): Promise<void> {
  const expected = { k: "41", fresh: "7", expiring: "5", ...left };
  expect(await log.getMany(Object.keys(expected))).toEqual(Object.values(expected));
  expect(await log.ttl("expiring")).toSatisfy((ms) => (name === "persist" ? ms === Infinity : ms <= HOUR_MS));
  if (name === "expire") expect(await log.ttl("fresh")).toBeGreaterThan(HOUR_MS);
}

fullDiskTest.each(calls)(
  `%s counts puts whose flush has failed and is not reported yet${suffix}`,
  async (name, call, answer, left = {}) => {
    for (const options of [{ sync: "os" }, { sync: "always" }, { cache: { entries: 10 } }] as const) {
      for (const reopened of [false, true]) {
        const { db, log, disk } = await pairWithOldValue(options, reopened);
        const { flushed } = await flushInVain(db, log, disk, () => putAll(db));
        expect(await call(db)).toEqual(answer);
        await expect(flushed).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
        await db.flush();
        await expectLeft(log, name, left);
        await Promise.all([db.close(), log.close()]);
      }
    }
  },
);

/** Lets what waits be written, and fail, just before the next call of this native function. */
function failBefore(method: "writeBatch" | "writeBatchCold", db: Db, log: Db, giveBack: () => void): void {
  const original = native[method].bind(native) as (...all: unknown[]) => never;
  const spy = vi.spyOn(native, method).mockImplementation((...all: unknown[]) => {
    spy.mockRestore();
    native.kick(sessionOf(db).handle);
    holdUntil(() => log.getSync("large") === undefined);
    giveBack();
    return original(...all);
  });
  onTestFinished(() => spy.mockRestore());
}

fullDiskTest.each(calls.filter(([, , , left]) => left !== undefined))(
  `%s counts puts whose flush fails while it is on its way into the log${suffix}`,
  async (name, call, answer, left = {}) => {
    const { db, log, disk } = await pairWithOldValue({}, false);
    const { flushed, giveBack } = beginFlushInVain(db, disk, () => putAll(db));
    failBefore("writeBatch", db, log, giveBack);
    expect(await call(db)).toEqual(answer);
    await expect(flushed).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
    await db.flush();
    await expectLeft(log, name, left);
  },
);

fullDiskTest(`a guarded batch that waits for the disk counts puts whose flush fails meanwhile${suffix}`, async () => {
  const { db, log, disk, coldVersion } = await pairWithOldValue({}, true);
  const { flushed, giveBack } = beginFlushInVain(db, disk, () => putAll(db));
  failBefore("writeBatchCold", db, log, giveBack);
  const result = await db.batch([
    { type: "check", key: "cold", if: { version: coldVersion } },
    { type: "put", key: "fresh", value: "no", if: "absent" },
  ]);
  expect(result).toEqual({ committed: false, failedIndex: 1 });
  await expect(flushed).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
  await db.flush();
  await expectLeft(log, "batch", {});
});

fullDiskTest(`what found a key deleted by a write that fails as well drops no put${suffix}`, async () => {
  const { db, log, disk } = await pairWithOldValue({}, false);
  const { flushed, giveBack } = beginFlushInVain(db, disk, () => putAll(db));
  const deleted = log.delete("fresh");
  deleted.catch(() => undefined);
  expect(await db.expire("fresh", HOUR_MS)).toBe(false);
  await expect(deleted).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
  await expect(flushed).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
  expect(await db.get("fresh")).toBe("7");
  giveBack();
  await db.flush();
  await expectLeft(log, "get", {});
});
