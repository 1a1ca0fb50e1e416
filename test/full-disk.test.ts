// A disk that is full: what does not fit is refused as a whole, everything else goes on, and when there is space again so do
// writes, without reopening. On a file system of 1 MiB, so Linux and root only.
import { appendFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Store } from "../src/index.js";
import { mountSmall, whyNoMounts } from "./mounts.js";
import { crabkv } from "./run-program.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const MIB = 1024 * 1024;
const noMounts = whyNoMounts();
const suffix = noMounts === undefined ? "" : ` (not here: ${noMounts})`;
const fullDiskTest = test.skipIf(noMounts !== undefined);

const records = (name: string, count: number, valueBytes: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}:${i}`, value: `${i}:`.padEnd(valueBytes, name) }));

/**
 * Takes the disk's free space but for so many bytes; what is called gives it back. In small pieces, because an open store may take
 * space at the same time (it prepares the log ahead).
 */
function fill(disk: string, leftBytes: number): () => void {
  const filler = join(disk, "filler");
  writeFileSync(filler, "");
  for (;;) {
    const { bavail, bsize } = statfsSync(disk);
    const free = bavail * bsize - leftBytes;
    if (free <= 0) return () => rmSync(filler);
    try {
      appendFileSync(filler, Buffer.alloc(Math.min(free, 4096)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
}

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
