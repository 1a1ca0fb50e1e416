// The server as clients meet it: nc, redis-cli, and sockets that do what no client should.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cliPath } from "../run-program.js";
import { openStore, temporaryDirectory, temporaryStore } from "../temporary.js";
import { Client, request, temporaryServer } from "./serving.js";

/** What a client program prints, given these lines. Asynchronous, because the server is in this process. */
async function run(program: string, args: readonly string[], input = ""): Promise<string> {
  const child = spawn(program, args);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(input);
  await once(child, "close");
  return output;
}

test("a person with nc stores, reads, expires and deletes", async () => {
  const server = await temporaryServer();
  const said = [
    "PUT demo value ttl=45",
    "GET demo",
    "GET nothing",
    "DELETE demo",
    'SET user:1 "based rust dev"',
    "GET user:1",
    "SETEX session 10 active",
    "EXPIRE session 60",
    "TTL session",
    "DEL session",
    "EX session",
    "PING",
    "",
  ].join("\n");
  const port = String(server.address.port);
  expect(await run("nc", ["-N", "127.0.0.1", port], said)).toBe(
    "OK\nVALUE value\nNOT_FOUND\nOK\nOK\nVALUE based rust dev\nOK\n1\n60\n1\n0\nPONG\n",
  );
});

test("the text style says how values and missing keys are answered", async () => {
  const bare = await temporaryServer({ textStyle: "bare" });
  const said = "PUT k v\nGET k\nGET x\nPUT k nil\nGET k\nPUT k 'ERR no'\nGET k\n";
  expect(await run("nc", ["-N", "127.0.0.1", String(bare.address.port)], said)).toBe(
    'OK\nv\nnil\nOK\n"nil"\nOK\n"ERR no"\n',
  );
  const resp = await temporaryServer({ textStyle: "resp" });
  expect(await run("nc", ["-N", "127.0.0.1", String(resp.address.port)], "SET k v\nGET k\nGET x\n")).toBe(
    "+OK\r\n$1\r\nv\r\n$-1\r\n",
  );
});

test("EXEC of the text protocol answers in one form: MULTI takes no HELLO", async () => {
  const server = await temporaryServer();
  const said = "MULTI\nHELLO 3\nPING\nEXEC\nHELLO 3\n";
  const refused = "OK\nERR Command not allowed inside a transaction\nQUEUED\nERR EXECABORT";
  const replies = await run("nc", ["-N", "127.0.0.1", String(server.address.port)], said);
  expect(replies.startsWith(refused)).toBe(true);
  expect(replies).toContain("\n%7\r\n");
});

test("redis-cli speaks RESP2 and RESP3 with it", async () => {
  const server = await temporaryServer();
  const cli = (...args: string[]) => run("redis-cli", ["-p", String(server.address.port), ...args]);
  expect(await cli("SET", "a", "ä b")).toBe("OK\n");
  expect(await cli("GET", "a")).toBe("ä b\n");
  expect(await cli("-3", "GET", "none")).toBe("\n");
  expect(await cli("-3", "HELLO", "3")).toContain("proto 3");
  expect(await cli("INFO", "server")).toContain("redis_version:7.0");
  expect(await cli("CONFIG", "GET", "appendonly")).toBe("appendonly\nyes\n");
  expect(await cli("COMMAND", "INFO", "get")).toContain("readonly");
  expect(await cli("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2")).toBe("a\nb\n");
});

test("code of the same process and clients see each other's writes at once, the cache included", async () => {
  const store = await temporaryStore({ cache: { entries: 10 } });
  const server = await temporaryServer({ store });
  const client = new Client(server.address.port);
  await store.put("k", "ours");
  expect(await store.get("k")).toBe("ours");
  client.say(Buffer.concat([request("GET", "k"), request("SET", "k", "theirs")]));
  expect(await client.expectReply("$4\r\nours\r\n+OK\r\n")).toBe("$4\r\nours\r\n+OK\r\n");
  expect(await store.get("k")).toBe("theirs");
  await server.close();
  expect(await store.get("k")).toBe("theirs"); // it is the caller's, and stays open
});

test("in always, a reply comes only when what it says is in the log for good", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  const server = await temporaryServer({ dataDir, sync: "always" });
  const client = new Client(server.address.port);
  for (let i = 0; i < 20; i++) {
    client.say(request("INCR", "n"));
    const reply = `:${i + 1}\r\n`;
    expect(await client.expectReply(reply)).toBe(reply);
    const { durableVersion, lastVersion } = server.store.stats();
    expect(durableVersion).toBe(lastVersion);
  }
});

test("commands that run in TypeScript are answered in the order of the requests", async () => {
  const server = await temporaryServer();
  const client = new Client(server.address.port);
  const said = [request("SET", "a", "1"), request("CLIENT", "GETNAME"), request("GET", "a"), request("SELECT", "0")];
  client.say(Buffer.concat(said));
  const replies = "+OK\r\n$-1\r\n$1\r\n1\r\n+OK\r\n";
  expect(await client.expectReply(replies)).toBe(replies);
});

