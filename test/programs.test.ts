// Programs run as a whole, because what can go wrong at their end does not show inside of one: none hangs, dies of a signal, or
// loses what was acknowledged.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runProgram } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const sanitized = process.env.CRABKV_SANITIZER !== undefined;
// Of programs that end at another moment each time.
const RUNS = sanitized ? 4 : 15;
const RUNS_MS_MAX = 240_000;

const programPath = (name: string) => fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
const syncs = ['"always"', '"os"', '{"everyMs":20}'];
const valueOf = (i: number) => `value ${i} ${"x".repeat(i % 500)}`;

async function expectPuts(directory: string, acknowledged: readonly number[]): Promise<void> {
  const db = await openStore(directory);
  const values = await db.getMany(acknowledged.map((i) => `key:${i}`));
  expect(values).toEqual(acknowledged.map(valueOf));
  await db.close();
}

test.each(syncs)("a program may end after its last put, sync %s", async (sync) => {
  const directory = join(temporaryDirectory(), "data");
  const result = await runProgram(programPath("put-and-end"), [directory, sync]);
  expect(result).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
  const db = await openStore(directory);
  expect(await db.get("key")).toBe("value");
});

test("an idle open store does not hold the process, whatever is left open in it", async () => {
  const directory = join(temporaryDirectory(), "data");
  const result = await runProgram(programPath("idle"), [directory]);
  expect(result).toEqual({ code: 0, signal: null, stdout: "idle\n", stderr: "" });
  const db = await openStore(directory);
  expect(await db.get("key:9999")).toBe("value");
});

test.each(syncs)(
  "process.exit() with puts in flight ends at once, and keeps what was acknowledged, sync %s",
  async (sync) => {
    for (let run = 0; run < RUNS; run++) {
      const directory = join(temporaryDirectory(), "data");
      const result = await runProgram(programPath("end-in-flight"), [directory, "exit", sync, String(run * 150)]);
      expect(result).toMatchObject({ code: 7, signal: null, stderr: "" });
      await expectPuts(directory, JSON.parse(result.stdout) as number[]);
    }
  },
  RUNS_MS_MAX,
);

test.each(syncs)(
  "an uncaught throw with puts in flight ends as it always does, sync %s",
  async (sync) => {
    for (let run = 0; run < RUNS; run++) {
      const directory = join(temporaryDirectory(), "data");
      const result = await runProgram(programPath("end-in-flight"), [directory, "throw", sync, String(run * 150)]);
      expect(result).toMatchObject({ code: 1, signal: null });
      expect(result.stderr).toContain("Error: on purpose");
      await expectPuts(directory, JSON.parse(result.stdout) as number[]);
    }
  },
  RUNS_MS_MAX,
);

test.each(syncs)(
  "close() with writes in flight acknowledges them and refuses later ones, sync %s",
  async (sync) => {
    for (let run = 0; run < Math.min(RUNS, 5); run++) {
      const directory = join(temporaryDirectory(), "data");
      const result = await runProgram(programPath("close-in-flight"), [directory, sync]);
      expect(result).toMatchObject({ code: 0, signal: null, stderr: "" });
      expect(JSON.parse(result.stdout)).toEqual({ acknowledged: 3005, refused: ["CRABKV_CLOSED"] });
      const db = await openStore(directory);
      expect(db.stats()).toMatchObject({ keys: 3002, cleanOpen: true });
      await db.close();
    }
  },
  RUNS_MS_MAX,
);

interface Holder {
  readonly child: ChildProcess;
  readonly closed: Promise<unknown[]>;
  readonly said: { pid?: number; code?: string; message?: string };
}

async function hold(directory: string): Promise<Holder> {
  const child = spawn(process.execPath, [programPath("hold"), directory], { stdio: ["pipe", "pipe", "inherit"] });
  // From the start, because one that is refused ends before anybody releases it.
  const closed = once(child, "close");
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, closed, said: JSON.parse(line) as Holder["said"] };
}

function release({ child, closed }: Holder): Promise<unknown[]> {
  child.stdin!.end();
  return closed;
}

test(
  "of processes that open one directory at once, one owns it and the others learn its pid",
  async () => {
    const directory = join(temporaryDirectory(), "data");
    for (let run = 0; run < Math.min(RUNS, 8); run++) {
      const holders = await Promise.all([hold(directory), hold(directory), hold(directory)]);
      const owners = holders.filter(({ said }) => said.pid !== undefined);
      expect(owners).toHaveLength(1);
      for (const { said } of holders.filter((holder) => holder !== owners[0])) {
        expect(said.code).toBe("CRABKV_LOCKED");
        // Between locking and writing its pid, an owner is without a name.
        expect(said.message).toMatch(new RegExp(`in use by (process ${owners[0]!.said.pid} |another process)`));
      }
      const late = await hold(directory);
      expect(late.said.message).toContain(`in use by process ${owners[0]!.said.pid} `);
      await release(late);
      for (const holder of holders) expect(await release(holder)).toEqual([holder === owners[0] ? 0 : 3, null]);
    }
    const db = await openStore(directory);
    expect(db.stats().keys).toBe(Math.min(RUNS, 8));
  },
  RUNS_MS_MAX,
);

test(
  "SIGTERM ends a program as it always does, and keeps what was acknowledged",
  async () => {
    for (let run = 0; run < Math.min(RUNS, 10); run++) {
      const directory = join(temporaryDirectory(), "data");
      const child = spawn(process.execPath, [programPath("write-until-killed"), directory], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let last = -1;
      createInterface(child.stdout).on("line", (line) => {
        last = Number(line);
        if (last === run * 20) child.kill("SIGTERM");
      });
      expect(await once(child, "close")).toEqual([null, "SIGTERM"]);
      const db = await openStore(directory);
      const found = await db.hasMany(Array.from({ length: last + 1 }, (_, i) => `key:${i}`));
      expect(found).not.toContain(false);
      expect(found.length).toBeGreaterThan(run * 20);
      await db.close();
    }
  },
  RUNS_MS_MAX,
);
