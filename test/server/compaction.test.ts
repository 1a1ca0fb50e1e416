// COMPACT and BGREWRITEAOF over TCP: what they answer, that others do not wait for them, and what INFO tells meanwhile.
import { expect, test } from "vitest";
import type { Store } from "../../src/index.js";
import type { Server } from "../../src/server/index.js";
import { temporaryStore } from "../temporary.js";
import { Client, request, temporaryServer } from "./serving.js";

/** Writes every key so many times; a key of each round stays, so that compaction has to read all of it. */
async function overwrite(store: Store<string, string>, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const value = `${round} `.padEnd(2048, "v");
    const records = Array.from({ length: 2000 }, (_, i) => ({ key: `k${i}`, value }));
    await store.putMany([...records, { key: `lasting${round}`, value }]);
  }
}

/** A server on 80 MB of which 4 are live, and a client of it. */
async function servingDeadBytes(ioShare: number): Promise<{ server: Server; client: Client }> {
  const store = await temporaryStore({ segmentBytes: 1 << 20, compaction: { auto: false, ioShare } });
  const server = await temporaryServer({ store });
  await overwrite(store, 20);
  return { server, client: new Client(server.address.port) };
}

async function answer(client: Client, said: string | Buffer, expected: string): Promise<void> {
  client.say(said);
  expect(await client.expectReply(expected)).toBe(expected);
}

/** The fields of INFO persistence, over a connection of its own. */
async function persistenceOf(server: Server): Promise<Record<string, string>> {
  const client = new Client(server.address.port);
  client.say(Buffer.concat([request("INFO", "persistence"), request("QUIT")]));
  const lines = (await client.untilEnded()).split("\r\n").map((line) => line.split(":"));
  return Object.fromEntries(lines.filter((parts) => parts.length === 2)) as Record<string, string>;
}

const STARTED = "+Background append only file rewriting started\r\n";
const IN_PROGRESS = "-ERR Background append only file rewriting already in progress\r\n";

test("COMPACT answers when the space is back", async () => {
  const { server, client } = await servingDeadBytes(1);
  const before = server.store.stats().logBytes;
  await answer(client, "COMPACT\nGET k1999\n", `OK\nVALUE ${"19 ".padEnd(2048, "v")}\n`);
  const { logBytes, compactions } = server.store.stats();
  expect(logBytes).toBeLessThan(before / 4);
  const persistence = await persistenceOf(server);
  expect(persistence).toMatchObject({ aof_rewrite_in_progress: "0", aof_last_bgrewrite_status: "ok" });
  expect(persistence.aof_rewrites).toBe(String(compactions));
  expect(Number(persistence.compaction_dropped_records)).toBeGreaterThanOrEqual(30_000);
});

test("the others do not wait for a COMPACT, and closing gives it up and says so", async () => {
  const { server, client } = await servingDeadBytes(0.01);
  client.say("COMPACT\nGET k1\n");
  const other = new Client(server.address.port);
  for (let i = 0; i < 100; i++) {
    await answer(other, Buffer.concat([request("SET", "n", String(i)), request("INCR", "n")]), `+OK\r\n:${i + 1}\r\n`);
  }
  expect(await persistenceOf(server)).toMatchObject({ aof_rewrite_in_progress: "1" });
  expect(client.received).toBe("");
  await server.close();
  expect(await client.untilEnded()).toMatch(/^ERR the server is closing\n/);
});

test("BGREWRITEAOF starts a compaction, and refuses a second one at a time", async () => {
  const { server, client } = await servingDeadBytes(0.01);
  await answer(client, request("BGREWRITEAOF"), STARTED);
  expect(await persistenceOf(server)).toMatchObject({ aof_rewrite_in_progress: "1", aof_last_bgrewrite_status: "ok" });
  await answer(client, request("bgrewriteaof"), IN_PROGRESS);
  await answer(client, request("BGREWRITEAOF", "x"), "-ERR wrong number of arguments for 'bgrewriteaof' command\r\n");
  await answer(client, request("GET", "none"), "$-1\r\n");
});

test("BGREWRITEAOF compacts in the background, also as part of a transaction", async () => {
  const { server, client } = await servingDeadBytes(1);
  const before = server.store.stats().logBytes;
  const words = [["MULTI"], ["SET", "a", "1"], ["BGREWRITEAOF"], ["EXEC"]];
  const replies = `+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n${STARTED}`;
  await answer(client, Buffer.concat(words.map((command) => request(...command))), replies);
  while ((await persistenceOf(server)).aof_rewrite_in_progress === "1") {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(await persistenceOf(server)).toMatchObject({ aof_last_bgrewrite_status: "ok" });
  expect(server.store.stats().logBytes).toBeLessThan(before / 4);
});

test("many who ask for a COMPACT meanwhile share the next one, which has all that died by then", async () => {
  const { server, client } = await servingDeadBytes(0.2);
  let runs = 0;
  const { store } = server;
  const compact = store.compact.bind(store);
  Object.defineProperty(store, "compact", {
    value: (...args: Parameters<typeof compact>) => (runs++, compact(...args)),
  });
  client.say("COMPACT\n");
  // On a busy machine it may be over before anybody looks.
  while (!server.compactions.inProgress && client.received === "")
    await new Promise((resolve) => setImmediate(resolve));
  await overwrite(store, 1);
  const others = Array.from({ length: 20 }, () => new Client(server.address.port));
  await Promise.all(others.map((other) => answer(other, "COMPACT\n", "OK\n")));
  expect(await client.expectReply("OK\n")).toBe("OK\n");
  expect(runs).toBeLessThanOrEqual(3);
  const { logBytes, liveBytes } = store.stats();
  expect(logBytes).toBeLessThan(1.5 * liveBytes + (2 << 20));
});

test("HELP and COMMAND know both, and RESP has them, too", async () => {
  const server = await temporaryServer();
  const person = new Client(server.address.port);
  person.say("HELP\nQUIT\n");
  const help = await person.untilEnded();
  expect(help).toMatch(/^COMPACT \[JSON\] +give back the space of what is dead$/m);
  expect(help).toMatch(/^BGREWRITEAOF +start a compaction/m);
  const program = new Client(server.address.port);
  program.say(
    Buffer.concat([
      request("COMMAND", "INFO", "bgrewriteaof"),
      request("COMPACT"),
      request("COMPACT", "x"),
      request("COMPACT", "json"),
      request("QUIT"),
    ]),
  );
  const told = await program.untilEnded();
  expect(told).toContain("+admin\r\n+noscript\r\n");
  expect(told).toMatch(/\+OK\r\n-ERR syntax error\r\n\$\d+\r\n\{"compactions":\d/);
});
