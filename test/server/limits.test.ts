// Every limit of `crabkv serve`, as it is set by flags and by variables, from a client's point of view.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cleanEnv, cliPath } from "../run-program.js";
import { temporaryDirectory } from "../temporary.js";
import { serveProcess } from "./serve-process.js";
import type { ServeProcess } from "./serve-process.js";
import { Client, request } from "./serving.js";

const KIB = 1024;

/** Starts a server with these settings, as flags or as variables. */
const ways: Record<string, (cwd: string, settings: Record<string, string>) => Promise<ServeProcess>> = {
  flags: (cwd, settings) => {
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    return serveProcess(cwd, args);
  },
  variables: (cwd, settings) => {
    const seconds = (name: string): string => (name.endsWith("timeout") ? "_SECS" : "");
    const nameOf = (name: string): string => `CRABKV_${name.replaceAll("-", "_").toUpperCase()}${seconds(name)}`;
    const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [nameOf(name), value]));
    return serveProcess(cwd, [], env);
  },
};

async function expectReplies(client: Client, said: string[][], replies: string): Promise<void> {
  client.say(Buffer.concat(said.map((words) => request(...words))));
  expect(await client.expectReply(replies)).toBe(replies);
}

async function expectEnd(port: number, said: string | Buffer, last: string): Promise<void> {
  const client = new Client(port);
  client.say(said);
  expect(await client.untilEnded()).toBe(last);
}

test.each(Object.keys(ways))("limits before the password, by %s", async (way) => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "secret"), "secret\n");
  const settings = {
    "password-file": "secret",
    "auth-arguments-max": "4",
    "auth-bytes-max": "100",
    "auth-timeout": "1",
  };
  const { port } = await ways[way]!(cwd, settings);
  await expectEnd(port, "*5\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n");
  await expectEnd(port, "*2\r\n$4\r\nAUTH\r\n$101\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n");
  await expectEnd(port, "", "");
  const client = new Client(port);
  await expectReplies(
    client,
    [
      ["AUTH", "secret"],
      ["MGET", "a", "b", "c", "d"],
    ],
    `+OK\r\n*4\r\n${"$-1\r\n".repeat(4)}`,
  );
  await expectReplies(client, [["ECHO", "x".repeat(1000)]], `$1000\r\n${"x".repeat(1000)}\r\n`);
});

test.each(Object.keys(ways))("limits of keys, values, lines, requests and replies, by %s", async (way) => {
  const settings = {
    ...{ "key-bytes-max": "10", "value-bytes-max": "100", "line-bytes-max": "200", "request-timeout": "1" },
    ...{ "request-bytes-max": "64KiB", "reply-bytes-max": "1KiB", "reply-bytes-pause": "1KiB" },
  };
  const { port } = await ways[way]!(temporaryDirectory(), settings);
  const client = new Client(port);
  const [key, value] = ["k".repeat(10), "v".repeat(100)];
  await expectReplies(
    client,
    [
      ["SET", key, value],
      ["GET", key],
    ],
    `+OK\r\n$100\r\n${value}\r\n`,
  );
  client.say(request("SET", `${key}k`, value));
  const refused = "-ERR ";
  expect(await client.expectReply(refused)).toBe(refused);
  while (!client.received.endsWith("\r\n")) await once(client.socket, "data");
  expect(client.received).toMatch(/key/);
  await expectEnd(port, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$101\r\n", "-ERR Protocol error: invalid bulk length\r\n");
  await expectEnd(port, `GET ${"x".repeat(300)}`, "ERR Protocol error: too big inline request\n");
  await expectEnd(port, "*2\r\n$3\r\nGET\r\n", "");
  // A request and a reply may always carry the largest value, and 2 MiB besides.
  const word = `$100\r\n${value}\r\n`;
  const large = new Client(port);
  large.say(`*40000\r\n${word.repeat(30_000)}`);
  expect(await large.untilEnded()).toBe("-ERR Protocol error: too big request\r\n");
  const other = new Client(port);
  const tooLarge = "-ERR the reply, or what the command needs for it, is larger than 2097252 bytes\r\n";
  other.say(request("MGET", ...Array.from({ length: 30_000 }, () => key)));
  expect(await other.expectReply(tooLarge)).toBe(tooLarge);
});

test.each(Object.keys(ways))("as many clients as were set, by %s", async (way) => {
  const { port } = await ways[way]!(temporaryDirectory(), { "clients-max": "2" });
  for (const client of [new Client(port), new Client(port)]) await expectReplies(client, [["PING"]], "+PONG\r\n");
  await expectEnd(port, "", "-ERR max number of clients reached\r\n");
});

test.each(Object.keys(ways))(
  "a client that does not take its replies holds the end up for so long, by %s",
  async (way) => {
    const served = await ways[way]!(temporaryDirectory(), { "drain-timeout": "1", sync: "os" });
    const client = new Client(served.port);
    const value = "v".repeat(8_000_000);
    await expectReplies(client, [["SET", "k", value]], "+OK\r\n");
    client.socket.pause();
    client.say(Buffer.concat([request("GET", "k"), request("GET", "k"), request("GET", "k")]));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const since = performance.now();
    expect(await served.end()).toBe(0);
    expect(performance.now() - since).toBeGreaterThan(900);
  },
);

test.runIf(process.platform === "linux")(
  "no more clients than the process may have files for, less what it needs itself",
  async () => {
    const command = `ulimit -n 300; exec '${process.execPath}' '${cliPath}' serve --json --addr 127.0.0.1:0`;
    const child = spawn("bash", ["-c", command], { cwd: temporaryDirectory(), env: cleanEnv() });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { port } = (JSON.parse(line.toString()) as { listening: { port: number } }).listening;
    const clients = Array.from({ length: 44 }, () => new Client(port));
    for (const client of clients) await expectReplies(client, [["PING"]], "+PONG\r\n");
    await expectReplies(clients[0]!, [["CONFIG", "GET", "maxclients"]], "*2\r\n$10\r\nmaxclients\r\n$2\r\n44\r\n");
    await expectEnd(port, "", "-ERR max number of clients reached\r\n");
    await expectReplies(
      clients[0]!,
      [
        ["SET", "k", "v"],
        ["GET", "k"],
      ],
      "+OK\r\n$1\r\nv\r\n",
    );
  },
);

test("a second signal ends a server that still drains, and what was acknowledged is there", async () => {
  const cwd = temporaryDirectory();
  const served = await serveProcess(cwd, ["--drain-timeout", "600"]);
  const client = new Client(served.port);
  const value = "v".repeat(16 * KIB * KIB);
  await expectReplies(client, [["SET", "k", value]], "+OK\r\n");
  client.socket.pause();
  client.say(Buffer.concat([request("GET", "k"), request("GET", "k")]));
  await new Promise((resolve) => setTimeout(resolve, 300));
  served.child.kill("SIGINT");
  while (!served.stderr().includes("draining")) await once(served.child.stderr, "data");
  expect(await served.end("SIGTERM")).toBe(4);
  const again = await serveProcess(cwd);
  await expectReplies(new Client(again.port), [["STRLEN", "k"]], `:${value.length}\r\n`);
});
