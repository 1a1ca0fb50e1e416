// Keyspace notifications: the flags and events of redis-server, and when they go out.
import { once } from "node:events";
import { setTimeout as after } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { open } from "../../src/index.js";
import { native } from "../../src/native.js";
import { temporaryDirectory } from "../temporary.js";
import { expectSame } from "./side-by-side.js";
import type { Step } from "./side-by-side.js";
import { Client, request, temporaryServer } from "./serving.js";

const listening = (flags: string): Step[] => [
  ["p", "CONFIG", "SET", "notify-keyspace-events", flags],
  ["a", "PSUBSCRIBE", "__key*__:*"],
];

const reads = [
  ...["GET none", "GET k2", "MGET none k2 none", "STRLEN none", "STRLEN k2", "GETRANGE none 0 1", "SUBSTR k2 0 1"],
  ...["EXISTS none k2 none", "TOUCH none", "TYPE none", "TTL none", "PTTL k2", "EXPIRETIME none", "PEXPIRETIME none"],
  ...["GETBIT none 1", "BITCOUNT none", "BITPOS none 1", "BITFIELD none GET u8 0", "BITFIELD_RO none GET u8 0"],
  ...["BITOP AND dest none k2", "COPY none other", "GETEX none", "GETDEL none", "GETSET miss v", "SET miss2 v GET"],
  ...["OBJECT ENCODING none", "OBJECT ENCODING k2", "MEMORY USAGE none", "GETRANGE none x 1", "GET k2 x", "SETNX k2 v"],
  ...["RENAME none x", "PERSIST none", "EXPIRE none 1", "SCAN 0 MATCH none", "KEYS none", "RANDOMKEY x", "DBSIZE x"],
];

const writes: Step[] = [
  ["p", "SET", "k", "v"],
  ["p", "SET", "k", "v", "EX", "100"],
  ["p", "SET", "k", "v", "NX"],
  ["p", "SET", "none", "v", "XX"],
  ["p", "SET", "k", "v", "GET", "KEEPTTL"],
  ["p", "SETEX", "k", "100", "v"],
  ["p", "PSETEX", "k", "100000", "v"],
  ["p", "SETNX", "k", "v"],
  ["p", "SETNX", "k2", "v"],
  ["p", "GETSET", "k2", "w"],
  ["p", "MSET", "a", "1", "b", "2", "a", "3"],
  ["p", "MSETNX", "a", "1", "c", "2"],
  ["p", "MSETNX", "d", "1", "e", "2"],
  ["p", "APPEND", "k", "more"],
  ["p", "APPEND", "new", "more"],
  ["p", "SETRANGE", "k", "2", "xx"],
  ["p", "SETRANGE", "k", "2", ""],
  ["p", "INCR", "n"],
  ["p", "INCRBY", "n", "5"],
  ["p", "DECR", "n"],
  ["p", "DECRBY", "n", "2"],
  ["p", "INCRBYFLOAT", "n", "0.5"],
  ["p", "INCR", "k"],
  ["p", "SETBIT", "bits", "3", "1"],
  ["p", "SETBIT", "bits", "3", "1"],
  ["p", "BITFIELD", "bits", "SET", "u8", "0", "7", "INCRBY", "u8", "0", "1"],
  ["p", "BITFIELD", "bits", "GET", "u8", "0"],
  ["p", "BITOP", "NOT", "dest", "bits"],
  ["p", "BITOP", "AND", "dest", "none", "nothing"],
  ["p", "EXPIRE", "k", "100"],
  ["p", "EXPIRE", "k", "100", "NX"],
  ["p", "PEXPIREAT", "k", "99999999999999"],
  ["p", "PERSIST", "k"],
  ["p", "PERSIST", "k"],
  ["p", "GETEX", "k", "EX", "100"],
  ["p", "GETEX", "k", "PERSIST"],
  ["p", "GETEX", "k"],
  ["p", "EXPIRE", "k", "-1"],
  ["p", "EXPIRE", "none", "100"],
  ["p", "RENAME", "a", "a2"],
  ["p", "RENAME", "a2", "b"],
  ["p", "RENAMENX", "b", "d"],
  ["p", "RENAMENX", "b", "b2"],
  ["p", "RENAME", "b2", "b2"],
  ["p", "COPY", "b2", "b3"],
  ["p", "COPY", "b2", "b3"],
  ["p", "COPY", "b2", "b3", "REPLACE"],
  ["p", "GETDEL", "b2"],
  ["p", "GETDEL", "b2"],
  ["p", "DEL", "b3", "none", "d"],
  ["p", "UNLINK", "e"],
  ["p", "DEL", "none"],
  ["p", ["MULTI"], ["SET", "t", "1"], ["INCR", "t"], ["DEL", "t"], ["GET", "t"], ["EXEC"]],
  ["p", ["MULTI"], ["SET", "t", "1"], ["DISCARD"]],
  ["p", "WATCH", "t"],
  ["p", ["SET", "t", "1"], ["MULTI"], ["SET", "t", "2"], ["EXEC"]],
  ...reads.map((line): Step => ["p", ...line.split(" ")]),
  ["p", ["MULTI"], ["GET", "none"], ["SET", "none", "x"], ["GET", "none"], ["EXEC"]],
  ["p", ["MULTI"], ["GET", "never"], ["DISCARD"]],
  ["p", "FLUSHALL"],
];

