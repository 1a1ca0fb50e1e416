// Who may talk to the server: passwords, addresses, and what those get who have not said who they are, or take too long.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serve } from "../../src/server/index.js";
import { delayAfter, Password } from "../../src/server/password.js";
import { cliPath, crabkv } from "../run-program.js";
import { temporaryDirectory } from "../temporary.js";
import { Client, request, temporaryServer } from "./serving.js";

const password = "correct horse";
const noAuth = "-NOAUTH Authentication required.\r\n";
const wrongPass = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

async function expectReplies(client: Client, said: string[][], replies: string): Promise<void> {
  client.say(Buffer.concat(said.map((words) => request(...words))));
  expect(await client.expectReply(replies)).toBe(replies);
}

test("with a password nothing runs before AUTH, and everything after", async () => {
  const server = await temporaryServer({ password });
  const client = new Client(server.address.port);
  await expectReplies(client, [["GET", "a"], ["MULTI"], ["CLIENT", "ID"], ["PING"]], noAuth.repeat(4));
  await expectReplies(client, [["AUTH", "nonsense"]], wrongPass);
  await expectReplies(client, [["AUTH", "other", password]], wrongPass);
  await expectReplies(client, [["AUTH", password], ["PING"]], "+OK\r\n+PONG\r\n");
  await expectReplies(client, [["RESET"], ["PING"]], `+RESET\r\n${noAuth}`);
  await expectReplies(client, [["AUTH", "default", password], ["PING"]], "+OK\r\n+PONG\r\n");
});

test("HELLO takes the password, and is refused without", async () => {
  const server = await temporaryServer({ password });
  const client = new Client(server.address.port);
  client.say(request("HELLO", "3"));
  expect(await client.expectReply("-NOAUTH HELLO must")).toBe("-NOAUTH HELLO must");
  const other = new Client(server.address.port);
  other.say(Buffer.concat([request("HELLO", "3", "AUTH", "default", password, "SETNAME", "me"), request("PING")]));
  expect(await other.expectReply("%7\r\n")).toBe("%7\r\n");
  while (!other.received.endsWith("+PONG\r\n")) await once(other.socket, "data");
});

test("AUTH works in text, and without a password it answers as Redis does", async () => {
  const server = await temporaryServer({ password });
  const client = new Client(server.address.port);
  client.say(`GET a\nAUTH "${password}"\nGET a\n`);
  const replies = "ERR NOAUTH Authentication required.\nOK\nNOT_FOUND\n";
  expect(await client.expectReply(replies)).toBe(replies);
  const open = new Client((await temporaryServer()).address.port);
  const none =
    "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n";
  await expectReplies(open, [["AUTH", "x"]], none);
  await expectReplies(open, [["AUTH", "default", "x"]], "+OK\r\n");
});

test("wrong passwords are answered later and later, up to two seconds", () => {
  expect([0, 1, 2, 20, 1000].map(delayAfter)).toEqual([100, 200, 400, 2000, 2000]);
  const check = new Password(password);
  expect(check.matches(Buffer.from(password))).toBe(true);
  for (const other of ["", "c", `${password} `, "x".repeat(100_000)]) {
    expect(check.matches(Buffer.from(other))).toBe(false);
  }
});

test("before AUTH a request has at most 10 arguments of 16 KiB", async () => {
  const server = await temporaryServer({ password });
  const many = new Client(server.address.port);
  many.say("*11\r\n");
  expect(await many.untilEnded()).toBe("-ERR Protocol error: unauthenticated multibulk length\r\n");
  const large = new Client(server.address.port);
  large.say("*2\r\n$4\r\nAUTH\r\n$16385\r\n");
  expect(await large.untilEnded()).toBe("-ERR Protocol error: unauthenticated bulk length\r\n");
  const line = new Client(server.address.port);
  line.say("AUTH a b c d e f g h i j\n");
  expect(await line.untilEnded()).toBe("ERR Protocol error: unauthenticated multibulk length\n");
  const longLine = new Client(server.address.port);
  longLine.say(`AUTH ${"x".repeat(16 * 1024)}`);
  expect(await longLine.untilEnded()).toBe("ERR Protocol error: too big inline request\n");
});

