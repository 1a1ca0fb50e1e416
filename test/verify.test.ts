// Verifying from JavaScript and from the command line: faults with file, offset and keys, on a closed directory and an
// open store. That all damage is found is test/native/verify_test.cc's to show.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open, verify } from "../src/index.js";
import { untilAborted } from "./given-up.js";
import { crabkv } from "./run-program.js";
import { openStore, temporaryDirectory, temporaryStore } from "./temporary.js";

async function closedStore(): Promise<string> {
  const directory = join(temporaryDirectory(), "data");
  const db = await open(directory, { sync: "os" });
  for (let i = 0; i < 20; i++) await db.put(`key:${i}`, `value ${i}`);
  await db.compact();
  for (let i = 20; i < 40; i++) await db.put(`key:${i}`, `value ${i}`);
  await db.close();
  return directory;
}

/** Flips a bit behind where `text` is in one of the files. */
function damage(directory: string, text: string): { file: string; offset: number } {
  for (const file of readdirSync(directory)) {
    const path = join(directory, file);
    const bytes = readFileSync(path);
    const offset = bytes.indexOf(text);
    if (offset < 0) continue;
    bytes[offset + text.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    return { file, offset };
  }
  throw new Error(`${text} is in no file`);
}

test("a store that is well has no faults, closed or open", async () => {
  const directory = await closedStore();
  const closed = await verify(directory);
  expect(closed).toMatchObject({ faults: [], faultCount: 0, lastVersion: 40 });
  expect(closed.records).toBe(40);
  expect(closed.unfinished).toBeUndefined();
  const db = await openStore(directory);
  await db.put("more", "x");
  expect(await db.verify()).toMatchObject({ faults: [], faultCount: 0, records: 41, lastVersion: 41 });
});

test("each damaged place is a fault with its file, its offset and the key", async () => {
  const directory = await closedStore();
  const first = damage(directory, "key:3value 3");
  const second = damage(directory, "key:30value 30");
  const { faults, faultCount, records } = await verify(directory);
  expect(faultCount).toBe(2);
  expect(faults.map(({ file }) => file).sort()).toEqual([first.file, second.file].sort());
  for (const { file, offset } of [first, second]) {
    const fault = faults.find((one) => one.file === file)!;
    expect(fault.offset).toBeLessThan(offset);
    expect(fault.offset + fault.bytes).toBeGreaterThan(offset);
    expect(fault.what).toContain("CRC");
  }
  expect(faults.map(({ keys }) => keys.map((key) => Buffer.from(key).toString()))).toEqual(
    first.file === faults[0]!.file ? [["key:3"], ["key:30"]] : [["key:30"], ["key:3"]],
  );
  expect(records).toBe(38);
});

test("an open store finds what went bad under it", async () => {
  const directory = await closedStore();
  const db = await openStore(directory);
  const { file } = damage(directory, "key:3value 3");
  const report = await db.verify();
  expect(report.faults.map((fault) => fault.file)).toEqual([file]);
});

test("a missing MANIFEST or segment is a fault, a missing store an error", async () => {
  const directory = await closedStore();
  rmSync(join(directory, "MANIFEST"));
  expect((await verify(directory)).faults[0]).toMatchObject({ file: "MANIFEST", offset: 0 });
  await expect(verify(join(directory, "none"))).rejects.toMatchObject({ code: "CRABKV_MISSING" });
  const other = await closedStore();
  const segment = readdirSync(other).find((name) => name.endsWith(".seg"))!;
  rmSync(join(other, segment));
  expect((await verify(other)).faults[0]).toMatchObject({ file: segment });
});

test("a signal gives it up, and so does closing the store", async () => {
  const db = await temporaryStore();
  await expect(db.verify({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  for (let i = 0; i < 200; i++) void db.put(`${i}`, "v".repeat(100_000));
  await db.flush();
  const reason = new Error("stop");
  expect(await untilAborted(reason, (signal) => db.verify({ signal }))).toBe(reason);
  // So many that they wait for each other.
  const running = Promise.allSettled(Array.from({ length: 20 }, () => db.verify()));
  await db.close();
  const givenUp = (await running).filter(({ status }) => status === "rejected");
  expect(givenUp.length).toBeGreaterThan(0);
  for (const { reason: error } of givenUp as PromiseRejectedResult[])
    expect(error).toMatchObject({ code: "CRABKV_CLOSED" });
  await expect(db.verify()).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
});

test("bad arguments are refused by name", async () => {
  await expect(verify("")).rejects.toThrow("path must be a string");
  await expect(verify(7 as never)).rejects.toThrow("path must be a string");
  await expect(verify("x", { signal: 1 as never })).rejects.toThrow("signal must be an AbortSignal");
  await expect(verify("x", { deep: true } as never)).rejects.toThrow("deep");
});

test("crabkv verify prints the faults and exits with 3, or says that all is well", async () => {
  const directory = await closedStore();
  const well = await crabkv(["verify", "--data-dir", directory]);
  expect(well).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringMatching(/^all is well: read \d+ files/) as string,
  });
  const { file } = damage(directory, "key:30value 30");
  const broken = await crabkv(["verify", "--data-dir", directory]);
  expect(broken.code).toBe(3);
  expect(broken.stdout).toMatch(new RegExp(`^${file} at offset \\d+: .*CRC\n  key "key:30"\n$`));
  expect(broken.stderr).toContain("1 fault");
  const json = await crabkv(["verify", "--data-dir", directory, "--json"]);
  expect(json.code).toBe(3);
  expect(JSON.parse(json.stdout)).toMatchObject({ faultCount: 1, faults: [{ file, keys: [{ key: "key:30" }] }] });
});
