// Whole programs, as people write them: none hangs, none crashes, and none loses what was acknowledged to it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProgram } from "./run-program.js";
import type { ProgramResult } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const libraryUrl = new URL("../dist/index.js", import.meta.url).href;

/** Runs the body of a module that has `open` and `path`, the directory of a store. */
function run(directory: string, body: string): Promise<ProgramResult> {
  const program = join(directory, `program-${Math.random()}.mjs`);
  const path = JSON.stringify(join(directory, "data"));
  writeFileSync(program, `import { open } from ${JSON.stringify(libraryUrl)};\nconst path = ${path};\n${body}\n`);
  return runProgram(program, []);
}

const cleanEnd = { code: 0, signal: null, stderr: "" };

test.each(["always", "os"])(
  "with sync %s, a put as the last line of a program is stored, awaited or not",
  async (sync) => {
    const directory = temporaryDirectory();
    const options = `{ sync: "${sync}" }`;
    expect(await run(directory, `const db = await open(path, ${options}); await db.put("a", "1");`)).toMatchObject(
      cleanEnd,
    );
    expect(await run(directory, `const db = await open(path, ${options}); db.put("b", "2");`)).toMatchObject(cleanEnd);
    const last = `open(path, ${options}).then((db) => db.putMany([{ key: "c", value: "3" }]));`;
    expect(await run(directory, last)).toMatchObject(cleanEnd);
    const db = await openStore(join(directory, "data"));
    expect(await db.getMany(["a", "b", "c"])).toEqual(["1", "2", "3"]);
  },
);

test("an idle open store does not keep a program alive", async () => {
  const directory = temporaryDirectory();
  const body = `const db = await open(path, { sync: { everyMs: 100 } });
    await db.put("a", "1"); await db.get("a"); await db.flush();
    for await (const entry of db.entries()) console.log(entry.join());
    globalThis.kept = db;`;
  expect(await run(directory, body)).toMatchObject({ ...cleanEnd, stdout: "a,1\n" });
});

test("a flush as the last line completes", async () => {
  const body = `const db = await open(path, { sync: "os" }); db.put("a", "1"); await db.flush(); console.log("durable");`;
  expect(await run(temporaryDirectory(), body)).toMatchObject({ ...cleanEnd, stdout: "durable\n" });
});

test("process.exit() with puts in flight ends at once, and what was acknowledged is there", async () => {
  const directory = temporaryDirectory();
  const body = `const db = await open(path);
    let acknowledged = 0;
    for (let round = 0; ; round++) {
      const puts = Array.from({ length: 100 }, (_, i) => db.put(String(round * 100 + i), "v"));
      if (round === 20) { console.log(acknowledged); process.exit(3); }
      await Promise.all(puts);
      acknowledged += 100;
    }`;
  const result = await run(directory, body);
  expect(result).toMatchObject({ ...cleanEnd, code: 3 });
  const acknowledged = Number(result.stdout);
  expect(acknowledged).toBe(2000);
  const db = await openStore(join(directory, "data"));
  for (let i = 0; i < acknowledged; i++) expect(db.getSync(String(i))).toBe("v");
});

test("an uncaught error ends the program with its own message, and what was acknowledged is there", async () => {
  const directory = temporaryDirectory();
  const body = `const db = await open(path); await db.put("a", "1"); db.put("b", "2");
    setImmediate(() => { throw new Error("bug of the user"); });`;
  const result = await run(directory, body);
  expect(result).toMatchObject({ code: 1, signal: null });
  expect(result.stderr).toContain("bug of the user");
  const db = await openStore(join(directory, "data"));
  expect(await db.get("a")).toBe("1");
});

test("close while everything is in flight ends cleanly", async () => {
  const directory = temporaryDirectory();
  const body = `const db = await open(path);
    for (let i = 0; i < 10_000; i++) db.put(String(i), "v".repeat(100));
    const stream = db.createWriteStream(); stream.on("error", (error) => console.log(error.code)); stream.write({ key: "s", value: "" });
    const next = db.keys().next().catch((error) => error.code);
    const many = db.getMany(["1", "2"]);
    await db.close();
    console.log(await next, (await many).length);`;
  const result = await run(directory, body);
  expect(result).toMatchObject(cleanEnd);
  expect(result.stdout).toContain("CRABKV_CLOSED 2");
  const db = await openStore(join(directory, "data"));
  expect(db.stats()).toMatchObject({ cleanOpen: true });
  expect(db.stats().keys).toBeGreaterThanOrEqual(10_000);
});

test("a second process is told who has the store, and gets it when that one is done", async () => {
  const directory = temporaryDirectory();
  const db = await openStore(join(directory, "data"));
  await db.put("a", "1");
  const body = `const db = await open(path).catch((error) => { console.log(error.code, error.message); process.exit(4); });
    console.log(await db.get("a"));`;
  const refused = await run(directory, body);
  expect(refused).toMatchObject({ ...cleanEnd, code: 4 });
  expect(refused.stdout).toContain("CRABKV_LOCKED");
  expect(refused.stdout).toContain(String(process.pid));
  await db.close();
  expect(await run(directory, body)).toMatchObject({ ...cleanEnd, stdout: "1\n" });
});

test("an unhandled failure of a write is an unhandled rejection, not a silent loss", async () => {
  const body = `const db = await open(path); await db.close(); db.put("a", "1");`;
  const result = await run(temporaryDirectory(), body);
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("CRABKV_CLOSED");
});

test("workers share the store of their process, and ending them at any moment harms nobody", async () => {
  const directory = temporaryDirectory();
  const body = `import { Worker, isMainThread, parentPort } from "node:worker_threads";
    if (isMainThread) {
      const db = await open(path);
      for (let i = 0; i < 20; i++) {
        const worker = new Worker(new URL(import.meta.url));
        await new Promise((resolve) => worker.once("message", resolve));
        const put = db.put("main" + i, "v");
        if (i % 4 === 3) await new Promise((resolve) => worker.once("exit", resolve));
        else await worker.terminate();
        await put;
      }
      if (db.getSync("worker") !== "v") throw new Error("a worker's acknowledged write is gone");
      await db.put("last", "v");
      await db.close();
      console.log("done");
    } else {
      const db = await open(path);
      await db.put("worker", "v");
      parentPort.postMessage("ready");
      for (let i = 0; i < 2000; i++) { db.put("w" + i, "v".repeat(100)); db.get("w" + (i - 1)); if (i % 100 === 0) await db.keys().next(); }
    }`;
  expect(await run(directory, body)).toMatchObject({ ...cleanEnd, stdout: "done\n" });
  const db = await openStore(join(directory, "data"));
  expect(await db.getMany(["main0", "main19", "last"])).toEqual(["v", "v", "v"]);
});
