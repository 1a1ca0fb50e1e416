// Opens and closes a store many times, with work in between, and then as many times again, and says what the process holds after
// the second half that it did not hold after the first, in which the allocator finds its size:
// `node --expose-gc open-and-close.mjs <directory> <times>`. Linux.
import { readdirSync } from "node:fs";
import { open } from "crabkv";

const [directory, times] = [process.argv[2], Number(process.argv[3])];

async function once(i) {
  const options = { cache: i % 2 === 0 && { entries: 100 }, writeBack: i % 3 === 0, shards: 1 + (i % 20), sync: "os" };
  const db = await open(directory, options);
  const other = i % 5 === 0 ? await open(directory, { ...options, cache: false }) : undefined;
  await db.put("k", "value", { ttlMs: 3_600_000 });
  await db.putMany([{ key: `key:${i % 50}`, value: "x".repeat(1000) }]);
  await db.increment("count");
  await db.get(`key:${i % 50}`);
  for await (const key of db.keys({ limit: 10 })) if (key === "none") return;
  const watch = db.watch();
  if (i % 4 === 0) await watch.return();
  if (i % 2 === 0) await db.close();
  void other?.put("left", "behind");
  await Promise.all([db.close(), other?.close()]);
}

function held() {
  globalThis.gc();
  globalThis.gc();
  const [fds, threads] = ["fd", "task"].map((name) => readdirSync(`/proc/self/${name}`).length);
  return { fds, threads, rss: process.memoryUsage.rss() };
}

for (let i = 0; i < times; i++) await once(i);
const before = held();
for (let i = 0; i < times; i++) await once(i);
const after = held();
console.log(JSON.stringify(Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]))));
