// `crabkv backup` and `crabkv restore`, as people and scripts meet them.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import { crabkv } from "./run-program.js";
import { crabkvOnTerminal } from "./terminal.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const KIB = 1024;

/** A directory with a store in `data`. */
async function filled(keys = 500): Promise<string> {
  const cwd = temporaryDirectory();
  const db = await open(join(cwd, "data"), { segmentBytes: 64 * KIB });
  await db.putMany(Array.from({ length: keys }, (_, i) => ({ key: `k${i}`, value: `${i} ${"v".repeat(300)}` })));
  await db.close();
  return cwd;
}

test("a store is backed up, again with what is new, and restored", async () => {
  const cwd = await filled();
  const first = await crabkv(["backup", "b"], { cwd });
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toMatch(/^version +500$/m);
  expect(first.stdout).toMatch(/^files +\d+: [\d.]+ KiB linked, 0 B copied$/m);
  expect((await crabkv(["put", "new", "1"], { cwd })).code).toBe(0);
  const again = await crabkv(["backup", "b", "--json"], { cwd });
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(again.stdout)).toMatchObject({ dataDir: "data", target: join(cwd, "b"), version: 501 });
  expect((JSON.parse(again.stdout) as { skippedBytes: number }).skippedBytes).toBeGreaterThan(150_000);

  expect((await crabkv(["get", "new", "--data-dir", "b"], { cwd })).stdout).toBe("1\n");
  expect((await crabkv(["verify", "--data-dir", "b"], { cwd })).code).toBe(0);
  const written = await crabkv(["put", "k", "v", "--data-dir", "b"], { cwd });
  expect(written.code).toBe(4);
  expect(written.stderr).toContain("CRABKV_READ_ONLY");
  expect(written.stderr).toContain("crabkv restore");

  const restored = await crabkv(["restore", "b", "--data-dir", "r"], { cwd });
  expect(restored).toMatchObject({ code: 0, stderr: "" });
  expect(restored.stdout).toMatch(/^as of +20\d\d-.*Z, version 501$/m);
  expect(restored.stdout).toMatch(/^checked +501 records$/m);
  expect((await crabkv(["put", "k1", "other", "--data-dir", "r"], { cwd })).code).toBe(0);
  expect((await crabkv(["get", "k1", "--data-dir", "b"], { cwd })).stdout).toMatch(/^1 v/);
  const json = await crabkv(["restore", "b", "--data-dir", "r2", "--json"], { cwd });
  expect(JSON.parse(json.stdout)).toMatchObject({ dataDir: "r2", backup: "b", version: 501, records: 501 });
});

test("what can't be is said with what to do, and the exit code", async () => {
  const cwd = await filled(50);
  mkdirSync(join(cwd, "full"));
  writeFileSync(join(cwd, "full", "mine"), "x");
  expect(await crabkv(["backup"], { cwd })).toMatchObject({ code: 2 });
  expect(await crabkv(["backup", ""], { cwd })).toMatchObject({ code: 2 });
  expect(await crabkv(["backup", "data/inside"], { cwd })).toMatchObject({ code: 2 });
  const full = await crabkv(["backup", "full"], { cwd });
  expect(full.code).toBe(4);
  expect(full.stderr).toMatch(/full is not empty, and no backup.*\nhint: name a directory/);
  const none = await crabkv(["backup", "b", "--data-dir", "none"], { cwd });
  expect(none.code).toBe(4);
  expect(none.stderr).toContain("CRABKV_MISSING");
  expect(existsSync(join(cwd, "none"))).toBe(false);

  expect(await crabkv(["backup", "b"], { cwd })).toMatchObject({ code: 0 });
  const there = await crabkv(["restore", "b"], { cwd });
  expect(there.code).toBe(4);
  expect(there.stderr).toMatch(/data is not empty.*\nhint: name a data directory that is not there yet/);
  expect((await crabkv(["restore", "none", "--data-dir", "r"], { cwd })).stderr).toContain("CRABKV_MISSING");
  expect((await crabkv(["restore", "data", "--data-dir", "r"], { cwd })).stderr).toContain("CRABKV_FORMAT");
  expect(await crabkv(["restore", "b", "--data-dir", "b/inside"], { cwd })).toMatchObject({ code: 2 });
  // A file of its own, not the store's.
  const segment = readdirSync(join(cwd, "b")).find((name) => name.endsWith(".log"))!;
  const bytes = readFileSync(join(cwd, "b", segment));
  bytes[1000]! ^= 1;
  expect(await crabkv(["restore", "b", "--data-dir", "r"], { cwd })).toMatchObject({ code: 0 });
  mkdirSync(join(cwd, "damaged"));
  for (const name of readdirSync(join(cwd, "b"))) {
    writeFileSync(join(cwd, "damaged", name), name === segment ? bytes : readFileSync(join(cwd, "b", name)));
  }
  const damaged = await crabkv(["restore", "damaged", "--data-dir", "r2"], { cwd });
  expect(damaged.code).toBe(3);
  expect(damaged.stderr).toContain(segment);
  expect(existsSync(join(cwd, "r2"))).toBe(false);
});

test("a store that another process has open is not backed up by the command", async () => {
  const cwd = await filled(50);
  const db = await openStore(join(cwd, "data"));
  const { code, stderr } = await crabkv(["backup", "b"], { cwd });
  expect(code).toBe(4);
  expect(stderr).toContain("CRABKV_LOCKED");
  expect(existsSync(join(cwd, "b"))).toBe(false);
  // But by its own.
  await db.backup(join(cwd, "b"));
});

test("on a terminal there is a bar while it works", async () => {
  const cwd = await filled(2000);
  const { code, output } = crabkvOnTerminal(["backup", "b"], [], { cwd });
  expect(code).toBe(0);
  expect(output).toContain("backing up");
});
