// A connection ends after its last reply, whatever the session was waiting for when the end came.
import { expect, onTestFinished, test, vi } from "vitest";
import { Deferred } from "../../src/commits.js";
import { native } from "../../src/native.js";
import { unhandledRejections } from "../unhandled-rejections.js";
import { Client, request, temporaryServer } from "./serving.js";

const walk = request("KEYS", "*");
const sleep = request("DEBUG", "SLEEP", "0.05");
const quit = request("QUIT");
const none = "*0\r\n";

test.each<[name: string, said: Buffer, replies: string]>([
  ["QUIT behind a walk over all keys", Buffer.concat([walk, quit]), `${none}+OK\r\n`],
  ["QUIT behind a command of TypeScript's that takes a while", Buffer.concat([sleep, quit]), "+OK\r\n+OK\r\n"],
  [
    "a bad request behind a walk",
    Buffer.concat([walk, Buffer.from("*x\r\n")]),
    `${none}-ERR Protocol error: invalid multibulk length\r\n`,
  ],
  [
    "QUIT behind more than a turn's work",
    Buffer.concat([...Array.from({ length: 5000 }, () => request("PING")), quit]),
    `${"+PONG\r\n".repeat(5000)}+OK\r\n`,
  ],
])("%s ends the connection, also when the client has said all that it will", async (_name, said, replies) => {
  const server = await temporaryServer({ enableDebug: true });
  for (const halfClosed of [false, true]) {
    const client = new Client(server.address.port);
    client.say(said);
    if (halfClosed) client.socket.end();
    expect(await client.untilEnded()).toBe(replies);
  }
  while (server.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("QUIT behind a command that CLIENT PAUSE held ends the connection", async () => {
  const server = await temporaryServer();
  const [operator, client] = [new Client(server.address.port), new Client(server.address.port)];
  operator.say(request("CLIENT", "PAUSE", "100000", "WRITE"));
  expect(await operator.expectReply("+OK\r\n")).toBe("+OK\r\n");
  client.say(Buffer.concat([request("PING"), request("SET", "a", "1"), quit]));
  expect(await client.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  operator.say(request("CLIENT", "UNPAUSE"));
  expect(await client.untilEnded()).toBe("+OK\r\n+OK\r\n");
});

test("a message to a connection that ends takes nothing of its replies away", async () => {
  const server = await temporaryServer({ replyBytesPause: 64 * 1024 * 1024 });
  const value = "v".repeat(16_000_000); // more than what the sockets themselves take
  await server.store.put("k", value);
  const [client, publisher] = [new Client(server.address.port), new Client(server.address.port)];
  const subscribed = ">3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n";
  client.say(Buffer.concat([request("HELLO", "3"), request("SUBSCRIBE", "ch")]));
  await vi.waitFor(() => expect(client.received.endsWith(subscribed)).toBe(true));
  await client.receive();
  client.socket.pause();
  client.say(Buffer.concat([request("GET", "k"), quit]));
  await vi.waitFor(() => {
    expect([...server.connections.values()].some(({ socket }) => socket.writableEnded)).toBe(true);
  });
  publisher.say(request("PUBLISH", "ch", "message"));
  expect(await publisher.expectReply(":1\r\n")).toBe(":1\r\n");
  client.socket.resume();
  const replies = `$${value.length}\r\n${value}\r\n+OK\r\n`;
  expect((await client.untilEnded()) === replies).toBe(true);
});

test("closing the store beneath a server leaves no client waiting for its commit group, nor the server for the client", async () => {
  onTestFinished(() => void vi.restoreAllMocks());
  const server = await temporaryServer({ sync: "always", drainMs: 3_600_000 });
  const client = new Client(server.address.port);
  // The log's writer is not woken, so the reply waits until the store closes.
  const kick = vi.spyOn(native, "kick").mockImplementation(() => undefined);
  client.say(request("SET", "k", "v"));
  await vi.waitFor(() => expect(kick).toHaveBeenCalled());
  kick.mockRestore();
  await server.store.close();
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
  await server.close();
  expect(await client.untilEnded()).toBe("");
});

test("closing the store beneath a server while a hook waits ends the client, and nothing else", async () => {
  const unhandled = unhandledRejections();
  const server = await temporaryServer();
  const [entered, go] = [new Deferred<undefined>(), new Deferred<undefined>()];
  server.use({ commands: ["SET"] }, async (_context, next) => {
    entered.resolve(undefined);
    await go.promise;
    return next();
  });
  const client = new Client(server.address.port);
  client.say(request("SET", "k", "v"));
  await entered.promise;
  await server.store.close();
  go.resolve(undefined);
  await client.untilEnded();
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});
