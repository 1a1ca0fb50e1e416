// Write-back when a flush cannot be written at once, or at all: nothing that was acknowledged goes, and nothing is counted twice.
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { CrabKVError } from "../src/index.js";
import { native } from "../src/native.js";
import { resolveOpenOptions } from "../src/options.js";
import { Session } from "../src/session.js";
import { WriteBack } from "../src/write-back.js";
import { never, pair } from "./buffered-pair.js";
import { strace, whyNoStrace } from "./crash/strace.js";
import { mountSmall, whyNoMounts } from "./mounts.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

test("a flush that the queue has no room for rejects and keeps its puts, and so does the bound, until there is room", async () => {
  const { db, log } = await pair({ writeBack: { bytes: 50_000, ...never } });
  const told: Error[] = [];
  db.on("error", (error) => told.push(error));
  await db.put("k", "v".repeat(40_000));
  const full = vi.spyOn(native, "writeBatch").mockImplementation(() => {
    throw new CrabKVError("CRABKV_BUSY", "full");
  });
  onTestFinished(() => full.mockRestore());
  await expect(db.flush()).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  const beyond = { code: "CRABKV_BUSY", cause: { message: "full" } };
  for (let i = 0; i < 100; i++) await expect(db.put("beyond", "v".repeat(20_000))).rejects.toMatchObject(beyond);
  expect(full.mock.calls.length).toBeLessThan(20); // a large flush is not tried for each put
  await db.put("within", "v");
  await db.put("k", "w".repeat(40_000));
  await expect(db.delete("k")).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  await expect(db.batch([{ type: "put", key: "k", value: "" }])).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  await expect(collect(db.keys())).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  await expect(db.getEntry("k")).rejects.toMatchObject({ code: "CRABKV_BUSY" });
  expect(await db.getMany(["k", "within", "beyond"])).toEqual(["w".repeat(40_000), "v", undefined]);
  expect(db.stats()).toMatchObject({ writeBackEntries: 2, flushes: 0, keys: 0 });
  full.mockRestore();
  await db.flush();
  expect(await log.getMany(["k", "within", "beyond"])).toEqual(["w".repeat(40_000), "v", undefined]);
  expect(told).toEqual([]);
});

test("close() waits for room for the last flush", async () => {
  const { db, log } = await pair();
  await db.put("k", "v");
  const full = vi.spyOn(native, "writeBatch").mockImplementation(() => {
    throw new CrabKVError("CRABKV_BUSY", "full");
  });
  onTestFinished(() => full.mockRestore());
  const closing = db.close();
  await expect.poll(() => full.mock.calls.length).toBeGreaterThan(3);
  full.mockRestore();
  await closing;
  expect(await log.get("k")).toBe("v");
});

test("a flush waits for what the buffer itself has filled the queue with", async () => {
  const { db, log } = await pair({ pendingBytesMax: 256 * 1024, writeBack: { bytes: 50_000, ...never } });
  const puts = Array.from({ length: 30 }, (_, i) => db.put(`k${i}`, "v".repeat(10_000)));
  const accepted = (await Promise.allSettled(puts)).filter(({ status }) => status === "fulfilled").length;
  await db.flush();
  expect(await collect(log.keys())).toHaveLength(accepted);
  expect(db.stats().writeBackEntries).toBe(0);
});

/** A session with a buffer of its own, on a store whose reports a test may make up. */
async function bufferedSession(onTrouble: (error: Error) => void = () => undefined) {
  const resolved = resolveOpenOptions({ writeBack: never, sync: "os" });
  const session = new Session(true, 1024, { putsMax: 64, keyUnitsMax: 1024, valueUnitsMax: 1024 }, resolved.native);
  session.handle = await native.open(join(temporaryDirectory(), "data"), resolved.native, session.onCommit);
  const buffer = new WriteBack(session, resolved.writeBack!, onTrouble);
  return { session, buffer };
}

test("a flush whose batch has failed rejects, also when the log knows that before this thread does", async () => {
  const { session, buffer } = await bufferedSession();
  session.writeBack = buffer;
  buffer.put("k", "v", 0);
  // What the log does when the batch has failed: there is nothing left that could become durable.
  const group = 1_000_000;
  vi.spyOn(native, "writeBatch").mockReturnValue(group);
  vi.spyOn(native, "requestDurable").mockReturnValue(0);
  onTestFinished(() => void vi.restoreAllMocks());
  const flushed = session.flush();
  await new Promise((resolve) => setImmediate(resolve));
  const failure = new CrabKVError("CRABKV_DISK_FULL", "full");
  session.onCommit(0, 0, false, [group, group, group, failure], undefined);
  await expect(flushed).rejects.toBe(failure);
  expect(buffer.size).toBe(1);
  vi.restoreAllMocks();
  await session.close(undefined);
});

