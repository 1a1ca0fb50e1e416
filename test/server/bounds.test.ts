// Bounds of the server: what a client asks for never makes it allocate without limit.
import { connect } from "node:net";
import { setTimeout as after } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
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

test("of a pipeline in which commands run beside the store no more replies are made than the client reads", async () => {
  const store = await temporaryStore({ valueBytesMax: MIB });
  const server = await temporaryServer({ store, replyBytesMax: MIB, replyBytesPause: MIB });
  const half = value.slice(0, 400_000); // less than ends a turn
  await store.put("k0", half);
  const slow = connect(server.address.port);
  onTestFinished(() => void slow.destroy());
  const rounds = 100;
  slow.write(Buffer.concat(Array.from({ length: rounds }, () => [request("GET", "k0"), request("SCAN", "0")]).flat()));
  await after(300);
  const scanned = "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nk0\r\n";
  const expected = rounds * (`$400000\r\n${half}\r\n`.length + scanned.length);
  let bytes = 0;
  for await (const chunk of slow) if ((bytes += (chunk as Buffer).length) >= expected) break;
  expect(bytes).toBe(expected);
});

test("two of the largest replies are not made in one turn, the first by a command that runs beside the store", async () => {
  const { store, client } = await bounded();
  const keys = Array.from({ length: 50 }, (_, i) => `${"k".repeat(50_000)}:${String(i).padStart(2, "0")}`);
  await store.putMany(keys.map((key) => ({ key, value: "" })));
  const keyBytes = keys[0]!.length;
  client.say(Buffer.concat([request("KEYS", "kk*"), request("MGET", "k0", "k1")]));
  const listed = 5 + keys.length * (`$${keyBytes}\r\n`.length + keyBytes + 2);
  expect(await client.expectReply(" ".repeat(listed))).toMatch(/^\*50\r\n/);
  await expectReplies(client, [], `*2\r\n${bulk.repeat(2)}`);
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

/** Of what TypeScript answers: a reply of `names` of these words. */
const named: Record<string, (names: number, id: string) => string[]> = {
  "COMMAND INFO": (names) => ["COMMAND", "INFO", ...Array.from({ length: names }, () => "client")],
  "COMMAND GETKEYS": (names) => ["COMMAND", "GETKEYS", "MGET", ...Array.from({ length: names }, () => "k".repeat(60))],
  "COMMAND GETKEYSANDFLAGS": (names) => [
    "COMMAND",
    "GETKEYSANDFLAGS",
    "DEL",
    ...Array.from({ length: names }, () => "k".repeat(40)),
  ],
  "CLIENT LIST ID": (names, id) => ["CLIENT", "LIST", "ID", ...Array.from({ length: names }, () => id)],
};

/** A request of more words than a call takes arguments. */
const long = (words: string[]): Buffer =>
  Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`);

test.each(Object.keys(named))(
  "%s answers what fits into a reply, else with an error, and takes no time for it",
  async (name) => {
    const { client } = await bounded();
    client.say(request("CLIENT", "ID"));
    const [id] = /\d+/.exec(await client.receive())!;
    client.say(request(...named[name]!(1, id)));
    expect(await client.receive()).toMatch(/^[*$]/);
    await expectReplies(client, [long(named[name]!(60_000, id)), request("PING")], `${tooLarge}+PONG\r\n`);
  },
);

test("what runs in TypeScript, or a hook is for, takes 65,536 arguments, and other commands more", async () => {
  const { client } = await bounded();
  const server = await temporaryServer();
  const hooked = new Client(server.address.port);
  const seen: string[] = [];
  server.use({ commands: ["EXISTS"] }, (context, next) => {
    seen.push(context.name);
    return next();
  });
  const names = (count: number): string[] => Array.from({ length: count }, () => "n");
  const tooMany = "-ERR too many arguments: 65536 are the most for this command\r\n";
  await expectReplies(client, [long(["UNSUBSCRIBE", ...names(65_537)]), request("PING")], `${tooMany}+PONG\r\n`);
  const confirmed = "*3\r\n$11\r\nunsubscribe\r\n$1\r\nn\r\n:0\r\n";
  await expectReplies(client, [long(["UNSUBSCRIBE", ...names(40_000)])], confirmed.repeat(40_000));
  await expectReplies(client, [long(["EXISTS", ...names(65_537)])], ":0\r\n");
  await expectReplies(hooked, [long(["EXISTS", ...names(65_536)])], ":0\r\n");
  await expectReplies(hooked, [long(["EXISTS", ...names(65_537)]), request("GET", "k")], `${tooMany}$-1\r\n`);
  const half = long(["EXISTS", ...names(40_000)]);
  const replies = `+OK\r\n+QUEUED\r\n+QUEUED\r\n${tooMany}-ERR EXEC without MULTI\r\n`;
  await expectReplies(hooked, [request("MULTI"), half, half, request("EXEC"), request("EXEC")], replies);
  expect(seen).toEqual(["EXISTS"]);
});

test("UNSUBSCRIBE of more than fits into a reply is an error, and nothing is done", async () => {
  const { client } = await bounded();
  const names = Array.from({ length: 4 }, (_, i) => `${i}${"n".repeat(MIB - 1)}`);
  for (const [i, name] of names.entries()) {
    const confirmed = `*3\r\n$9\r\nsubscribe\r\n$${MIB}\r\n${name}\r\n:${i + 1}\r\n`;
    await expectReplies(client, [request("SUBSCRIBE", name)], confirmed);
  }
  await expectReplies(client, [request("UNSUBSCRIBE")], tooLarge);
  const gone = `*3\r\n$11\r\nunsubscribe\r\n$${MIB}\r\n${names[0]!}\r\n:3\r\n`;
  await expectReplies(client, [request("UNSUBSCRIBE", names[0]!)], gone);
});

test("names of clients and of their libraries are bounded", async () => {
  const { client } = await bounded();
  const most = "n".repeat(1024);
  for (const words of [["SETNAME"], ["SETINFO", "lib-name"], ["SETINFO", "LIB-VER"]]) {
    await expectReplies(client, [request("CLIENT", ...words, most)], "+OK\r\n");
    const what = words[1]?.toLowerCase() ?? "Client names";
    const refused = `-ERR ${what} cannot have more than 1024 bytes.\r\n`;
    await expectReplies(client, [request("CLIENT", ...words, `${most}n`)], refused);
  }
  const refused = "-ERR Client names cannot have more than 1024 bytes.\r\n";
  await expectReplies(client, [request("HELLO", "3", "SETNAME", `${most}n`)], refused);
  await expectReplies(client, [request("CLIENT", "GETNAME")], `$1024\r\n${most}\r\n`);
});

test("patterns for names take no more time with many stars", async () => {
  const { client } = await bounded();
  const stars = `${"*".repeat(1000)}z`;
  await expectReplies(client, [request("CONFIG", "GET", stars)], "*0\r\n");
  await expectReplies(client, [request("COMMAND", "LIST", "FILTERBY", "PATTERN", `${"*a".repeat(100)}*`)], "*0\r\n");
  client.say(request("CONFIG", "GET", "P?rt", "tls-[p-q]or*"));
  expect(await client.receive()).toMatch(/^\*4\r\n\$4\r\nport\r\n\$\d+\r\n\d+\r\n\$8\r\ntls-port\r\n\$1\r\n0\r\n$/);
  await expectReplies(
    client,
    [request("CONFIG", "GET", "database", "databases")],
    "*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n",
  );
});
