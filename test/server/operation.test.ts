// What clients do to each other and to the server: CLIENT PAUSE, KILL and REPLY, SHUTDOWN, SLOWLOG, DEBUG.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SlowCommands } from "../../src/server/slow-commands.js";
import { cleanEnv, cliPath } from "../run-program.js";
import { openStore, temporaryDirectory, temporaryStore } from "../temporary.js";
import { startRedis } from "./redis-server.js";
import { Client, request, temporaryServer } from "./serving.js";
import { expectSame } from "./side-by-side.js";
import type { Step } from "./side-by-side.js";

const bytesOf = (lines: readonly string[]): Buffer => Buffer.concat(lines.map((line) => request(...line.split(" "))));

async function expectReplies(client: Client, lines: readonly string[], replies: string): Promise<void> {
  client.say(bytesOf(lines));
  expect(await client.expectReply(replies)).toBe(replies);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const servers: Record<string, () => Promise<number>> = {
  crabkv: async () => (await temporaryServer()).address.port,
  "redis-server": () => startRedis(),
};

test.each(Object.entries(servers))("CLIENT PAUSE WRITE: writes wait, reads go on (%s)", async (_name, start) => {
  const port = await start();
  const [operator, writer, reader] = [new Client(port), new Client(port), new Client(port)];
  await expectReplies(operator, ["SET k a", "CLIENT PAUSE 100000 WRITE"], "+OK\r\n+OK\r\n");
  writer.say(bytesOf(["GET k", "SET k b", "GET k", "PING"]));
  expect(await writer.expectReply("$1\r\na\r\n")).toBe("$1\r\na\r\n");
  // A shorter or milder pause changes nothing.
  await expectReplies(operator, ["CLIENT PAUSE 1 WRITE", "PING"], "+OK\r\n+PONG\r\n");
  const transaction = ["MULTI", "GET k", "EXEC", "GET k", "NOPE", "SET k"];
  const refused = "-ERR unknown command 'NOPE', with args beginning with: \r\n";
  const wrong = "-ERR wrong number of arguments for 'set' command\r\n";
  const answers = `+OK\r\n+QUEUED\r\n*1\r\n$1\r\na\r\n$1\r\na\r\n${refused}${wrong}`;
  await expectReplies(reader, transaction, answers);
  await sleep(50);
  expect(writer.received).toBe("");
  await expectReplies(operator, ["CLIENT UNPAUSE"], "+OK\r\n");
  expect(await writer.expectReply("+OK\r\n$1\r\nb\r\n+PONG\r\n")).toBe("+OK\r\n$1\r\nb\r\n+PONG\r\n");
});

test.each(Object.entries(servers))("CLIENT PAUSE ALL: everybody waits, for so long (%s)", async (_name, start) => {
  const port = await start();
  const [operator, other] = [new Client(port), new Client(port)];
  await expectReplies(operator, ["CLIENT PAUSE 300"], "+OK\r\n");
  const since = performance.now();
  other.say(bytesOf(["NOPE", "GET k", "PING"]));
  const unknown = "-ERR unknown command 'NOPE', with args beginning with: \r\n";
  expect(await other.expectReply(unknown)).toBe(unknown);
  expect(await other.expectReply("$-1\r\n+PONG\r\n")).toBe("$-1\r\n+PONG\r\n");
  expect(performance.now() - since).toBeGreaterThan(150);
});

test("a transaction that writes waits at its first write, or at EXEC when the pause came later", async () => {
  const server = await temporaryServer();
  const [operator, early, late] = [0, 0, 0].map(() => new Client(server.address.port)) as [Client, Client, Client];
  await expectReplies(early, ["MULTI", "SET k a"], "+OK\r\n+QUEUED\r\n");
  await expectReplies(operator, ["CLIENT PAUSE 100000 WRITE"], "+OK\r\n");
  early.say(bytesOf(["EXEC"]));
  await expectReplies(late, ["MULTI", "GET k"], "+OK\r\n+QUEUED\r\n");
  late.say(bytesOf(["SET k b", "EXEC"]));
  await sleep(50);
  expect([early.received, late.received]).toEqual(["", ""]);
  await expectReplies(operator, ["GET k", "CLIENT UNPAUSE"], "$-1\r\n+OK\r\n");
  expect(await early.expectReply("*1\r\n+OK\r\n")).toBe("*1\r\n+OK\r\n");
  const replies = "+QUEUED\r\n*2\r\n$1\r\na\r\n+OK\r\n";
  expect(await late.expectReply(replies)).toBe(replies);
});

test("a server that closes ends a pause, and what waited is answered", async () => {
  const server = await temporaryServer();
  const [operator, writer] = [new Client(server.address.port), new Client(server.address.port)];
  await expectReplies(operator, ["CLIENT PAUSE 100000"], "+OK\r\n");
  writer.say(bytesOf(["SET k v"]));
  await sleep(50);
  await server.close();
  expect(await writer.untilEnded()).toBe("+OK\r\n");
});

test("of the options of CLIENT KILL the last of each kind counts", async () => {
  const steps: Step[] = [
    ["a", "PING"],
    ["b", "CLIENT", "KILL", "TYPE", "normal", "ADDR", "1.2.3.4:5", "TYPE", "pubsub"],
    ["b", "CLIENT", "KILL", "TYPE", "normal", "TYPE", "nope"],
    ["b", "CLIENT", "KILL", "SKIPME", "no", "TYPE", "pubsub", "SKIPME", "yes", "TYPE", "normal"],
  ];
  await expectSame(steps);
});

test("CLIENT KILL ends the connections that it names, its own after the reply", async () => {
  const server = await temporaryServer();
  const { port } = server.address;
  const [killer, byId, byAddress, paused] = [0, 0, 0, 0].map(() => new Client(port)) as [
    Client,
    Client,
    Client,
    Client,
  ];
  await expectReplies(killer, ["CLIENT ID"], ":1\r\n");
  await expectReplies(byId, ["CLIENT ID"], ":2\r\n");
  await expectReplies(byAddress, ["CLIENT ID"], ":3\r\n");
  await expectReplies(paused, ["CLIENT ID", "CLIENT PAUSE 100000 WRITE"], ":4\r\n+OK\r\n");
  paused.say(bytesOf(["SET k v"]));
  const { localPort } = byAddress.socket;
  await expectReplies(killer, ["CLIENT KILL ID 2", `CLIENT KILL 127.0.0.1:${localPort}`], ":1\r\n+OK\r\n");
  await Promise.all([byId.untilEnded(), byAddress.untilEnded()]);
  await expectReplies(killer, ["CLIENT KILL TYPE normal", "CLIENT UNPAUSE"], ":1\r\n+OK\r\n");
  expect(await paused.untilEnded()).toBe("");
  killer.say(bytesOf(["MULTI", "SET k w", "CLIENT KILL ID 1 SKIPME no", "GET k", "EXEC", "SET k x"]));
  expect(await killer.untilEnded()).toBe(`+OK\r\n${"+QUEUED\r\n".repeat(3)}*3\r\n+OK\r\n:1\r\n$1\r\nw\r\n`);
  expect(await server.store.get("k")).toBe("w");
});

test("CLIENT REPLY OFF leaves errors out, too, and concerns one client", async () => {
  const server = await temporaryServer();
  const [silent, other] = [new Client(server.address.port), new Client(server.address.port)];
  silent.say(bytesOf(["CLIENT REPLY OFF", "SET k v", "NOPE", "GET k"]));
  while ((await server.store.get("k")) !== "v") await sleep(5);
  await expectReplies(other, ["GET k"], "$1\r\nv\r\n");
  await expectReplies(silent, ["CLIENT REPLY ON", "GET k"], "+OK\r\n$1\r\nv\r\n");
});

test("SHUTDOWN answers what came before, ends everybody's connection and the server", async () => {
  const store = await temporaryStore();
  const server = await temporaryServer({ store });
  const [client, other] = [new Client(server.address.port), new Client(server.address.port)];
  await expectReplies(other, ["PING"], "+PONG\r\n");
  client.say(bytesOf(["SET k v", "SHUTDOWN NOSAVE NOW", "SET k w"]));
  await server.ended;
  expect(await client.untilEnded()).toBe("+OK\r\n");
  expect(await other.untilEnded()).toBe("");
  expect(await store.get("k")).toBe("v");
});

test("crabkv serve exits with 0 after SHUTDOWN, with all that was written, and takes --enable-debug", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  const args = ["serve", "--json", "--addr", "127.0.0.1:0", "--data-dir", dataDir, "--enable-debug"];
  const child = spawn(process.execPath, [cliPath, ...args], { env: cleanEnv() });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { listening } = JSON.parse(line.toString()) as { listening: { port: number } };
  const client = new Client(listening.port);
  await expectReplies(client, ["DEBUG SLEEP 0", "SET k v"], "+OK\r\n+OK\r\n");
  client.say(bytesOf(["SHUTDOWN"]));
  expect(await once(child, "exit")).toEqual([0, null]);
  const store = await openStore(dataDir);
  expect(await store.get("k")).toBe("v");
});

