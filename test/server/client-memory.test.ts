// The bound on what all connections together hold: whatever makes the server hold memory counts, those that hold the most go, and
// others are served.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { native, SET_TRIM } from "../../src/native.js";
import { temporaryDirectory } from "../temporary.js";
import { Bystander, connectMany, infoOf, memoryCounts, MIB, shownLatency } from "./abuse.js";
import { ReplyReader } from "./reply-reader.js";
import { ServerProcess } from "./server-process.js";
import { Client, request, temporaryServer } from "./serving.js";

const BOUND = 8 * MIB;

/** What makes the server hold a MiB for a client, and more for each one further. */
const hoards: Record<string, (port: number) => Client> = {
  "an unfinished request": (port) => {
    const client = new Client(port);
    client.say(`*2\r\n$4\r\nECHO\r\n$${3 * MIB}\r\n${"x".repeat(MIB)}`);
    return client;
  },
  "many small arguments of one": (port) => {
    const client = new Client(port);
    client.say(`*100000\r\n${"$1\r\nx\r\n".repeat(90_000)}`);
    return client;
  },
  "replies that are not read": (port) => {
    const client = new Client(port);
    client.socket.pause();
    // The sockets' own buffers take some.
    client.say(Buffer.concat(Array.from({ length: 10 }, () => request("ECHO", "x".repeat(MIB)))));
    return client;
  },
  "commands that MULTI has queued": (port) => {
    const client = new Client(port);
    client.say(Buffer.concat([request("MULTI"), request("ECHO", "x".repeat(MIB))]));
    return client;
  },
  "watched keys": (port) => {
    const client = new Client(port);
    client.say(request("WATCH", ...Array.from({ length: 1000 }, (_, i) => `${i}${"k".repeat(1000)}`)));
    return client;
  },
  subscriptions: (port) => {
    const client = new Client(port);
    client.say(request("SUBSCRIBE", ...Array.from({ length: 1000 }, (_, i) => `${i}${"c".repeat(1000)}`)));
    return client;
  },
};

test.each(Object.keys(hoards))("%s of many clients are bounded together", async (name) => {
  const server = await temporaryServer({ clientsBytesMax: BOUND });
  const small = new ReplyReader(server.address.port);
  const ask = async (...words: string[]): Promise<string> => {
    small.socket.write(request(...words));
    return small.next();
  };
  const clients = Array.from({ length: 24 }, () => hoards[name]!(server.address.port));
  await vi.waitFor(() => expect(server.counters.connectionsEvicted).toBeGreaterThan(5), { timeout: 20_000 });
  await vi.waitFor(() => expect(server.counters.connectionsReceived).toBe(25));
  expect(server.clientMemory.bytes).toBeLessThanOrEqual(BOUND);
  expect(await ask("PING")).toBe("+PONG\r\n");
  expect(await ask("INFO", "stats")).toMatch(/evicted_clients:[1-9]/);
  // What they held is let go with them.
  for (const client of clients) client.socket.destroy();
  await vi.waitFor(() => expect(server.connections.size).toBe(1));
  expect(server.clientMemory.bytes).toBeLessThan(4096);
});

test("what a connection holds is counted down again when it is done with it", async () => {
  const server = await temporaryServer();
  const reader = new ReplyReader(server.address.port);
  const ask = async (...words: string[]): Promise<string> => {
    reader.socket.write(request(...words));
    return reader.next();
  };
  await ask("MULTI");
  await ask("ECHO", "x".repeat(100_000));
  expect(server.clientMemory.bytes).toBeGreaterThan(100_000);
  await ask("DISCARD");
  expect(server.clientMemory.bytes).toBe(0);
  await ask("WATCH", "k".repeat(10_000), "l".repeat(10_000));
  expect(server.clientMemory.bytes).toBeGreaterThan(20_000);
  await ask("UNWATCH");
  await ask("ECHO", "x".repeat(3 * MIB));
  expect(server.clientMemory.bytes).toBeLessThan(4096);
  expect(await ask("CLIENT", "LIST")).toContain(" tot-mem=");
  expect(await ask("CONFIG", "GET", "maxmemory-clients")).toContain(String(1024 * MIB));
});

test("the reply of an EXEC so far, what is kept for it, and what it leaves are counted", async () => {
  const server = await temporaryServer({ enableDebug: true });
  await server.store.put("large", "x".repeat(MIB));
  await server.store.putMany(Array.from({ length: 64 }, (_, i) => ({ key: `k${i}`, value: "v".repeat(64_000) })));
  const client = new Client(server.address.port);
  const queue = (...lines: string[]): void =>
    client.say(Buffer.concat(["MULTI", ...lines, "EXEC"].map((line) => request(...line.split(" ")))));
  const answer = "COMMAND GETKEYS MGET " + "k".repeat(MIB);
  queue(answer, "GET large", "DEBUG SLEEP 3600");
  // The name is queued, kept as the answer, and in the reply so far; the value is read, and in the reply.
  await vi.waitFor(() => expect(server.clientMemory.bytes).toBeGreaterThan(5 * MIB));
  server.connections.get(1)!.destroy();
  expect(server.clientMemory.bytes).toBe(0);

  const reader = new ReplyReader(server.address.port);
  const gets = Array.from({ length: 64 }, (_, i) => request("GET", `k${i}`));
  reader.socket.write(Buffer.concat([request("MULTI"), ...gets, request("EXEC")]));
  for (let i = 0; i < 66; i++) await reader.next();
  await vi.waitFor(() => expect(server.connections.values().next().value!.waitingBytes).toBe(0));
  expect(server.clientMemory.bytes).toBeGreaterThan(3 * MIB);
  expect(server.clientMemory.bytes).toBeLessThan(6 * MIB);
  await vi.waitFor(() => expect(server.clientMemory.bytes).toBeLessThan(4096), { timeout: 10_000 });
});

