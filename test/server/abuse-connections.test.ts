// Many connections: idle ones, ones that come and go, more than the process may have files for.
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { amountOf, timeoutFor } from "../seed.js";
import { temporaryDirectory } from "../temporary.js";
import {
  Bystander,
  closed,
  connectMany,
  filesAllowed,
  infoOf,
  memoryCounts,
  MIB,
  quietSocket,
  shownLatency,
  untilClientsAre,
} from "./abuse.js";
import { ServerProcess } from "./server-process.js";
import { Client, request } from "./serving.js";

const dataDir = (): string => join(temporaryDirectory(), "data");

test("10,000 idle clients take a few KiB each, and cost those who work nothing", async () => {
  // The clients are files of this process; the server wants 256 for itself.
  const count = Math.min(amountOf("CRABKV_TEST_IDLE", 10_000, 500), filesAllowed() - 500);
  const server = await ServerProcess.start({
    dataDir: dataDir(),
    flags: ["--sync", "os", "--clients-max", "20000"],
    filesMax: filesAllowed(),
  });
  const bystander = new Bystander(server.port);
  const normal = await bystander.latencyFor(500);
  const before = server.memory().now;
  const idle = await connectMany(server.port, count);
  // Each has been served once: an idle client is one that had something to do.
  await Promise.all(idle.map((socket) => (socket.write(request("PING")), once(socket, "data"))));
  const perClient = (server.memory().now - before) / count;
  const during = await bystander.latencyFor(1500);
  expect(await infoOf(server.port, "connected_clients")).toBe(count + 2);
  console.log(
    `${count} idle clients, ${(perClient / 1024).toFixed(1)} KiB each; beside them ${shownLatency(during)}; before: ${shownLatency(normal)}`,
  );
  if (memoryCounts) expect(perClient).toBeLessThan(40 * 1024);
  for (const socket of idle) socket.destroy();
  await untilClientsAre(server.port, 2);
  await bystander.served();
});

const storm = amountOf("CRABKV_TEST_STORM", 4000, 400);
test(
  "clients that come and go, in every way there is, leave nothing behind",
  { timeout: timeoutFor(storm, 10) },
  async () => {
    const server = await ServerProcess.start({ dataDir: dataDir(), flags: ["--sync", "os"] });
    const bystander = new Bystander(server.port);
    const normal = await bystander.latencyFor(300);
    const leave: ((port: number) => Promise<unknown>)[] = [
      (port) => visited(port, (socket) => socket.end()),
      (port) => visited(port, (socket) => socket.destroy()),
      (port) => visited(port, (socket) => socket.resetAndDestroy()),
      (port) => visited(port, (socket) => socket.end(request("GET", "bystander"))),
      (port) => visited(port, (socket) => (socket.write(request("GET", "bystander")), socket.resetAndDestroy())),
      (port) => visited(port, (socket) => (socket.write("*2\r\n$3\r\nGET\r\n$100\r\nhalf"), socket.destroy())),
      (port) =>
        visited(
          port,
          (socket) => (socket.write(request("MULTI")), socket.write(request("WATCH", "a")), socket.destroy()),
        ),
      (port) => visited(port, (socket) => socket.write(request("QUIT"))),
    ];
    const storming = async (): Promise<void> => {
      const AT_A_TIME = 100;
      for (let done = 0; done < storm; done += AT_A_TIME) {
        await Promise.all(Array.from({ length: AT_A_TIME }, (_, i) => leave[i % leave.length]!(server.port)));
      }
    };
    const during = await bystander.latencyDuring(storming);
    await untilClientsAre(server.port, 2);
    const before = server.memory().now;
    for (let i = 0; i < 10; i++) await Promise.all(leave.map((way) => way(server.port)));
    console.log(`beside ${storm} clients that came and went: ${shownLatency(during)}; before: ${shownLatency(normal)}`);
    await untilClientsAre(server.port, 2);
    if (memoryCounts) expect(server.memory().now - before).toBeLessThan(20 * MIB);
  },
);

async function visited(port: number, leave: (socket: ReturnType<typeof quietSocket>) => unknown): Promise<void> {
  const socket = quietSocket(port);
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  leave(socket);
  await closed(socket);
}

test("with few files, those who are in stay in and are served; there is room again when others leave", async () => {
  const server = await ServerProcess.start({
    dataDir: dataDir(),
    flags: ["--sync", "os", "--segment-bytes", "1MiB"],
    filesMax: 300,
  });
  const bystander = new Bystander(server.port);
  await bystander.served();
  const writer = new Client(server.port);
  writer.say(request("PING"));
  expect(await writer.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  const others = Array.from({ length: 500 }, () => quietSocket(server.port));
  // Meanwhile the log needs new segments.
  for (let i = 0; i < 60; i++) {
    writer.say(request("SET", `big:${i}`, Buffer.alloc(100_000)));
    expect(await writer.expectReply("+OK\r\n")).toBe("+OK\r\n");
  }
  const late = new Client(server.port);
  expect(await late.untilEnded()).toBe("-ERR max number of clients reached\r\n");
  await bystander.served();
  for (const socket of others) socket.destroy();
  await untilClientsAre(server.port, 3);
  expect(server.hasEnded).toBe(false);
  expect(await infoOf(server.port, "segments")).toBeGreaterThan(4);
  await bystander.served();
  expect(await server.end("SIGTERM")).toBe(0);
});
