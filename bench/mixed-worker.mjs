// One thread of the row `mixed`: opens the store, says so, and then puts and gets random keys for so many seconds. Or it does so
// with a Map of its own, which shares nothing with other threads: what the machine itself gives to a second thread.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "../dist/index.js";
import { randomIndexes, valueOf } from "./data.mjs";

const CHUNK = 500;
const { path, keys, worker, withMap } = workerData;

class OwnMap extends Map {
  put(key, value) {
    this.set(key, value);
  }
  getSync(key) {
    return this.get(key);
  }
  close() {}
}

const value = valueOf(worker);
const db = withMap ? new OwnMap(keys.map((key) => [key, value])) : await open(path, { sync: "os" });
const indexes = randomIndexes(1 << 18, keys.length, worker + 1);

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