test("SLOWLOG tells of what took long, newest first, and never of passwords", async () => {
  const server = await temporaryServer({ enableDebug: true, password: "secret" });
  const client = new Client(server.address.port);
  const wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  await expectReplies(client, ["AUTH wrong", "AUTH secret", "CLIENT SETNAME me"], `${wrong}+OK\r\n+OK\r\n`);
  await expectReplies(client, ["DEBUG SLEEP 0.02", "PING", "DEBUG SLEEP 0.03"], "+OK\r\n+PONG\r\n+OK\r\n");
  await expectReplies(client, ["SLOWLOG LEN", "SLOWLOG GET 0"], ":2\r\n*0\r\n");
  const address = `127.0.0.1:${client.socket.localPort}`;
  const entry =
    `\\*6\r\n:1\r\n:\\d{10}\r\n:\\d{5,}\r\n\\*3\r\n\\$5\r\nDEBUG\r\n\\$5\r\nSLEEP\r\n\\$4\r\n0.03\r\n` +
    `\\$\\d+\r\n${address}\r\n\\$2\r\nme\r\n`;
  client.say(bytesOf(["SLOWLOG GET 1", "SLOWLOG RESET", "SLOWLOG LEN", "ECHO over"]));
  while (!client.received.endsWith("over\r\n")) await once(client.socket, "data");
  expect(client.received).toMatch(new RegExp(`^\\*1\r\n${entry}\\+OK\r\n:0\r\n\\$4\r\nover\r\n$`));
});

