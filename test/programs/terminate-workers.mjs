// Workers with commits in flight are terminated, at any moment, many times; the store of the main thread goes on, and nothing stays
// behind: `node terminate-workers.mjs <directory> <terminations>`. Says what it counted, as one line of JSON.
import { readdirSync } from "node:fs";
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { open } from "crabkv";

/** How many workers live at a time. */
const LIVE = 2;
const PUTS = 20;

async function work({ directory, worker }) {
  const db = await open(directory, { cache: worker % 2 === 0 && { entries: 50 } });
  for (let i = 0; ; i++) {
    const writes = [db.increment("count"), db.batch([{ type: "put", key: `batch:${worker}`, value: String(i) }])];
    for (let j = 0; j < PUTS; j++) writes.push(db.put(`put:${worker % 100}:${j}`, `${worker}:${i}`));
    void db.entries().next();
    void db.getMany(["count", `put:${worker % 100}:0`]);
    void db.flush();
    await Promise.all(writes);
    parentPort.postMessage(i);
  }
}

/** 0 where the system does not say. */
const threadsNow = () => (process.platform === "linux" ? readdirSync("/proc/self/task").length : 0);

/** Terminates one worker some time after it has begun. Resolves with the round that it had acknowledged last. */
async function terminateOne(directory, worker) {
  const thread = new Worker(new URL(import.meta.url), { workerData: { directory, worker } });
  let last = -1;
  thread.on("message", (i) => (last = i));
  // Some before they have written, or even opened, anything.
  if (worker % 7 !== 0) await once(thread, "message");
  const pauses = worker % 5;
  for (let i = 0; i < pauses; i++) await new Promise((resolve) => setImmediate(resolve));
  await thread.terminate();
  return last;
}

/**
 * Opens the store anew. A terminated worker lets go of it on another thread, soon after; until then it is open, and an opening with
 * other options is refused.
 */
async function openFree(directory) {
  for (let left = 500; ; left--) {
    try {
      return await open(directory, { sync: "os" });
    } catch (error) {
      if (error.code !== "CRABKV_OPTIONS_DIFFER" || left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function main(directory, terminations) {
  await (await open(directory)).close();
  const threads = threadsNow();
  const db = await open(directory);
  const start = performance.now();
  let begun = 0;
  let rounds = 0;
  const loop = async () => {
    while (begun < terminations) {
      const worker = begun++;
      const last = await terminateOne(directory, worker);
      rounds += last + 1;
      await db.put(`main:${worker}`, "value");
      const kept = last < 0 ? "0" : await db.get(`batch:${worker}`);
      if (!(Number(kept) >= last)) throw new Error(`worker ${worker} lost ${last}: ${kept}`);
    }
  };
  await Promise.all(Array.from({ length: LIVE }, loop));
  for (let worker = 0; worker < terminations; worker++)
    if (db.getSync(`main:${worker}`) !== "value") throw new Error(`main:${worker} is lost`);
  // An increment that was acknowledged is counted; one in flight may be.
  const count = Number(await db.get("count"));
  if (count < rounds) throw new Error(`${rounds} increments were acknowledged, ${count} are there`);
  await db.close();
  const again = await openFree(directory);
  const { cleanOpen } = again.stats();
  await again.close();
  // What a terminated worker left to a thread of the process ends soon.
  for (let i = 0; i < 200 && threadsNow() > threads; i++) await new Promise((resolve) => setTimeout(resolve, 20));
  const seconds = (performance.now() - start) / 1000;
  console.log(
    JSON.stringify({ terminations, rounds, count, cleanOpen, threads: Math.max(0, threadsNow() - threads), seconds }),
  );
}

await (isMainThread ? main(process.argv[2], Number(process.argv[3])) : work(workerData));
