// Repairing from JavaScript and from the command line: what the new store has, what the report says, what is refused. That no
// more is lost than what a damage hits is test/native/repair_test.cc's to show.
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open, repair, verify } from "../src/index.js";
import type { RepairReport, Store } from "../src/index.js";
import { untilAborted } from "./given-up.js";
import { cleanEnv, cliPath, crabkv } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

/** In a new directory: `data`, with a compacted segment and a log behind it. */
async function closedStore(): Promise<{ cwd: string; data: string; target: string }> {
  const cwd = temporaryDirectory();
  const data = join(cwd, "data");
  const db = await open(data, { sync: "os" });
  for (let i = 0; i < 20; i++) await db.put(`key:${i}`, `value ${i}`);
  await db.compact();
  await db.put("key:3", "changed 3");
  await db.delete("key:4");
  await db.put("key:5", "changed 5", { ttlMs: 1e9 });
  await db.putMany([
    { key: "pair:a", value: "with b" },
    { key: "pair:b", value: "with a" },
  ]);
  await db.close();
  return { cwd, data, target: join(cwd, "repaired") };
}

/** Flips a bit of the last letter of `text` in one of the files; its name. */
function damage(directory: string, text: string): string {
  for (const file of readdirSync(directory)) {
    const path = join(directory, file);
    const bytes = readFileSync(path);
    const offset = bytes.indexOf(text);
    if (offset < 0) continue;
    bytes[offset + text.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    return file;
  }
  throw new Error(`${text} is in no file`);
}

const hashOf = (directory: string): string[] =>
  readdirSync(directory).map((file) => {
    const hash = createHash("sha256")
      .update(readFileSync(join(directory, file)))
      .digest("hex");
    return `${file} ${hash}`;
  });

async function recordsOf(db: Store<string, string>): Promise<string[]> {
  const records: string[] = [];
  for await (const [key, value] of db.entries({ order: "log" })) records.push(`${key} ${value}`);
  return records;
}

const keptOf = ({ faults }: RepairReport): string[] =>
  faults.flatMap(({ keys, kept }) => keys.map((key, i) => `${Buffer.from(key).toString()} ${kept[i]}`)).sort();

test("of a store that is well all is kept, deletes and deadlines too, and the original stays as it was", async () => {
  const { data, target } = await closedStore();
  const before = hashOf(data);
  const report = await repair(data, target);
  expect(hashOf(data)).toEqual(before);
  expect(report).toMatchObject({ dataLost: false, faults: [], faultCount: 0, keys: 21, expired: 0 });
  expect(report.keptBytes).toBeGreaterThan(21 * 10);
  expect(await verify(target)).toMatchObject({ faultCount: 0, records: 21 });
  const original = await openStore(data);
  const repaired = await openStore(target);
  expect(await recordsOf(repaired)).toEqual(await recordsOf(original));
  expect(await repaired.has("key:4")).toBe(false);
  const [left, right] = [await original.ttl("key:5"), await repaired.ttl("key:5")];
  expect(Math.abs(left! - right!)).toBeLessThan(60_000);
});

test("damaged records are lost with their batch, older versions kept, and the report says which", async () => {
  const { data, target } = await closedStore();
  for (const text of ["key:7value 7", "changed 3", "value 5", "pair:awith b"]) damage(data, text);
  const before = hashOf(data);
  const report = await repair(data, target);
  expect(hashOf(data)).toEqual(before);
  expect(report).toMatchObject({ dataLost: true, keys: 18 });
  expect(keptOf(report)).toEqual(["key:3 older", "key:5 newer", "key:7 none", "pair:a none", "pair:b none"]);
  for (const fault of report.faults) expect(fault).toMatchObject({ dataLost: true, what: /CRC/ });
  const db = await openStore(target);
  expect(await db.get("key:3")).toBe("value 3");
  expect(await db.get("key:5")).toBe("changed 5");
  expect(await db.has("key:4")).toBe(false);
  expect(await db.getMany(["key:7", "pair:a", "pair:b"])).toEqual([undefined, undefined, undefined]);
});

test("without a MANIFEST it works from the segments alone", async () => {
  const { data, target } = await closedStore();
  rmSync(join(data, "MANIFEST"));
  expect(await repair(data, target)).toMatchObject({ dataLost: true, faults: [{ file: "MANIFEST" }], keys: 21 });
  const db = await openStore(target);
  expect(await db.get("key:3")).toBe("changed 3");
  expect(await db.has("key:4")).toBe(false);
});

test("a target that is not empty, half done, the store or inside of it is refused, and stays as it is", async () => {
  const { cwd, data } = await closedStore();
  const full = join(cwd, "full");
  mkdirSync(full);
  writeFileSync(join(full, "mine"), "x");
  await expect(repair(data, full)).rejects.toMatchObject({ code: "CRABKV_EXISTS" });
  expect(readdirSync(full)).toEqual(["mine"]);
  mkdirSync(join(cwd, "killed.partial"));
  await expect(repair(data, join(cwd, "killed"))).rejects.toMatchObject({ code: "CRABKV_EXISTS" });
  symlinkSync(data, join(cwd, "link"));
  for (const inside of [data, join(data, "new"), join(cwd, "link"), join(cwd, "link", "new")]) {
    await expect(repair(data, inside)).rejects.toThrow(TypeError);
  }
  await expect(repair(join(cwd, "none"), join(cwd, "new"))).rejects.toMatchObject({ code: "CRABKV_MISSING" });
  await openStore(data);
  await expect(repair(data, join(cwd, "new"))).rejects.toMatchObject({ code: "CRABKV_LOCKED" });
  expect(readdirSync(cwd).sort()).toEqual(["data", "full", "killed.partial", "link"]);
});

test("an empty directory, also through a link, becomes the new store", async () => {
  const { cwd, data, target } = await closedStore();
  mkdirSync(target);
  symlinkSync(target, join(cwd, "link"));
  await repair(data, join(cwd, "link"));
  expect(await (await openStore(target)).get("key:1")).toBe("value 1");
});

test("a signal gives it up, and nothing is left", async () => {
  const { cwd, data, target } = await closedStore();
  const db = await open(data, { sync: "os" });
  for (let i = 0; i < 200; i++) void db.put(`${i}`, "v".repeat(100_000));
  await db.close();
  await expect(repair(data, target, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  const reason = new Error("stop");
  const error = await untilAborted(reason, (signal) => {
    rmSync(target, { recursive: true, force: true });
    return repair(data, target, { signal });
  });
  expect(error).toBe(reason);
  expect(readdirSync(cwd)).toEqual(["data"]);
});

test("bad arguments are refused by name", async () => {
  await expect(repair("", "x")).rejects.toThrow("path must be a string");
  await expect(repair("x", 7 as never)).rejects.toThrow("targetPath must be a string");
  await expect(repair("x", "y", { signal: 1 as never })).rejects.toThrow("signal must be an AbortSignal");
  await expect(repair("x", "y", { deep: true } as never)).rejects.toThrow("deep");
  await expect(repair("a\0b", "y")).rejects.toThrow("path must not contain null bytes");
  await expect(repair("a\ud800", "y")).rejects.toThrow("path must be a well-formed string");
});

test("crabkv repair makes the new store and exits with 3 when something was lost", async () => {
  const { cwd, data, target } = await closedStore();
  const well = await crabkv(["repair", "whole", "--data-dir", "data"], { cwd });
  expect(well).toMatchObject({ code: 0, stdout: "" });
  expect(well.stderr).toMatch(/^nothing was lost \(0 faults\): whole has 21 keys/);
  const file = damage(data, "changed 3");
  const refused = await crabkv(["get", "key:3", "--data-dir", "data"], { cwd });
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining("crabkv repair") as string });
  const broken = await crabkv(["repair", "repaired", "--data-dir", "data"], { cwd });
  expect(broken.code).toBe(3);
  expect(broken.stdout).toMatch(
    new RegExp(`^${file} at offset \\d+: .*CRC\n  key "key:3": an older version was kept\n$`),
  );
  expect(broken.stderr).toContain("something was lost (1 fault): repaired has 21 keys");
  expect(await crabkv(["get", "key:3", "--data-dir", target])).toMatchObject({ code: 0, stdout: "value 3\n" });
  expect(await crabkv(["verify", "--data-dir", target])).toMatchObject({ code: 0 });
  const json = await crabkv(["repair", "again", "--data-dir", "data", "--json"], { cwd });
  expect(json.code).toBe(3);
  expect(JSON.parse(json.stdout)).toMatchObject({
    target: join(cwd, "again"),
    dataLost: true,
    keys: 21,
    faults: [{ file, keys: [{ key: "key:3" }], kept: ["older"] }],
  });
});

test("crabkv repair refuses a bad target, and says what to do", async () => {
  const { cwd } = await closedStore();
  const inside = await crabkv(["repair", "data/new"], { cwd });
  expect(inside).toMatchObject({ code: 2, stderr: expect.stringContaining("inside of it") as string });
  const full = await crabkv(["repair", "."], { cwd });
  expect(full).toMatchObject({ code: 4, stderr: expect.stringContaining("hint: name a directory") as string });
  expect(await crabkv(["repair"], { cwd })).toMatchObject({ code: 2 });
  const missing = await crabkv(["repair", "new", "--data-dir", "none"], { cwd });
  expect(missing).toMatchObject({ code: 4, stderr: expect.stringContaining("no store in none") as string });
});

test("an interrupted crabkv repair leaves nothing", async () => {
  const { cwd, data, target } = await closedStore();
  const db = await open(data, { sync: "os", compaction: { auto: false } });
  // 300 MB are more than may wait for a slow disk at once.
  for (let i = 0; i < 3000; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, j) => db.put(`${i + j}`, "v".repeat(100_000))));
  }
  await db.close();
  const child = spawn(process.execPath, [cliPath, "repair", target], { cwd, env: cleanEnv(), stdio: "pipe" });
  const partial = `${target}.partial`;
  const end = once(child, "exit") as Promise<[number | null, string | null]>;
  while (!existsSync(partial) && child.exitCode === null) await new Promise((next) => setTimeout(next, 2));
  child.kill("SIGINT");
  const [code] = await end;
  // It may have come to its end before the signal came to it.
  expect([0, 4]).toContain(code);
  expect(existsSync(partial)).toBe(false);
  expect(existsSync(target)).toBe(code === 0);
});
