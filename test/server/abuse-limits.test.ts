// Clients that go to twice of each limit, that do not read, that do not finish, that speak something else. The server answers as it
// promises, its memory stays within what the limits say, and whoever behaves is served all the time.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { randomOf, scaled, testSeed } from "../seed.js";
import { temporaryDirectory } from "../temporary.js";
import { Bystander, closed, memoryCounts, MIB, quietSocket, shownLatency, untilClientsAre } from "./abuse.js";
import { ReplyReader } from "./reply-reader.js";
import { ServerProcess } from "./server-process.js";
import { Client, request } from "./serving.js";

function start(...flags: string[]): Promise<ServerProcess> {
  return ServerProcess.start({ dataDir: join(temporaryDirectory(), "data"), flags: ["--sync", "os", ...flags] });
}

/** The server's memory may have grown by so many MiB at its most, since `before`. */
function expectGrowthBelow(server: ServerProcess, before: number, mib: number): void {
  const growth = (server.memory().most - before) / MIB;
  console.log(`the server's memory grew by ${growth.toFixed(0)} MiB at most; allowed are ${mib}`);
  if (memoryCounts) expect(growth).toBeLessThan(mib);
}

test("twice each limit of a request is refused at the limit, and never allocated", async () => {
  const server = await start("--value-bytes-max", "1MiB", "--key-bytes-max", "1KiB", "--request-bytes-max", "1MiB");
  const bystander = new Bystander(server.port);
  await bystander.served();
  const before = server.memory().most;
  const limits: [what: string, said: string | Buffer, answered: RegExp][] = [
    ["arguments", "*2097152\r\n", /^-ERR Protocol error: invalid multibulk length\r\n$/],
    ["an argument", "*2\r\n$3\r\nGET\r\n$2097152\r\n", /^-ERR Protocol error: invalid bulk length\r\n$/],
    ["a line", "x".repeat(128 * 1024), /^ERR Protocol error: too big inline request\n$/],
    ["a length", `*${"1".repeat(128 * 1024)}`, /^-ERR Protocol error: too big mbulk count string\r\n$/],
    [
      "a length of an argument",
      `*1\r\n$${"1".repeat(128 * 1024)}`,
      /^-ERR Protocol error: too big bulk count string\r\n$/,
    ],
    [
      "a request",
      request("MGET", ...Array.from({ length: 8 }, () => "v".repeat(MIB))),
      /^-ERR Protocol error: too big request/,
    ],
    ["a key", Buffer.concat([request("SET", "k".repeat(2048), "v"), request("QUIT")]), /^-ERR .*\r\n\+OK\r\n$/],
  ];
  for (const [what, said, answered] of limits) {
    const client = new Client(server.port);
    client.say(said);
    expect(await client.untilEnded(), what).toMatch(answered);
  }
  await bystander.served();
  // One request of 3 MiB, in chunks, and what a process allocates to run.
  expectGrowthBelow(server, before, 60);
});

test("twice each limit of a transaction, of watched keys and of a reply is an error", async () => {
  const server = await start("--value-bytes-max", "1MiB", "--reply-bytes-max", "1MiB");
  const [reader, bystander] = [new ReplyReader(server.port), new Bystander(server.port)];
  const ask = async (...words: string[]): Promise<string> => {
    reader.socket.write(request(...words));
    return reader.next();
  };
  const keys = Array.from({ length: 2 * 65_536 }, (_, i) => `w${i}`);
  const parts = keys.map((key) => `$${key.length}\r\n${key}\r\n`);
  reader.socket.write(`*${keys.length + 1}\r\n$5\r\nWATCH\r\n${parts.join("")}`);
  expect(await reader.next()).toMatch(/^-ERR /);
  expect(await ask("SET", "large", "v".repeat(MIB))).toBe("+OK\r\n");
  expect(await ask("MGET", ...Array.from({ length: 8 }, () => "large"))).toMatch(/^-ERR the reply/);
  expect(await ask("APPEND", "large", "v".repeat(MIB))).toMatch(/^-ERR string exceeds maximum allowed size/);
  expect(await ask("SETRANGE", "large", String(2 * MIB), "x")).toMatch(/^-ERR string exceeds maximum allowed size/);
  expect(await ask("SETBIT", "large", String(16 * MIB), "1")).toMatch(/^-ERR bit offset/);
  const before = server.memory().most;
  // 128 MiB of commands: at 64 MiB the transaction is given up.
  expect(await ask("MULTI")).toBe("+OK\r\n");
  let refused = "";
  for (let i = 0; i < 128 && refused === ""; i++) {
    const reply = await ask("SET", "k", "v".repeat(MIB - 100));
    if (reply !== "+QUEUED\r\n") refused = reply;
  }
  expect(refused).toMatch(/^-ERR /);
  expect(await ask("EXEC")).toMatch(/^-EXECABORT/);
  expect(await ask("PING")).toBe("+PONG\r\n");
  await bystander.served();
  expectGrowthBelow(server, before, 200);
});