test("a client that does not say its password in time is cut off, one that did is not", async () => {
  const server = await temporaryServer({ password, authTimeoutMs: 300 });
  const known = new Client(server.address.port);
  await expectReplies(known, [["AUTH", password]], "+OK\r\n");
  const unknown = new Client(server.address.port);
  expect(await unknown.untilEnded()).toBe("");
  await new Promise((resolve) => setTimeout(resolve, 500));
  await expectReplies(known, [["PING"]], "+PONG\r\n");
});

test("a request that is never finished ends the connection, also when it drips; an idle client stays", async () => {
  const server = await temporaryServer({ requestTimeoutMs: 300 });
  const idle = new Client(server.address.port);
  await expectReplies(idle, [["PING"]], "+PONG\r\n");
  const halves = [new Client(server.address.port), new Client(server.address.port), new Client(server.address.port)];
  halves[0]!.say("*2\r\n$3\r\nGET\r\n");
  halves[1]!.say("GET ");
  halves[2]!.say("*1\r\n$100000\r\n");
  const drip = setInterval(() => halves[2]!.say("x"), 50);
  for (const client of halves) expect(await client.untilEnded()).toBe("");
  clearInterval(drip);
  await expectReplies(idle, [["PING"]], "+PONG\r\n");
});

test("requests that come one after the other in pieces are not one that takes too long", async () => {
  const server = await temporaryServer({ requestTimeoutMs: 400 });
  const client = new Client(server.address.port);
  const [head, tail] = ["*1\r\n$4\r\nPI", "NG\r\n"];
  client.say(head);
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.say(tail + head);
    expect(await client.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  }
});

test("more clients than allowed are refused, and there is room again when one leaves", async () => {
  const server = await temporaryServer({ clientsMax: 2 });
  const [first, second] = [new Client(server.address.port), new Client(server.address.port)];
  await expectReplies(first, [["PING"]], "+PONG\r\n");
  await expectReplies(second, [["PING"]], "+PONG\r\n");
  const refused = new Client(server.address.port);
  expect(await refused.untilEnded()).toBe("-ERR max number of clients reached\r\n");
  first.socket.destroy();
  while (server.connections.size === 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await expectReplies(new Client(server.address.port), [["PING"]], "+PONG\r\n");
});

test("an address that other machines reach needs a password, or insecure", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com"]) {
    await expect(serve({ dataDir, host, port: 0 })).rejects.toThrow(`host ${host} can be reached by other machines`);
  }
  for (const options of [{ password }, { insecure: true }]) {
    const server = await temporaryServer({ host: "0.0.0.0", ...options });
    expect(server.address.host).toBe("0.0.0.0");
  }
  for (const host of ["127.0.0.1", "127.0.0.2", "localhost"]) await temporaryServer({ host });
});

test("crabkv serve takes the password from a file, and refuses what is not safe", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "secret"), `${password}\n`);
  writeFileSync(join(cwd, "empty"), "\n");
  const open = await crabkv(["serve", "--addr", "0.0.0.0:0"], { cwd });
  expect(open).toMatchObject({ code: 2, stderr: expect.stringContaining("--password-file") as string });
  const empty = await crabkv(["serve", "--password-file", "empty"], { cwd });
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining("empty has no password") as string });
  const args = ["serve", "--json", "--addr", "0.0.0.0:0", "--insecure", "--password-file", "secret"];
  const child = spawn(process.execPath, [cliPath, ...args], { cwd });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { listening } = JSON.parse(line.toString()) as { listening: { port: number } };
  const client = new Client(listening.port);
  await expectReplies(client, [["PING"], ["AUTH", password], ["PING"]], `${noAuth}+OK\r\n+PONG\r\n`);
  child.kill("SIGTERM");
  await once(child, "exit");
});

test("RESET leaves a connection of text one of text", async () => {
  const server = await temporaryServer();
  const client = new Client(server.address.port);
  client.say("PUT a 1\nRESET\nGET a\n");
  expect(await client.expectReply("OK\nRESET\nVALUE 1\n")).toBe("OK\nRESET\nVALUE 1\n");
});
