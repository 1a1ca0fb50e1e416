// Limits of a real express application, over HTTP, and the store of its counters asked directly.
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import express from "express";
import { rateLimit } from "express-rate-limit";
import type { Options } from "express-rate-limit";
import { expect, test } from "vitest";
import { RateLimitStore } from "../../src/adapters/express-rate-limit.js";
import { collect, temporaryDirectory, temporaryStore } from "../temporary.js";
import { listening } from "./web.js";

function limited(store: RateLimitStore, options: Partial<Options>) {
  const app = express();
  app.use(rateLimit({ store, standardHeaders: "draft-7", legacyHeaders: false, ...options }));
  app.get("/", (_, response) => void response.send("fine"));
  app.get("/fails", (_, response) => void response.status(500).send("failed"));
  return app;
}

function counting(store: RateLimitStore, windowMs: number): RateLimitStore {
  store.init({ windowMs });
  return store;
}

test("of many requests at once exactly the limit get through, and the rest when the client is forgotten", async () => {
  const db = await temporaryStore();
  const store = new RateLimitStore({ store: db });
  const url = await listening(limited(store, { windowMs: 60_000, limit: 20 }));
  const replies = await Promise.all(Array.from({ length: 50 }, () => fetch(url)));
  expect(replies.filter(({ status }) => status === 200).length).toBe(20);
  expect(replies.filter(({ status }) => status === 429).length).toBe(30);
  expect(replies[0]!.headers.get("ratelimit")).toMatch(/^limit=20, remaining=\d+, reset=(60|[1-5]\d)$/);
  const [client] = await collect(db.keys({ prefix: "rate-limit:" }));
  const key = client!.slice("rate-limit:".length);
  const { totalHits, resetTime } = (await store.get(key))!;
  expect(totalHits).toBe(50);
  expect(resetTime!.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
  await store.resetKey(key);
  expect((await fetch(url)).status).toBe(200);
});

test("requests that do not count are taken back", async () => {
  const store = new RateLimitStore({ store: await temporaryStore() });
  const url = await listening(limited(store, { windowMs: 60_000, limit: 2, skipFailedRequests: true }));
  for (let i = 0; i < 5; i++) {
    expect((await fetch(`${url}/fails`)).status).toBe(500);
    // It is taken back after the reply.
    await expect.poll(async () => (await store.get("127.0.0.1"))?.totalHits).toBe(0);
  }
  const statuses = [];
  for (let i = 0; i < 3; i++) statuses.push((await fetch(url)).status);
  expect(statuses).toEqual([200, 200, 429]);
});

test("a window begins with the first hit and ends after windowMs, however many follow", async () => {
  const db = await temporaryStore();
  const store = counting(new RateLimitStore({ store: db, prefix: "a:" }), 600);
  const first = await store.increment("k");
  await sleep(150);
  const second = await store.increment("k");
  expect([first.totalHits, second.totalHits]).toEqual([1, 2]);
  // Told from what was left when each was counted.
  expect(Math.abs(second.resetTime!.getTime() - first.resetTime!.getTime())).toBeLessThan(140);
  await sleep(first.resetTime!.getTime() - Date.now() + 20);
  expect(await store.get("k")).toBeUndefined();
  expect((await store.increment("k")).totalHits).toBe(1);
});

test("a hit is taken back at most to none, and from nobody who has none", async () => {
  const store = counting(new RateLimitStore({ store: await temporaryStore() }), 60_000);
  await store.decrement("k");
  expect(await store.get("k")).toBeUndefined();
  await store.increment("k");
  const { resetTime } = (await store.get("k"))!;
  for (let i = 0; i < 3; i++) await store.decrement("k");
  expect(await store.get("k")).toEqual({ totalHits: 0, resetTime });
  expect((await store.increment("k")).totalHits).toBe(1);
  await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? store.increment("k") : store.decrement("k"))));
  expect((await store.get("k"))!.totalHits).toBeGreaterThanOrEqual(1);
});

test("no hit is lost between worker threads on one store", async () => {
  const dataDir = `${temporaryDirectory()}/counters`;
  const program = `
    import { parentPort, workerData } from "node:worker_threads";
    import { RateLimitStore } from "${new URL("../../dist/adapters/express-rate-limit.js", import.meta.url).href}";
    const store = new RateLimitStore(workerData);
    store.init({ windowMs: 60_000 });
    const hits = await Promise.all(Array.from({ length: 500 }, () => store.increment("k")));
    await store.shutdown();
    parentPort.postMessage(hits.map(({ totalHits }) => totalHits));
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const options = { dataDir, sync: "os" } as const;
  const workers = Array.from({ length: 3 }, () => new Worker(url, { workerData: options }));
  const store = new RateLimitStore(options);
  const seen = await Promise.all(
    workers.map(
      (worker) => new Promise<number[]>((resolve, reject) => worker.on("message", resolve).on("error", reject)),
    ),
  );
  expect((await store.get("k"))!.totalHits).toBe(1500);
  expect(new Set(seen.flat()).size).toBe(1500);
  await store.shutdown();
});

test("limiters with prefixes of their own count apart, and one forgets only its clients", async () => {
  const db = await temporaryStore();
  const [page, login] = ["page:", "login:"].map((prefix) =>
    counting(new RateLimitStore({ store: db, prefix }), 60_000),
  );
  await page!.increment("k");
  await page!.increment("k");
  expect((await login!.increment("k")).totalHits).toBe(1);
  await page!.resetAll();
  expect([await page!.get("k"), (await login!.get("k"))!.totalHits]).toEqual([undefined, 1]);
  const unready = new RateLimitStore({ store: db });
  await expect(unready.increment("k")).rejects.toThrow("init() must be called before");
});
