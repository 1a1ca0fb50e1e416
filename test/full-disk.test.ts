// A disk that is full: what does not fit is refused as a whole, everything else goes on, and when there is space again so do
// writes, without reopening. On a file system of 1 MiB, so Linux and root only.
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Store } from "../src/index.js";
import { fill, mountSmall, whyNoMounts } from "./mounts.js";
import { crabkv, runProgram } from "./run-program.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const MIB = 1024 * 1024;
const noMounts = whyNoMounts();
const suffix = noMounts === undefined ? "" : ` (not here: ${noMounts})`;
const fullDiskTest = test.skipIf(noMounts !== undefined);

const records = (name: string, count: number, valueBytes: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}:${i}`, value: `${i}:`.padEnd(valueBytes, name) }));

function smallDisk(): string {
  const disk = temporaryDirectory();
  mountSmall(disk, MIB);
  return disk;
}

async function contents(db: Store<string, string>): Promise<Map<string, string>> {
  return new Map(await collect(db.entries()));
}

fullDiskTest.each(["always", "os", { everyMs: 20 }] as const)(
  `a batch that does not fit is refused whole, and the store goes on, sync %j${suffix}`,
  async (sync) => {
    const disk = smallDisk();
    const path = join(disk, "data");
    const db = await openStore(path, { sync });
    const before = records("before", 100, 100);
    await db.putMany(before);
    const giveBack = fill(disk, 100 * 1024);

    const large = records("large", 300, 1000);
    await expect(db.putMany(large)).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
    expect(await db.hasMany(large.map(({ key }) => key))).not.toContain(true);
    expect(db.failure).toBeUndefined();
    expect(db.stats().diskFull).toBe(true);

    expect(await db.getMany(before.map(({ key }) => key))).toEqual(before.map(({ value }) => value));
    expect(await db.delete("before:0")).toBe(true);
    expect(await db.deleteMany(["before:1", "before:2"])).toEqual([true, true]);
    expect(await db.get("before:1")).toBeUndefined();

    giveBack();
    await db.putMany(large);
    await db.put("after", "value");
    await db.flush();
    expect(db.stats().diskFull).toBe(false);
    const left = await contents(db);
    expect(left.size).toBe(97 + 300 + 1);
    await db.close();
    const reopened = await openStore(path);
    expect(await contents(reopened)).toEqual(left);
    await reopened.close();
  },
);

fullDiskTest(
  `single puts until the disk is full: those acknowledged are there, the others are not${suffix}`,
  async () => {
    const disk = smallDisk();
    const path = join(disk, "data");
    const db = await openStore(path);
    const kept = new Map<string, string>();
    for (let round = 0; round < 3; round++) {
      const giveBack = fill(disk, 40 * 1024);
      let refused = 0;
      // In groups of ten, so that one that does not fit takes others with it.
      for (let i = 0; refused < 30 && i < 2000; i += 10) {
        const group = records(`round${round}:${i}`, 10, 500);
        const settled = await Promise.allSettled(group.map(({ key, value }) => db.put(key, value)));
        settled.forEach((result, j) => {
          if (result.status === "fulfilled") kept.set(group[j]!.key, group[j]!.value);
          else expect(result.reason).toMatchObject({ code: "CRABKV_DISK_FULL" });
        });
        refused += settled.filter(({ status }) => status === "rejected").length;
      }
      expect(refused).toBeGreaterThan(0);
      expect(await contents(db)).toEqual(kept);
      // Room for what this round deletes is made by the reserve.
      const oldest = kept.keys().next().value!;
      expect(await db.delete(oldest)).toBe(true);
      kept.delete(oldest);
      giveBack();
      await db.put(`round${round}`, "there is space again");
      kept.set(`round${round}`, "there is space again");
    }
    await db.close();
    const reopened = await openStore(path);
    expect(await contents(reopened)).toEqual(kept);
    await reopened.close();
  },
);

fullDiskTest(`a store closed on a full disk opens there again${suffix}`, async () => {
  const disk = smallDisk();
  const path = join(disk, "data");
  const db = await openStore(path);
  await db.put("key", "value");
  const giveBack = fill(disk, 0);
  await expect(db.putMany(records("large", 1000, 1000))).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
  await db.close();
  const reader = await openStore(path, { readOnly: true });
  expect(await reader.get("key")).toBe("value");
  await reader.close();
  giveBack();
  const reopened = await openStore(path);
  await reopened.put("key", "new");
  expect(await contents(reopened)).toEqual(new Map([["key", "new"]]));
  await reopened.close();
});

fullDiskTest(`a new store on a full disk is refused, and made when there is space${suffix}`, async () => {
  const disk = smallDisk();
  const path = join(disk, "data");
  const giveBack = fill(disk, 0);
  const input = records("key", 100, 100)
    .map((record) => JSON.stringify(record))
    .join("\n");
  const refused = await crabkv(["import", "--data-dir", path], { input });
  expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining("CRABKV_DISK_FULL") as string });
  giveBack();
  expect(await crabkv(["import", "--data-dir", path], { input })).toMatchObject({ code: 0 });
  const db = await openStore(path);
  expect(db.stats().keys).toBe(100);
  await db.close();
});

fullDiskTest.each(["always", "os"] as const)(
  `of puts of one turn those are there that were not refused, sync %j${suffix}`,
  async (sync) => {
    const disk = smallDisk();
    const path = join(disk, "data");
    const db = await openStore(path, { sync });
    await db.putMany(records("before", 100, 100));
    const giveBack = fill(disk, 100 * 1024);

    const puts = records("turn", 300, 1000);
    const outcomes = await Promise.allSettled(puts.map(({ key, value }) => db.put(key, value)));
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "CRABKV_DISK_FULL" });
    const taken = outcomes.map((outcome) => outcome.status === "fulfilled");
    expect(await db.hasMany(puts.map(({ key }) => key))).toEqual(taken);

    giveBack();
    await db.compact();
    await db.close();
    const again = await openStore(path, { sync });
    expect(await again.hasMany(puts.map(({ key }) => key))).toEqual(taken);
    await again.put("after", "a");
  },
);

const LARGE = "x".repeat(200_000);

/** Holds the event loop, so that what happens natively meanwhile is not known here yet. */
function beBusy(ms: number): void {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
}

fullDiskTest.each(["always", "os", { everyMs: 20 }] as const)(
  `a guarded batch that failed before it was known to run is not taken for durable, sync %j${suffix}`,
  async (sync) => {
    const disk = smallDisk();
    const path = join(disk, "data");
    const filled = await openStore(path, { sync });
    await filled.put("guard", "g");
    const { version } = (await filled.getEntry("guard"))!;
    await filled.close();
    for (let round = 0; round < 5; round++) {
      const db = await openStore(path, { sync });
      const giveBack = fill(disk, 50 * 1024);
      const batch = db.batch(
        [
          { type: "check", key: "guard", if: { version } },
          { type: "put", key: "large", value: LARGE },
        ],
        { sync: "always" },
      );
      batch.catch(() => undefined);
      beBusy(10);
      await expect(batch).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
      expect(await db.has("large")).toBe(false);
      giveBack();
      await db.close();
    }
  },
);

const largeWrites: [name: string, write: (db: Store<string, string>) => Promise<unknown>][] = [
  ["put", (db) => db.put("large", LARGE)],
  ["batch", (db) => db.batch([{ type: "put", key: "large", value: LARGE }])],
  ["update", (db) => db.update("large", () => LARGE)],
];

fullDiskTest.each(
  (["always", "os", { everyMs: 20 }] as const).flatMap((sync) => largeWrites.map((write) => [sync, ...write] as const)),
)(
  `a flush fails with a write that failed before and is not known yet to have, sync %j, %s${suffix}`,
  async (sync, _name, write) => {
    const disk = smallDisk();
    for (let round = 0; round < 5; round++) {
      const db = await openStore(join(disk, "data"), { sync });
      await db.put("small", "s");
      const giveBack = fill(disk, 50 * 1024);
      const written = write(db);
      written.catch(() => undefined);
      for (let turn = 0; turn < 4; turn++) await Promise.resolve(); // the writer is told
      beBusy(10);
      await expect(db.flush()).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
      await expect(written).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
      expect(await db.has("large")).toBe(false);
      await db.flush(); // that failure has been told
      giveBack();
      await db.close();
    }
  },
);

fullDiskTest(`a program that waits for what came before a failed write goes on to its end${suffix}`, async () => {
  const program = join(import.meta.dirname, "programs", "flush-beside-failure.mjs");
  const { code, stdout } = await runProgram(program, [smallDisk()]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "20 rounds\n" });
});

fullDiskTest(`scans and clear() do not pass over buffered puts that cannot be written${suffix}`, async () => {
  const disk = smallDisk();
  const buffered = records("new", 300, 1000);
  const keys = buffered.map(({ key }) => key);
  const open = () => openStore(join(disk, "data"), { sync: "os", writeBack: { everyMs: 60_000, bytes: 1 << 20 } });
  const db = await open();
  db.on("error", () => undefined);
  await db.put("old", "o");
  await db.flush();
  const giveBack = fill(disk, 60 * 1024);
  for (const { key, value } of buffered) await db.put(key, value);
  await expect(collect(db.keys({ prefix: "new" }))).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
  await expect(db.clear({ prefix: "new" })).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
  expect(await db.hasMany(keys)).not.toContain(false);
  giveBack();
  expect(await collect(db.keys({ prefix: "new" }))).toHaveLength(300);
  await db.clear({ prefix: "new" });
  expect(await db.hasMany(keys)).not.toContain(true);
  await db.close();
});
