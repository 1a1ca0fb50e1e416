// Several threads of one process on one store: nothing is lost, and nobody sees half of a batch.
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { scaled } from "./seed.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const WORKERS = 3;
const ROUNDS = scaled(1600, 160);
const ACCOUNTS = 16;
const EACH = 100;

interface Said {
  moved: number;
  conflicts: number;
  looks: number;
}

test("counters, updates and transfers from several workers lose nothing, and the sum holds at every look", async () => {
  const directory = join(temporaryDirectory(), "data");
  const db = await openStore(directory, { sync: "os", cache: { entries: 100 } });
  const keys = (kind: string) => Array.from({ length: ACCOUNTS }, (_, i) => `${kind}:${i}`);
  const accounts = keys("account");
  const total = ACCOUNTS * EACH;
  await db.putMany([{ key: "open", value: "" }, ...accounts.map((key) => ({ key, value: String(EACH) }))]);
  const program = new URL("programs/transfer.mjs", import.meta.url);
  const all: Said[] = [];
  let running = WORKERS;
  const ended = Array.from({ length: WORKERS }, (_, worker) => {
    const workerData = { directory, worker, rounds: ROUNDS, accounts: ACCOUNTS, total };
    const thread = new Worker(program, { workerData });
    thread.on("message", (said: Said) => all.push(said));
    return new Promise<number>((resolve, reject) => {
      thread.on("error", reject);
      thread.on("exit", resolve);
    }).finally(() => running--);
  });
  let looks = 0;
  for (; running > 0; looks++) {
    const values = looks % 2 === 0 ? await db.getMany(accounts) : db.getManySync(accounts);
    expect(values.reduce((sum, value) => sum + Number(value), 0)).toBe(total);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await Promise.all(ended)).toEqual(Array<number>(WORKERS).fill(0));
  const sumOf = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);
  expect(sumOf((await db.getMany(keys("count"))).map(Number))).toBe(WORKERS * ROUNDS);
  expect(sumOf((await db.getMany(keys("list"))).map((list) => list!.length))).toBe(WORKERS * ROUNDS);
  const conflicts = sumOf(all.map((said) => said.conflicts));
  console.log(`${sumOf(all.map(({ moved }) => moved))} transfers, ${conflicts} conflicts, ${looks} looks here`);
  expect(looks).toBeGreaterThan(10);
  expect(sumOf(all.map(({ moved }) => moved))).toBeGreaterThan(ROUNDS / 2);
}, 120_000);
