// Commands that go up to TypeScript, one after the other: other clients have their turn between them, and a client that has yet to
// read waits for that, as with commands that run natively.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { native } from "../../src/native.js";
import type { Server } from "../../src/server/index.js";
import { Client, request, temporaryServer } from "./serving.js";

const MIB = 1024 * 1024;

const repeated = (count: number, ...words: string[]): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => request(...words)));

/** What makes every command go up. */
const reasons: Record<string, (server: Server) => Promise<void>> = {
  "somebody monitors": async ({ address }) => {
    const monitor = new Client(address.port);
    monitor.say(request("MONITOR"));
    expect(await monitor.expectReply("+OK\r\n")).toBe("+OK\r\n");
    monitor.socket.resume();
  },
  "there is a hook": (server) => {
    server.use((_command, next) => next());
    return Promise.resolve();
  },
};

/** Reads all, keeps nothing: resolves with how many bytes came when there are so many, or the end. */
function countBytes(client: Client, expected: number): Promise<number> {
  let count = 0;
  client.socket.removeAllListeners("data");
  return new Promise((resolve) => {
    client.socket.on("data", ({ length }) => {
      count += length;
      if (count >= expected) resolve(count);
    });
    client.socket.on("close", () => resolve(count));
  });
}

test.each(Object.keys(reasons))("while %s, who pipelines much and reads gets all replies", async (reason) => {
  const server = await temporaryServer({ replyBytesMax: 1024 });
  await server.store.put("large", "v".repeat(MIB));
  await reasons[reason]!(server);
  const client = new Client(server.address.port);
  const expected = 100 * `$${MIB}\r\n${"v".repeat(MIB)}\r\n`.length;
  const received = countBytes(client, expected);
  client.say(repeated(100, "GET", "large"));
  expect(await received).toBe(expected);
});

test.each([...Object.keys(reasons), "they are TypeScript's"])(
  "while %s, others have their turn between the commands of one chunk",
  async (reason) => {
    const server = await temporaryServer();
    await reasons[reason]?.(server);
    const client = new Client(server.address.port);
    const count = 5000;
    client.say("CLIENT ID\n".repeat(count));
    let most = 0;
    for (let ran = 0; ran < count;) {
      await new Promise(setImmediate);
      const { commandsUp } = server.counters;
      most = Math.max(most, commandsUp - ran);
      ran = commandsUp;
    }
    expect(most).toBeLessThan(count * 0.9); // a turn has 2048, and one may follow another
    const replies = `${Math.max(...server.connections.keys())}\n`.repeat(count);
    expect((await client.expectReply(replies)) === replies).toBe(true);
  },
);

test("a transaction whose commands go up may take several turns, and others' commands do not get into it", async () => {
  const server = await temporaryServer();
  await reasons["somebody monitors"]!(server);
  const [client, other] = [new Client(server.address.port), new Client(server.address.port)];
  const count = 5000;
  const up = [request("SET", "k", "inside"), repeated(count, "CLIENT", "ID"), request("GET", "k")];
  client.say(Buffer.concat([request("MULTI"), ...up, request("EXEC")]));
  other.say(repeated(count, "SET", "k", "outside"));
  const head = `+OK\r\n${"+QUEUED\r\n".repeat(count + 2)}*${count + 2}\r\n+OK\r\n`;
  expect((await client.expectReply(head)) === head).toBe(true);
  const ids = `:${Math.max(...server.connections.keys()) - 1}\r\n`.repeat(count);
  expect((await client.expectReply(ids)) === ids).toBe(true);
  const last = "$6\r\ninside\r\n";
  expect(await client.expectReply(last)).toBe(last);
  const oks = "+OK\r\n".repeat(count);
  expect((await other.expectReply(oks)) === oks).toBe(true);
});

test("the store may be closed while a pipeline waits for its next turn", async () => {
  const server = await temporaryServer();
  await reasons["somebody monitors"]!(server);
  const client = new Client(server.address.port);
  client.socket.pause();
  client.say(repeated(20_000, "ECHO", "x".repeat(1000)));
  await vi.waitFor(() => expect(server.counters.inputBytes).toBeGreaterThan(100_000));
  await server.store.close();
  client.socket.resume();
  await client.untilEnded();
});

test.each<[what: string, fail: boolean, reply: string]>([
  ["has just ended", false, ""],
  ["is given up for that", true, "-ERR the store is closed\r\n"],
])("the store may be closed while a command walks over its keys, which %s", async (_what, fails, reply) => {
  const server = await temporaryServer();
  const runJob = native.sessionRunJob.bind(native);
  onTestFinished(() => void vi.restoreAllMocks());
  vi.spyOn(native, "sessionRunJob").mockImplementation(async (...session) => {
    await runJob(...session);
    await sleep(20); // what takes less than 10 ms is not looked at again, for SLOWLOG
    await server.store.close();
    if (fails) throw new Error("the store is closed");
  });
  const client = new Client(server.address.port);
  client.say(request("KEYS", "*"));
  expect(await client.untilEnded()).toBe(reply);
});

test("who lets little wait, below the mark of the socket, is read from again", async () => {
  const server = await temporaryServer({ replyBytesPause: 1024 });
  const value = "v".repeat(8000);
  await server.store.put("k", value);
  const client = new Client(server.address.port);
  client.say(request("PING"));
  await client.expectReply("+PONG\r\n");
  const [connection] = server.connections.values();
  client.socket.pause();
  let asked = 0;
  while (connection!.socket.writableLength === 0) {
    client.say(request("GET", "k"));
    asked++;
    await sleep(1);
  }
  const replies = `$${value.length}\r\n${value}\r\n`.repeat(asked);
  client.socket.resume();
  expect((await client.expectReply(replies)) === replies).toBe(true);
  client.say(request("PING"));
  expect(await client.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
});
