// What people put between their code and a Redis client: sessions of express (connect-redis), Keyv (@keyv/redis).
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { RedisStore } from "connect-redis";
import session from "express-session";
import KeyvRedis, { Keyv } from "@keyv/redis";
import { createClient } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { collect } from "../../temporary.js";
import { temporaryServer } from "../serving.js";

async function connected(port: number) {
  const client = createClient({ RESP: 3, socket: { host: "127.0.0.1", port } });
  client.on("error", () => undefined);
  await client.connect();
  onTestFinished(() => client.close());
  return client;
}

/** Says how often this session's browser has asked; `/end` forgets it. */
function counter(request: IncomingMessage, response: ServerResponse): void {
  const { session: own } = request as unknown as { session: session.Session & { views?: number } };
  if (request.url === "/end") {
    own.destroy(() => response.end("ended"));
    return;
  }
  own.views = (own.views ?? 0) + 1;
  response.end(String(own.views));
}

test("express-session keeps its sessions here, through connect-redis", async () => {
  const server = await temporaryServer();
  const store = new RedisStore({ client: await connected(server.address.port), prefix: "sess:", ttl: 1000 });
  const withSession = session({ store, secret: "quiet", resave: false, saveUninitialized: false });
  const web = createServer((request, response) => {
    withSession(request as never, response as never, () => counter(request, response));
  });
  onTestFinished(() => void web.close());
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const { port } = web.address() as AddressInfo;
  let cookie = "";
  const ask = async (path = "/"): Promise<string> => {
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie } });
    cookie ||= (reply.headers.get("set-cookie") ?? "").split(";")[0]!;
    return reply.text();
  };
  expect([await ask(), await ask(), await ask()]).toEqual(["1", "2", "3"]);
  const [key] = await collect(server.store.keys({ prefix: "sess:" }));
  expect(await server.store.get(key!)).toContain('"views":3');
  expect(await server.store.ttl(key!)).toBeGreaterThan(900_000);
  expect(((await store.all()) as { views: number }[]).map(({ views }) => views)).toEqual([3]);
  expect([await store.length(), ((await store.ids()) as string[]).length]).toEqual([1, 1]);
  expect(await ask("/end")).toBe("ended");
  expect(await store.length()).toBe(0);
  await store.clear();
});

test("Keyv keeps its values here, with namespaces and times to live", async () => {
  const server = await temporaryServer();
  const url = `redis://127.0.0.1:${server.address.port}`;
  const users = new Keyv(new KeyvRedis(url), { namespace: "users" });
  const jobs = new Keyv(new KeyvRedis(url), { namespace: "jobs" });
  onTestFinished(async () => {
    await users.disconnect();
    await jobs.disconnect();
  });
  expect(await users.set("1", { name: "crab", tags: ["a"] })).toBe(true);
  expect(await users.get("1")).toEqual({ name: "crab", tags: ["a"] });
  expect(await jobs.get("1")).toBeUndefined();
  await users.set("short", "lived", 60_000);
  const keys = await collect(server.store.keys());
  expect(await server.store.ttl(keys.find((key) => key.endsWith("short"))!)).toBeGreaterThan(30_000);
  await jobs.setMany(Array.from({ length: 2500 }, (_, i) => ({ key: `${i}`, value: i })));
  expect(await jobs.getMany(["0", "2499", "none"])).toEqual([0, 2499, undefined]);
  expect(await jobs.hasMany(["0", "none"])).toEqual([true, false]);
  let count = 0;
  for await (const [key, value] of jobs.iterator!("jobs") as AsyncIterable<[string, number]>) {
    expect(key).toBe(String(value));
    count++;
  }
  expect(count).toBe(2500);
  expect(await jobs.delete("0")).toBe(true);
  await jobs.clear();
  expect(await jobs.get("2499")).toBeUndefined();
  expect(await users.get("1")).toBeDefined();
});
