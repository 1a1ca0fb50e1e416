// Bounds of the server: what a client asks for never makes it allocate without limit.
import { expect, test } from "vitest";
import { temporaryStore } from "../temporary.js";
import { Client, request, temporaryServer } from "./serving.js";

const MIB = 1024 * 1024;
const value = "v".repeat(MIB);
const bulk = `$${MIB}\r\n${value}\r\n`;

/** A server whose replies are bounded by 3 MiB (its values by 1 MiB), with five of the largest values in it. */
async function bounded() {
  const store = await temporaryStore({ valueBytesMax: MIB });
  const server = await temporaryServer({ store, replyBytesMax: 1024, replyBytesPause: 1024 });
  await store.putMany(Array.from({ length: 5 }, (_, i) => ({ key: `k${i}`, value })));
  return { store, client: new Client(server.address.port) };
}
const tooLarge = "-ERR the reply, or what the command needs for it, is larger than 3145728 bytes\r\n";
const all = ["k0", "k1", "k2", "k3", "k4"];

async function expectReplies(client: Client, said: Buffer[], replies: string): Promise<void> {
  client.say(Buffer.concat(said));
  expect((await client.expectReply(replies)) === replies).toBe(true);
}

test("MGET answers what fits into a reply, else with an error, and the connection goes on", async () => {
  const { client } = await bounded();
  await expectReplies(client, [request("MGET", "k0", "none", "k1")], `*3\r\n${bulk}$-1\r\n${bulk}`);
  await expectReplies(client, [request("MGET", ...all), request("PING")], `${tooLarge}+PONG\r\n`);
  await expectReplies(client, [request("GET", "k0")], bulk);
});

test("EXEC whose reply would be too large is an error, and nothing of it is done", async () => {
  const { client, store } = await bounded();
  const queued = [["SET", "a", "1"], ...all.map((key) => ["GET", key])];
  const said = [["MULTI"], ...queued, ["EXEC"], ["GET", "a"]].map((words) => request(...words));
  await expectReplies(client, said, `+OK\r\n${"+QUEUED\r\n".repeat(6)}${tooLarge}$-1\r\n`);
  expect(await store.has("a")).toBe(false);
});

test("one value asked for again and again in EXEC counts each time", async () => {
  const { client } = await bounded();
  const said = [["MULTI"], ...Array.from({ length: 4 }, () => ["GET", "k0"]), ["EXEC"], ["PING"]];
  const replies = `+OK\r\n${"+QUEUED\r\n".repeat(4)}${tooLarge}+PONG\r\n`;
  await expectReplies(
    client,
    said.map((words) => request(...words)),
    replies,
  );
});

test("what commands read without answering it is bounded, too", async () => {
  const { client } = await bounded();
  client.say(Buffer.concat([request("BITOP", "OR", "to", ...all), request("EXISTS", "to")]));
  const replies =
    "-ERR the values are larger than 3145728 bytes together: too large for one command or transaction\r\n:0\r\n";
  expect(await client.expectReply(replies)).toBe(replies);
});

test("the largest value of the store is what a request may carry and a reply may give", async () => {
  const store = await temporaryStore({ valueBytesMax: 20 * MIB });
  const server = await temporaryServer({ store });
  const client = new Client(server.address.port);
  const large = "x".repeat(20 * MIB);
  await expectReplies(
    client,
    [request("SET", "k", large), request("GET", "k")],
    `+OK\r\n$${large.length}\r\n${large}\r\n`,
  );
  client.say(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${large.length + 1}\r\n`);
  const refused = "-ERR Protocol error: invalid bulk length\r\n";
  expect(await client.expectReply(refused)).toBe(refused);
});

test("walks of several clients at once each find all keys", async () => {
  const server = await temporaryServer();
  const count = 5000;
  await server.store.putMany(Array.from({ length: count }, (_, i) => ({ key: String(10_000 + i), value: "" })));
  const length = `*${count}\r\n`.length + count * "$5\r\n10000\r\n".length;
  const clients = Array.from({ length: 6 }, () => new Client(server.address.port));
  for (const client of clients) client.say(request("KEYS", "*"));
  for (const client of clients) {
    const reply = await client.expectReply("x".repeat(length));
    expect(new Set(reply.match(/\d{5}/g)).size).toBe(count);
  }
});