test("SLOWLOG keeps the newest 128, with 32 words of 128 bytes, as Redis does", () => {
  const slow = new SlowCommands();
  const connection = { peerAddress: "[::1]:7", name: "n" } as never;
  const words = ["SET", "x".repeat(130), ...Array.from({ length: 38 }, (_, i) => String(i))].map((word) =>
    Buffer.from(word),
  );
  for (let i = 0; i < 130; i++) slow.addIfSlow(performance.now() - 1000, connection, () => words);
  slow.addIfSlow(performance.now(), connection, () => words); // was quick
  expect(slow.length).toBe(128);
  const [newest] = slow.newest(1);
  expect(newest).toMatchObject({ id: 129, address: "[::1]:7", name: "n" });
  expect(newest!.tookMs).toBeGreaterThanOrEqual(1000);
  const shown = newest!.words.map(String);
  expect(shown.length).toBe(32);
  expect(shown[1]).toBe(`${"x".repeat(128)}... (2 more bytes)`);
  expect(shown[31]).toBe("... (9 more arguments)");
  expect(slow.newest(Infinity).at(-1)!.id).toBe(2);
});

test("DEBUG SLEEP holds one connection, not the others", async () => {
  const server = await temporaryServer({ enableDebug: true });
  const [sleeper, other] = [new Client(server.address.port), new Client(server.address.port)];
  sleeper.say(bytesOf(["DEBUG SLEEP 0.3", "PING"]));
  await expectReplies(other, ["SET k v", "GET k"], "+OK\r\n$1\r\nv\r\n");
  expect(sleeper.received).toBe("");
  expect(await sleeper.expectReply("+OK\r\n+PONG\r\n")).toBe("+OK\r\n+PONG\r\n");
});

test("DEBUG OBJECT says how Redis would keep a value, alone and in a transaction", async () => {
  const client = new Client((await temporaryServer({ enableDebug: true })).address.port);
  const told = "+Value at:0x0 refcount:1 encoding:embstr serializedlength:5 lru:0 lru_seconds_idle:0\r\n";
  await expectReplies(client, ["SET k value", "DEBUG OBJECT k"], `+OK\r\n${told}`);
  const transaction = ["MULTI", "SET n 5", "DEBUG OBJECT k", "INCR n", "EXEC"];
  await expectReplies(client, transaction, `+OK\r\n${"+QUEUED\r\n".repeat(3)}*3\r\n+OK\r\n${told}:6\r\n`);
});

test("DEBUG SET-ACTIVE-EXPIRE leaves expired keys where they are, hidden, until it is on again", async () => {
  const server = await temporaryServer({ enableDebug: true });
  const client = new Client(server.address.port);
  await expectReplies(client, ["DEBUG SET-ACTIVE-EXPIRE 0", "SET k v PX 1"], "+OK\r\n+OK\r\n");
  await sleep(700);
  expect(server.store.stats().keys).toBe(1);
  await expectReplies(client, ["GET k", "DEBUG SET-ACTIVE-EXPIRE 1"], "$-1\r\n+OK\r\n");
  while (server.store.stats().keys > 0) await sleep(5);
});
