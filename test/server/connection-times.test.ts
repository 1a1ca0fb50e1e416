// What counts as a client's time, and what does not: the server's own, and what a slow reader needs for what it is sent.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { ConnectionTimes } from "../../src/server/connection-times.js";
import { resolveServeOptions } from "../../src/server/options.js";
import { Client, request, temporaryServer } from "./serving.js";

const MIB = 1024 * 1024;

const options = resolveServeOptions({ dataDir: "unused", port: 0, authTimeoutMs: 1000, requestTimeoutMs: 1000 });

test("after RESET a connection that is old has its time to say the password again", async () => {
  const server = await temporaryServer({ password: "secret", authTimeoutMs: 400 });
  const client = new Client(server.address.port);
  client.say(request("AUTH", "secret"));
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
  await sleep(600);
  client.say(request("RESET"));
  expect(await client.expectReply("+RESET\r\n")).toBe("+RESET\r\n");
  await sleep(200);
  client.say(request("AUTH", "secret"));
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
  client.say(request("RESET"));
  // And no more than that, however often it says RESET.
  const again = setInterval(() => client.say(request("RESET")), 50);
  await client.untilEnded().finally(() => clearInterval(again));
});

/** Takes what comes at so many bytes a millisecond, until the end: how many. */
async function takeSlowly(client: Client, bytesPerMs: number): Promise<number> {
  const { socket } = client;
  let count = 0;
  socket.removeAllListeners("data");
  const over = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("data", ({ length }) => {
    count += length;
    socket.pause();
    setTimeout(() => socket.resume(), length / bytesPerMs);
  });
  socket.resume();
  await over;
  return count;
}

test.each([
  ["QUIT", "+OK\r\n"],
  ["closing its half", ""],
])(
  "who reads slowly gets all replies after %s, though that takes longer than the time for a request",
  async (how, last) => {
    const server = await temporaryServer({ requestTimeoutMs: 400, replyBytesPause: 64 * MIB });
    const value = "v".repeat(16_000_000); // more than what the sockets themselves take
    await server.store.put("k", value);
    const client = new Client(server.address.port);
    client.socket.pause();
    client.say(request("GET", "k"));
    if (how === "QUIT") client.say(request("QUIT"));
    else client.socket.end();
    const expected = `$${value.length}\r\n${value}\r\n${last}`.length;
    expect(await takeSlowly(client, 12_000)).toBe(expected);
  },
);

test("who takes nothing of the rest is let go", async () => {
  const server = await temporaryServer({ requestTimeoutMs: 200, replyBytesPause: 64 * MIB });
  await server.store.put("k", "v".repeat(16_000_000));
  const client = new Client(server.address.port);
  client.socket.pause();
  client.say(Buffer.concat([request("GET", "k"), request("QUIT")]));
  await vi.waitFor(() => expect(server.counters.inputBytes).toBeGreaterThan(0));
  await vi.waitFor(() => expect(server.connections.size).toBe(0), { timeout: 5000 });
});

test("while the server does not read, the rest of a request has time", async () => {
  const server = await temporaryServer({ requestTimeoutMs: 300 });
  const [operator, client] = [new Client(server.address.port), new Client(server.address.port)];
  operator.say(request("CLIENT", "PAUSE", "600", "WRITE"));
  expect(await operator.expectReply("+OK\r\n")).toBe("+OK\r\n");
  const second = request("SET", "b", "x".repeat(100));
  client.say(Buffer.concat([request("SET", "a", "1"), second.subarray(0, 20)]));
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
  await sleep(150);
  client.say(second.subarray(20));
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
});

test("the time for the rest of a request begins anew when it is read on, and ends", () => {
  const times = new ConnectionTimes();
  const now = Date.now();
  const doing = { authenticated: true, reads: true, untaken: 0 };
  times.setMidway(true, false);
  expect(times.isLate(now + 900, options, doing)).toBe(false);
  expect(times.isLate(now + 5000, options, { ...doing, reads: false })).toBe(false);
  expect(times.isLate(now + 5000, options, doing)).toBe(true);
  vi.useFakeTimers({ now: now + 5000 });
  times.readsAgain();
  vi.useRealTimers();
  expect(times.isLate(now + 5900, options, doing)).toBe(false);
  expect(times.isLate(now + 6100, options, doing)).toBe(true);
});
