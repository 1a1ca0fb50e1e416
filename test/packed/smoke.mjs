// What an installed crabkv must do at the least, from ES modules: run in a project that has it. Ends with a line of JSON.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { CrabKVError, open, verify } from "crabkv";
import { Keyv5Storage, Keyv6Storage } from "crabkv/keyv";
import { serve } from "crabkv/server";
import unstorageDriver from "crabkv/unstorage";

const folder = isMainThread ? mkdtempSync(join(tmpdir(), "crabkv-smoke-")) : "";
const path = join(folder, "data");

async function embedded() {
  const db = await open(path, { compression: "snappy", valueEncoding: "json", cache: { entries: 10 } });
  await db.putMany(Array.from({ length: 1000 }, (_, i) => ({ key: `k${i}`, value: { i, text: "x".repeat(200) } })));
  await db.put("soon", 1, { ttlMs: 60_000 });
  assert.equal((await db.get("k7")).i, 7);
  assert.ok((await db.ttl("soon")) > 50_000);
  assert.equal(await db.delete("k7"), true);
  await db.compact();
  await assert.rejects(open(path, { shards: 3, errorIfExists: true }), CrabKVError);
  await db.close();
  const again = await open(path, { valueEncoding: "json" });
  let count = 0;
  for await (const [key, value] of again.entries({ prefix: "k" })) {
    assert.equal(value.i, Number(key.slice(1)));
    count++;
  }
  assert.equal(count, 999);
  await again.close();
  assert.deepEqual((await verify(path)).faults, []);
}

async function served() {
  const server = await serve({ dataDir: join(folder, "served"), port: 0 });
  const socket = createConnection(server.address.port);
  socket.end("SET a 1\nINCR a\nGET a\n");
  let replies = "";
  for await (const bytes of socket) replies += bytes;
  assert.equal(replies, "OK\n2\nVALUE 2\n");
  await server.close();
}

// A thread of the same process attaches to the store.
async function inWorker() {
  const db = await open(path);
  const worker = new Worker(new URL(import.meta.url), { workerData: { path } });
  await new Promise((resolve, reject) => worker.once("error", reject).once("exit", resolve));
  assert.equal(await db.get("from"), "a worker");
  await db.close();
}

async function main() {
  try {
    await embedded();
    await served();
    await inWorker();
    for (const exported of [Keyv5Storage, Keyv6Storage, unstorageDriver]) assert.equal(typeof exported, "function");
    console.log(JSON.stringify({ node: process.version, arch: process.arch, passed: true }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (isMainThread) {
  await main();
} else {
  const db = await open(workerData.path);
  await db.put("from", "a worker");
  await db.close();
}
