// Workers that write to the main thread's store are terminated at any moment; the store goes on.
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { open } from "../../dist/index.js";

const WORKERS = 12;

async function work({ directory, worker }) {
  const db = await open(directory);
  for (let i = 0; ; i++) {
    const writes = [];
    for (let j = 0; j < 20; j++) writes.push(db.put(`worker:${worker}:${i}:${j}`, "x".repeat(100)));
    void db.entries().next();
    await Promise.all(writes);
    parentPort.postMessage(i);
  }
}

async function main(directory) {
  const db = await open(directory);
  const acknowledged = [];
  for (let worker = 0; worker < WORKERS; worker++) {
    const thread = new Worker(new URL(import.meta.url), { workerData: { directory, worker } });
    let last = -1;
    thread.on("message", (i) => (last = i));
    await once(thread, "message");
    await db.put(`main:${worker}`, "value");
    await new Promise((resolve) => setTimeout(resolve, (worker * 7) % 20));
    await thread.terminate();
    acknowledged.push(last);
    await db.put(`main:${worker}:after`, "value");
  }
  for (let worker = 0; worker < WORKERS; worker++) {
    const keys = [`main:${worker}`, `main:${worker}:after`];
    for (let i = 0; i <= acknowledged[worker]; i++) keys.push(`worker:${worker}:${i}:19`);
    const missing = keys.filter((key) => db.getSync(key) === undefined);
    if (missing.length > 0) throw new Error(`lost: ${missing.join(", ")}`);
  }
  await db.close();
  console.log(JSON.stringify(acknowledged));
}

await (isMainThread ? main(process.argv[2]) : work(workerData));
