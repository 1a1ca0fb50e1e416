// Reads values into a cache while the program makes Buffers of its own, as a server does, and says by how many bytes the memory of
// Buffers has grown when all but the cache's is free again: `node --expose-gc cache-memory.mjs <directory> <values>`.
import { open } from "crabkv";

const [directory, values] = [process.argv[2], Number(process.argv[3])];

function held() {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().arrayBuffers;
}

const db = await open(directory, { sync: "os", valueEncoding: "buffer", cache: { entries: values } });
for (let i = 0; i < values; i++) void db.put(`k${i}`, Buffer.alloc(16, i));
await db.flush();
const before = held();
for (let i = 0; i < values; i++) {
  await db.get(`k${i}`);
  for (let replies = 0; replies < 2; replies++) Buffer.from("x".repeat(3000));
}
console.log(JSON.stringify({ entries: db.stats().cacheEntries, grown: held() - before }));
await db.close();