test("a flush that the log refuses leaves nothing behind that rejects with nobody there", async () => {
  const { session, buffer } = await bufferedSession();
  session.writeBack = buffer;
  buffer.put("k", "v", 0);
  const group = 1_000_000;
  const refusal = new CrabKVError("CRABKV_FAILED", "the disk");
  vi.spyOn(native, "writeBatch").mockReturnValue(group);
  vi.spyOn(native, "requestDurable").mockImplementation(() => {
    throw refusal;
  });
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  onTestFinished(() => {
    process.off("unhandledRejection", unhandled);
    vi.restoreAllMocks();
  });
  await expect(session.flush()).rejects.toBe(refusal);
  session.onCommit(0, 0, false, [group, group, group, new CrabKVError("CRABKV_INDETERMINATE", "lost")], undefined);
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).not.toHaveBeenCalled();
  vi.restoreAllMocks();
  await session.close(undefined);
});

test("what failed after it was taken waits here again, unless a later write of its key may stand", async () => {
  const told: Error[] = [];
  const { session, buffer } = await bufferedSession((error) => told.push(error));
  onTestFinished(() => session.close(undefined));
  const failure = new Error("the disk");
  const put = (key: string, value: string) => expect(buffer.put(key, value, 0)).toBe(true);
  const held = () => ["a", "b", "c", "d"].map((key) => buffer.find(key)?.value);
  const flush = (background: boolean) => {
    buffer.flush(background);
    return buffer.openGroups[1];
  };
  for (const key of ["a", "b", "c", "d"]) put(key, "1");
  const first = flush(true);
  expect(held()).toEqual([undefined, undefined, undefined, undefined]);
  put("b", "2"); // newer
  buffer.overtake(["c", "d"], first + 1); // written, and that stands or fails by itself
  buffer.failedBetween(first, first, failure);
  expect(held()).toEqual(["1", "2", undefined, undefined]);
  expect(told).toEqual([failure]);
  buffer.overtake(["d"], first + 2);
  buffer.failedBetween(first + 1, first + 1, failure);
  expect(held()).toEqual(["1", "2", "1", undefined]);
  buffer.settled(first + 2);
  expect(held()).toEqual(["1", "2", "1", undefined]);
  expect(told).toEqual([failure]); // nobody's flush, and told already

  const second = flush(false);
  buffer.settled(second);
  buffer.failedBetween(second, second, failure); // too late to be true
  expect(held()).toEqual([undefined, undefined, undefined, undefined]);
  put("a", "3");
  const third = flush(false);
  buffer.overtakeLate(["a"], third);
  put("a", "4");
  buffer.overtakeLate(["a"], third + 1); // does not touch what is newer
  buffer.failedBetween(third, third + 1, failure);
  expect(held()).toEqual(["4", undefined, undefined, undefined]);
  expect(told).toEqual([failure]);
  buffer.end();
});

const noMounts = whyNoMounts();
test.skipIf(noMounts !== undefined).each(["always", "os"] as const)(
  `a disk that is full takes no acknowledged put away, and they are written when there is space, sync %j${noMounts ?? ""}`,
  async (sync) => {
    const disk = temporaryDirectory();
    mountSmall(disk, 1024 * 1024);
    const db = await openStore(join(disk, "data"), { sync, writeBack: { bytes: 250_000, everyMs: 20 } });
    const told: Error[] = [];
    db.on("error", (error) => told.push(error));
    const model = new Map<string, string>();
    let refused: unknown;
    for (let i = 0; i < 3000 && refused === undefined; i++) {
      const [key, value] = [`k${i % 1000}`, `${i}`.padEnd(1500, "x")];
      await db.put(key, value).then(() => model.set(key, value), (error: unknown) => (refused = error)); // prettier-ignore
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(refused).toMatchObject({ code: "CRABKV_BUSY", cause: { code: "CRABKV_DISK_FULL" } });
    await expect(db.flush()).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
    await expect.poll(() => told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(5);
    expect(db.failure).toBe(undefined);
    for (const [key, value] of model) expect(db.getSync(key)).toBe(value);
    await expect(collect(db.keys())).rejects.toMatchObject({ code: "CRABKV_DISK_FULL" });
    const closed = await db.close().catch((error: unknown) => error);
    expect(closed).toMatchObject({ code: "CRABKV_DISK_FULL" });
  },
);

const noStrace = whyNoStrace();
test.skipIf(noStrace !== undefined)(
  `a handle that is opened after the store has failed acknowledges no put${noStrace ?? ""}`,
  () => {
    const directory = temporaryDirectory();
    const program = join(import.meta.dirname, "programs", "open-after-failure.mjs");
    const command = [process.execPath, program, join(directory, "data")];
    const { status, stdout, stderr } = strace(join(directory, "trace"), "fdatasync:error=EIO:when=6", ...command);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "CRABKV_FAILED\n", stderr: "" });
  },
);