test("EXEC answers commands of both sides together", async () => {
  const server = await temporaryServer();
  const client = new Client(server.address.port);
  const words = [["MULTI"], ["SET", "a", "1"], ["SELECT", "0"], ["INCR", "a"], ["EXEC"]];
  client.say(Buffer.concat(words.map((command) => request(...command))));
  const replies = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n:2\r\n";
  expect(await client.expectReply(replies)).toBe(replies);
});

test("a client that does not read is not read from, and the others go on", async () => {
  const server = await temporaryServer({ replyBytesPause: 64 * 1024 });
  const value = "x".repeat(100_000);
  await server.store.put("big", value);
  const count = 1000;
  const deaf = connect(server.address.port, "127.0.0.1");
  onTestFinished(() => void deaf.destroy());
  deaf.pause();
  deaf.write(Buffer.concat(Array.from({ length: count }, () => request("GET", "big"))));
  const other = new Client(server.address.port);
  for (let i = 0; i < 50; i++) {
    other.say(request("PING"));
    expect(await other.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  }
  // 100 MB are asked for; what waits here is about the mark, not all of it.
  for (const { waitingBytes } of server.connections.values()) expect(waitingBytes).toBeLessThan(2 * 1024 * 1024);
  let received = 0;
  const expected = count * `$100000\r\n${value}\r\n`.length;
  deaf.on("data", (chunk) => (received += chunk.length));
  deaf.resume();
  while (received < expected) await once(deaf, "data");
  expect(received).toBe(expected);
});

test("an HTTP request closes the connection before anything runs", async () => {
  const server = await temporaryServer();
  const browser = new Client(server.address.port);
  browser.say("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET evil 1\r\n");
  expect(await browser.untilEnded()).toBe("");
  expect(await server.store.has("evil")).toBe(false);
});

test("closing answers what was accepted, and then takes nothing more", async () => {
  const server = await temporaryServer({ sync: "always" });
  const client = new Client(server.address.port);
  client.say(request("PING"));
  await client.expectReply("+PONG\r\n");
  const count = 500;
  client.say(Buffer.concat(Array.from({ length: count }, () => request("INCR", "n"))));
  while (!(await server.store.has("n"))) await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  const replies = await client.untilEnded();
  const last = Number(/:(\d+)\r\n$/.exec(replies)?.[1]);
  expect(last).toBeGreaterThan(0);
  expect(replies).toBe(Array.from({ length: last }, (_, i) => `:${i + 1}\r\n`).join(""));
});

test("crabkv serve says where it listens, and a signal drains it", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  const child = spawn(process.execPath, [cliPath, "serve", "--json", "--addr", "127.0.0.1:0", "--data-dir", dataDir]);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { listening } = JSON.parse(line.toString()) as { listening: { port: number } };
  const client = new Client(listening.port);
  client.say("PUT k v\nGET k\n");
  expect(await client.expectReply("OK\nVALUE v\n")).toBe("OK\nVALUE v\n");
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  const store = await openStore(dataDir);
  expect(await store.get("k")).toBe("v");
  expect(store.stats().cleanOpen).toBe(true);
});

test("walks over all keys find each of them once, and FLUSHALL leaves none", async () => {
  const server = await temporaryServer();
  const count = 3000;
  await server.store.putMany(Array.from({ length: count }, (_, i) => ({ key: `k:${i}`, value: "v" })));
  const cli = (...args: string[]) => run("redis-cli", ["-p", String(server.address.port), ...args]);
  const found = (await cli("--scan")).trim().split("\n");
  expect(found).toHaveLength(count);
  expect(new Set(found).size).toBe(count);
  expect((await cli("KEYS", "k:29?9")).trim().split("\n").sort()).toHaveLength(10);
  expect(await cli("RANDOMKEY")).toMatch(/^k:\d+\n$/);
  expect(await cli("DBSIZE")).toBe(`${count}\n`);
  expect(await cli("FLUSHALL")).toBe("OK\n");
  expect(await cli("DBSIZE")).toBe("0\n");
  expect(await cli("RANDOMKEY")).toBe("\n");
});

test("the programs that these tests need are there", () => {
  for (const program of ["nc", "redis-cli"]) {
    expect(spawnSync("which", [program]).status, `${program} (see .ci/run)`).toBe(0);
  }
});

test("a client that talks on after QUIT is forgotten when it closes, or when it does not", async () => {
  for (const closes of [true, false]) {
    const server = await temporaryServer(closes ? {} : { requestTimeoutMs: 300 });
    const client = connect({ port: server.address.port, host: "127.0.0.1", allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    client.on("error", () => undefined);
    client.write("QUIT\r\n");
    client.resume();
    await once(client, "end");
    client.write("PING\r\n");
    if (closes) client.end();
    while (server.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
});
