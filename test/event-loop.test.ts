// What keeps a program alive, and for how long: what it still waits for, nothing else. And what it hears of writes that fail.
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

test("a watch keeps a program alive while it is awaited, and then only", async () => {
  const start = `const db = await open(path, { sync: "os" }); const watch = db.watch();`;
  // The timer of AbortSignal.timeout keeps nothing alive.
  const awaited = `const db = await open(path, { sync: "os" });
    for await (const change of db.watch({ signal: AbortSignal.timeout(200) })) console.log(change.key);`;
  expect(
    await run(temporaryDirectory(), `try { ${awaited} } catch (error) { console.log(error.name); }`),
  ).toMatchObject({
    ...cleanEnd,
    stdout: "TimeoutError\n",
  });
  const idle = `${start} await db.put("a", "1"); console.log((await watch.next()).value.key); globalThis.kept = watch;`;
  expect(await run(temporaryDirectory(), idle)).toMatchObject({ ...cleanEnd, stdout: "a\n" });
  const returned = `${start} setTimeout(() => watch.return(), 100); console.log((await watch.next()).done);`;
  expect(await run(temporaryDirectory(), returned)).toMatchObject({ ...cleanEnd, stdout: "true\n" });
});

test("a flush as the last line completes", async () => {
  const body = `const db = await open(path, { sync: "os" }); db.put("a", "1"); await db.flush(); console.log("durable");`;
  expect(await run(temporaryDirectory(), body)).toMatchObject({ ...cleanEnd, stdout: "durable\n" });
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

test("an unhandled failure of a write is an unhandled rejection, not a silent loss", async () => {
  const body = `const db = await open(path); await db.close(); db.put("a", "1");`;
  const result = await run(temporaryDirectory(), body);
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("CRABKV_CLOSED");
});