test.each(["KEA", "K$", "Eg", "KEAn", "xE", "A", "", "KEm", "KEAmn"])(
  "commands notify as in redis-server, with %j",
  async (flags) => {
    await expectSame([...listening(flags), ["p", "CONFIG", "GET", "notify-keyspace-events"], ...writes]);
  },
);

test("flags that are none are refused as by redis-server, and those that are shown as there", async () => {
  const flags = ["KEgxn", "q", "Kq", "KEAmn", "g$lshzxetdK", "mEK", "AA"];
  await expectSame(
    flags.flatMap((letters): Step[] => [
      ["p", "CONFIG", "SET", "notify-keyspace-events", letters],
      ["p", "CONFIG", "GET", "notify-keyspace-events"],
    ]),
  );
});

const heard = (channel: string, text: string): string =>
  `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel}\r\n$${text.length}\r\n${text}\r\n`;

async function listener(port: number, channel: string): Promise<Client> {
  const client = new Client(port);
  client.say(request("SUBSCRIBE", channel));
  while (!client.received.endsWith(":1\r\n")) await after(5);
  await client.receive();
  return client;
}

test("a key that expires is told by active expiry, and lines of text tell of theirs", async () => {
  const server = await temporaryServer({ notifyKeyspaceEvents: "KA" });
  const client = await listener(server.address.port, "__keyspace@0__:k");
  const other = new Client(server.address.port);
  other.say("PUT k v ttl=1\n");
  const expected = ["set", "expire", "expired"].map((event) => heard("__keyspace@0__:k", event)).join("");
  expect(await client.expectReply(expected)).toBe(expected);
  other.say("PUT k v\nDELETE k\n");
  const later = ["set", "del"].map((event) => heard("__keyspace@0__:k", event)).join("");
  expect(await client.expectReply(later)).toBe(later);
});

test("in always, a notification goes out when what it tells of is durable", async () => {
  const server = await temporaryServer({ sync: "always", notifyKeyspaceEvents: "Eg$" });
  const client = await listener(server.address.port, "__keyevent@0__:set");
  const kick = vi.spyOn(native, "kick").mockImplementation(() => undefined);
  onTestFinished(() => void vi.restoreAllMocks());
  const writer = new Client(server.address.port);
  writer.say(request("SET", "k", "v"));
  while (kick.mock.calls.length === 0) await after(5);
  await after(50);
  expect(client.received).toBe("");
  kick.mockRestore();
  native.kick(server.session.handle);
  expect(await client.expectReply(heard("__keyevent@0__:set", "k"))).toBe(heard("__keyevent@0__:set", "k"));
});

test("without flags nothing is noted, and nothing is fetched", async () => {
  const server = await temporaryServer();
  const take = vi.spyOn(native, "sessionTakeNotifications");
  onTestFinished(() => void vi.restoreAllMocks());
  const client = new Client(server.address.port);
  client.say(Buffer.concat([request("SET", "k", "v"), request("DEL", "k")]));
  expect(await client.expectReply("+OK\r\n:1\r\n")).toBe("+OK\r\n:1\r\n");
  expect(take).not.toHaveBeenCalled();
});

test("what the server's own process writes is told, too, when it is acknowledged", async () => {
  const store = await open(temporaryDirectory(), { sync: "os" });
  const server = await temporaryServer({ store, notifyKeyspaceEvents: "Eg$x" });
  const client = new Client(server.address.port);
  client.say(request("PSUBSCRIBE", "__keyevent@0__:*"));
  while (!client.received.endsWith(":1\r\n")) await after(5);
  await client.receive();
  await store.put("a", "1");
  await store.put("ä", "1", { ttlMs: 100_000 });
  await store.delete("none");
  await store.expire("a", 100_000);
  await store.persist("a");
  await store.persist("none");
  await store.increment("n", 2);
  await store.update("n", (old) => `${old}0`);
  await store.putMany([
    { key: "b", value: "1" },
    { key: "c", value: "1", ttlMs: 100_000 },
  ]);
  await store.batch([
    { type: "put", key: "d", value: "1" },
    { type: "check", key: "a", if: "present" },
    { type: "delete", key: "b" },
    { type: "delete", key: "none" },
  ]);
  expect((await store.batch([{ type: "put", key: "a", value: "2", if: "absent" }])).committed).toBe(false);
  await store.deleteMany(["c", "none"]);
  await store.delete("d");
  const stream = store.createWriteStream();
  for (const key of ["s1", "s2"]) stream.write({ key, value: "v" });
  stream.end();
  await once(stream, "finish");
  const told = [
    ...[
      "set a",
      "set ä",
      "expire ä",
      "expire a",
      "persist a",
      "set n",
      "set n",
      "set b",
      "set c",
      "expire c",
      "set d",
      "del b",
    ],
    ...["del c", "del d", "set s1", "set s2"],
  ];
  const messages = told.map((line) => {
    const [event, key] = line.split(" ") as [string, string];
    const words = ["pmessage", "__keyevent@0__:*", `__keyevent@0__:${event}`, key];
    return request(...words).toString("latin1");
  });
  expect(await client.expectReply(messages.join(""))).toBe(messages.join(""));
  // Nobody listens any more: nothing is noted.
  const other = new Client(server.address.port);
  other.say(request("CONFIG", "SET", "notify-keyspace-events", ""));
  expect(await other.expectReply("+OK\r\n")).toBe("+OK\r\n");
  expect(server.session.changes).toBeUndefined();
  await store.put("a", "2");
  expect(client.received).toBe("");
});