test("a reply that a hook has is counted", async () => {
  const server = await temporaryServer();
  await server.store.put("k", "x".repeat(MIB));
  let goOn: () => void = () => undefined;
  server.use({ commands: ["GET"] }, async (_context, next) => {
    await next();
    await new Promise<void>((resolve) => (goOn = resolve));
  });
  const reader = new ReplyReader(server.address.port);
  reader.socket.write(request("GET", "k"));
  await vi.waitFor(() => expect(server.clientMemory.bytes).toBeGreaterThan(MIB));
  goOn();
  await reader.next();
  await vi.waitFor(() => expect(server.clientMemory.bytes).toBeLessThan(4096));
});

test("a quiet connection gives its buffers back, and goes on where it was", async () => {
  const trim = vi.spyOn(native, "sessionSet");
  onTestFinished(() => void vi.restoreAllMocks());
  const server = await temporaryServer({ requestTimeoutMs: 60_000 });
  const client = new Client(server.address.port);
  client.say(Buffer.concat([request("ECHO", "x".repeat(MIB)), request("WATCH", "k"), request("MULTI")]));
  const replies = `$${MIB}\r\n${"x".repeat(MIB)}\r\n+OK\r\n+OK\r\n`;
  expect((await client.expectReply(replies)) === replies).toBe(true);
  const [get, half] = [request("GET", "k"), 7];
  client.say(Buffer.concat([request("SET", "k", "v"), get.subarray(0, half)]));
  expect(await client.expectReply("+QUEUED\r\n")).toBe("+QUEUED\r\n");
  const times = (): number => trim.mock.calls.filter(([, , property]) => property === SET_TRIM).length;
  await vi.waitFor(() => expect(times()).toBe(1), { timeout: 10_000 });
  client.say(Buffer.concat([get.subarray(half), request("EXEC")]));
  const rest = "+QUEUED\r\n*2\r\n+OK\r\n$1\r\nv\r\n";
  expect(await client.expectReply(rest)).toBe(rest);
  await vi.waitFor(() => expect(times()).toBe(2), { timeout: 10_000 });
  client.say(request("GET", "k"));
  expect(await client.expectReply("$1\r\nv\r\n")).toBe("$1\r\nv\r\n");
});

test("those who asked not to be evicted are ended last, and the bound holds for them, too", async () => {
  const server = await temporaryServer({ clientsBytesMax: BOUND });
  const half = (size: number): string => `*2\r\n$4\r\nECHO\r\n$${size}\r\n${"x".repeat(size - 1)}`;
  const spared = new Client(server.address.port);
  spared.say(request("CLIENT", "NO-EVICT", "ON"));
  expect(await spared.expectReply("+OK\r\n")).toBe("+OK\r\n");
  spared.say(half(3 * MIB));
  await vi.waitFor(() => expect(server.clientMemory.bytes).toBeGreaterThan(3 * MIB));
  const others = Array.from({ length: 8 }, () => new Client(server.address.port));
  for (const other of others) other.say(half(2 * MIB));
  await vi.waitFor(() => expect(server.counters.connectionsEvicted).toBeGreaterThan(3));
  expect(spared.ended).toBe(false);
  spared.socket.destroy();
  const all = Array.from({ length: 8 }, () => new Client(server.address.port));
  const before = server.counters.connectionsEvicted;
  for (const client of all)
    client.say(Buffer.concat([request("CLIENT", "NO-EVICT", "ON"), Buffer.from(half(4 * MIB))]));
  await vi.waitFor(() => expect(server.counters.connectionsEvicted).toBeGreaterThan(before + 4));
  expect(server.clientMemory.bytes).toBeLessThanOrEqual(BOUND);
});

test("many clients with huge halves of requests, and many that never read: memory is bounded, others are served", async () => {
  const flags = ["--sync", "os", "--clients-bytes-max", "64MiB"];
  const server = await ServerProcess.start({ dataDir: join(temporaryDirectory(), "data"), flags });
  const bystander = new Bystander(server.port);
  await bystander.served();
  const before = server.memory().most;
  const half = Buffer.from(`*2\r\n$4\r\nECHO\r\n$${15 * MIB}\r\n${"x".repeat(14 * MIB)}`);
  const said = [half, Buffer.concat(Array.from({ length: 8 }, () => request("ECHO", "x".repeat(4 * MIB))))];
  for (const bytes of said) {
    const sockets = await connectMany(server.port, 40);
    for (const socket of sockets) socket.pause().write(bytes);
    await sleep(1200);
    for (const socket of sockets) socket.destroy();
  }
  expect(await infoOf(server.port, "evicted_clients")).toBeGreaterThan(30);
  const latency = await bystander.latency();
  const growth = (server.memory().most - before) / MIB;
  console.log(
    `40 clients of 14 MiB, then 40 of 32 MiB: memory grew by ${growth.toFixed(0)} MiB; others: ${shownLatency(latency)}`,
  );
  // Twice the bound for buffers that double, one request each in flight, and what a process allocates to run.
  if (memoryCounts) expect(growth).toBeLessThan(350);
});
