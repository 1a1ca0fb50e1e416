// The demo that `npm run demo` runs, and what a program that uses the library loads.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runProgram } from "./run-program.js";
import { collect, temporaryDirectory, temporaryStore } from "./temporary.js";

test("the demo does all it says, in plain lines, and cleans up", async () => {
  const folder = join(temporaryDirectory(), "tmp");
  mkdirSync(folder);
  const demo = fileURLToPath(new URL("../dist/cli/demo.js", import.meta.url));
  const result = await runProgram(demo, [], { env: { TMPDIR: folder } });
  expect(result).toMatchObject({ code: 0, signal: null, stderr: "" });
  const steps = ["streamed in", "reopened", "get", "getMany, by 100", "drained in order"];
  for (const step of steps) {
    const lines = result.stdout.match(new RegExp(`^  ${step} +135,233 cities +[\\d.]+ m?s +[\\d,]+/s$`, "gm"));
    expect(lines, step).toHaveLength(2);
  }
  expect(result.stdout).toContain("Reykjavík 118,919, 1,000 deleted, 134,233 cities left");
  expect(result.stdout).toMatch(/^Snappy takes \d+% off the disk\.$/m);
  // Nothing that only a terminal understands.
  expect(result.stdout).not.toContain("\u001b");
  expect(readdirSync(folder)).toEqual([]);
});

test("the library loads nothing that only the command line needs", () => {
  const sources = fileURLToPath(new URL("../src/", import.meta.url));
  const forbidden = /from "(commander|cli-progress|csv-parse|csv-stringify|\.\/cli)/;
  for (const file of readdirSync(sources).filter((name) => name.endsWith(".ts"))) {
    expect(readFileSync(join(sources, file), "utf8"), file).not.toMatch(forbidden);
  }
});

test("records() gives versions to resume after and deadlines, which entries() does not", async () => {
  const db = await temporaryStore();
  await db.put("a", "1");
  const before = Date.now();
  await db.put("b", "2", { ttlMs: 60_000 });
  const [a, b] = await collect(db.records({ order: "log" }));
  expect(a).toEqual({ key: "a", value: "1", version: 1 });
  expect(b).toMatchObject({ key: "b", value: "2", version: 2 });
  expect(b!.expiresAtMs).toBeGreaterThanOrEqual(before + 60_000);
  expect(await collect(db.records({ order: "log", from: a!.version }))).toEqual([b]);
});
