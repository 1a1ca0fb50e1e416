// One thread of the row `mixed`: opens the store, says so, and then puts and gets random keys for so many seconds.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "../dist/index.js";
import { randomIndexes, valueOf } from "./data.mjs";

const CHUNK = 500;
const { path, keys, worker } = workerData;
const db = await open(path, { sync: "os" });
const indexes = randomIndexes(1 << 18, keys.length, worker + 1);
const value = valueOf(worker);

async function work(seconds) {
  const endMs = performance.now() + seconds * 1000;
  let done = 0;
  let length = 0;
  while (performance.now() < endMs) {
    let last;
    for (let i = 0; i < CHUNK; i++) {
      last = db.put(keys[indexes[(done + 2 * i) % indexes.length]], value);
      length += db.getSync(keys[indexes[(done + 2 * i + 1) % indexes.length]]).length;
    }
    await last;
    done += 2 * CHUNK;
  }
  if (length !== (done / 2) * value.length) throw new Error("the values read are not those written");
  return done;
}

await work(0.3);
parentPort.once("message", async (seconds) => {
  const done = await work(seconds);
  await db.close();
  parentPort.postMessage(done);
});
parentPort.postMessage("ready");