test("twice the clients: those beyond are told and let go, those within stay", async () => {
  const server = await start("--clients-max", "50");
  const bystander = new Bystander(server.port);
  await bystander.served();
  const clients = Array.from({ length: 100 }, () => new Client(server.port));
  for (const client of clients) client.say(request("PING"));
  const replies = await Promise.all(clients.map((client) => client.expectReply("+PONG\r\n")));
  expect(replies.filter((reply) => reply === "+PONG\r\n")).toHaveLength(49);
  expect(replies.filter((reply) => reply.startsWith("-ERR ma"))).toHaveLength(51);
  await bystander.served();
});

test("clients that never read are not read from, and hold no more than a reply and the pause", async () => {
  const server = await start();
  const bystander = new Bystander(server.port);
  const setter = new Client(server.port);
  setter.say(request("SET", "large", "v".repeat(256 * 1024)));
  expect(await setter.expectReply("+OK\r\n")).toBe("+OK\r\n");
  const normal = await bystander.latencyFor(300);
  const before = server.memory().most;
  const asked = Buffer.concat(Array.from({ length: 400 }, () => request("GET", "large"))); // 100 MiB of replies
  const count = 20;
  const deaf = Array.from({ length: count }, () => quietSocket(server.port));
  onTestFinished(() => deaf.forEach((socket) => socket.destroy()));
  for (const socket of deaf) {
    socket.pause();
    socket.write(asked);
  }
  const during = await bystander.latencyFor(1500);
  console.log(`beside clients that do not read: ${shownLatency(during)} (before: ${shownLatency(normal)})`);
  expectGrowthBelow(server, before, 40 + count * 3);
  for (const socket of deaf) socket.destroy();
  await untilClientsAre(server.port, 3);
});

test("requests that are begun and never finished take what came of them, and end with the time for a request", async () => {
  const server = await start("--request-timeout", "2");
  const bystander = new Bystander(server.port);
  await bystander.served();
  const before = server.memory().most;
  // Each announces 16 MiB, and says 1 KiB.
  const begun = Buffer.concat([Buffer.from("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16777216\r\n"), Buffer.alloc(1024, "x")]);
  const sockets = Array.from({ length: 500 }, () => quietSocket(server.port));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  for (const socket of sockets) socket.write(begun);
  const over = Promise.all(sockets.map(closed));
  const during = await bystander.latencyDuring(() => over);
  expect(during.count).toBeGreaterThan(0);
  console.log(`beside 500 unfinished requests: ${shownLatency(during)}`);
  expectGrowthBelow(server, before, 100);
});

/** Resolves when the server has closed. */
async function thrownAt(port: number, bytes: Buffer): Promise<void> {
  const socket = quietSocket(port);
  socket.end(bytes);
  await closed(socket);
}

test("garbage, HTTP and TLS are refused or ended, and nothing of them runs", async () => {
  const seed = testSeed();
  const random = randomOf(seed);
  const server = await start();
  const bystander = new Bystander(server.port);
  const heads = [
    "",
    "*",
    "*3\r\n$",
    "*1\r\n$4\r\nPING\r\n",
    "$5\r\n",
    "GET ",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    'PUT k "',
    "*2\r\n$3\r\nGET\r\n$1\r\n",
  ];
  const garbage = Array.from({ length: scaled(400) }, (_, i) => {
    const noise = Buffer.from(Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)));
    return Buffer.concat([Buffer.from(heads[i % heads.length]!, "latin1"), noise]);
  });
  const http = "POST /SET HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\nFLUSHALL\r\nSET a b\r\n";
  garbage.push(Buffer.from(http), Buffer.from("GET / HTTP/1.0\r\n\r\n"), Buffer.from("CONNECT a:1 HTTP/1.1\r\n\r\n"));
  await bystander.served();
  // All of it at least once, and again until the bystander's time is over.
  const AT_A_TIME = 50;
  let thrown = 0;
  const enough = new AbortController();
  const throwing = (async () => {
    for (; thrown < garbage.length || !enough.signal.aborted; thrown += AT_A_TIME) {
      const some = Array.from({ length: AT_A_TIME }, (_, i) => garbage[(thrown + i) % garbage.length]!);
      await Promise.all(some.map((bytes) => thrownAt(server.port, bytes)));
    }
  })();
  const during = await bystander.latencyFor(1000).finally(() => enough.abort());
  await throwing;
  console.log(`beside garbage, ${thrown} times: ${shownLatency(during)}, seed ${seed}`);
  const fetched = await fetch(`http://127.0.0.1:${server.port}/`, { method: "POST", body: "FLUSHALL\r\n" }).catch(
    () => "refused",
  );
  expect(fetched, `seed ${seed}`).toBe("refused");
  const reader = new ReplyReader(server.port);
  reader.socket.write(request("EXISTS", "bystander", "a"));
  expect(await reader.next(), `seed ${seed}`).toBe(":1\r\n");
  await untilClientsAre(server.port, 3);
});

test("a client that drips a byte now and then costs nobody anything", async () => {
  const server = await start("--request-timeout", "1");
  const bystander = new Bystander(server.port);
  await bystander.served();
  const socket = quietSocket(server.port);
  const drip = setInterval(() => socket.write("x"), 20);
  onTestFinished(() => clearInterval(drip));
  const during = await bystander.latencyDuring(() =>
    Promise.race([closed(socket), sleep(20_000, "never").then((x) => Promise.reject(new Error(x)))]),
  );
  expect(during.count).toBeGreaterThan(0);
});
