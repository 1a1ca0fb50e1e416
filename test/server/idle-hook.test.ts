// A hook that only lets commands through changes nothing of what clients are answered, whatever they speak.
import { expect, test } from "vitest";
import { commandTable } from "../../src/server/command-table.js";
import type { Server } from "../../src/server/index.js";
import { conversations, requestsOf, textOf } from "./conversations.js";
import { temporaryStore } from "../temporary.js";
import { Client, temporaryServer } from "./serving.js";

/** Every command, with what makes it answer in each way that it has. */
const commands: Record<string, readonly string[]> = {
  strings: [
    ...[
      "SET a 1",
      "SET a 2 NX",
      "SET a 3 XX GET",
      "SETNX b 1",
      "GETSET a 4",
      "GETDEL b",
      "GETDEL b",
      "GET a",
      "GET none",
    ],
    ...["SETEX s 10 20", "SETEX s active 20", "TTL s", "GET s", "PSETEX p 100000 v", "PSETEX p x v", "GETEX s PERSIST"],
    ...["MSET a 1 b 2", "MSET a", "MSETNX a 1 c 2", "MGET a b none", "APPEND a 23", "STRLEN a", "SUBSTR a 0 1"],
    ...[
      "GETRANGE a 0 1",
      "SETRANGE a 5 x",
      "GET a",
      "INCR n",
      "DECR n",
      "INCRBY n 5",
      "DECRBY n 2",
      "INCRBYFLOAT n 0.5",
    ],
    ...["INCR a", "GET", "SET a b NOPE", 'ECHO ""', "LOLWUT"],
  ],
  keys: [
    ...["SET a 1", "SET b 2", "EXISTS a b none", "TYPE a", "TYPE none", "TOUCH a none", "COPY a c", "COPY none d"],
    ...["RENAME c d", "RENAME none x", "RENAMENX d a", "KEYS *", "SCAN 0", "SCAN 0 MATCH a* COUNT 5 TYPE string"],
    ...["DBSIZE", "EXPIRE a 100000", "EXPIRE a x", "PEXPIRE b 100000000", "TTL a", "EXPIREAT a 4102444800"],
    ...["PEXPIREAT b 4102444800000", "EXPIRETIME a", "PEXPIRETIME b", "PERSIST a", "PERSIST a", "PTTL a", "PTTL none"],
    ...[
      "OBJECT ENCODING a",
      "OBJECT FREQ a",
      "OBJECT NOPE a",
      "OBJECT HELP",
      "OBJECT",
      "MEMORY USAGE a",
      "MEMORY HELP",
    ],
    ...["DEL a none", "UNLINK b", "RANDOMKEY", "FLUSHDB", "RANDOMKEY", "FLUSHALL", "DBSIZE", "SWAPDB 0 0"],
  ],
  bits: [
    ...["SETBIT a 7 1", "SETBIT a 7 2", "GETBIT a 7", "BITCOUNT a", "BITPOS a 1", "BITOP NOT b a", "GET b"],
    ...["BITFIELD a SET u8 0 255 OVERFLOW FAIL INCRBY u8 0 1", "BITFIELD_RO a GET u4 0", "BITFIELD a GET u99 0"],
  ],
  "what is wrong": [
    "NOPE a b",
    'NOPE "\\xff\\x07"',
    'GET "\\x07" x',
    'CLIENT "\\xfe\\x07"',
    "CLIENT NOPE",
    "EXEC",
    "DISCARD",
    "HELP x",
  ],
  transactions: [
    ...["MULTI", "MULTI", "SET a 1", "INCR a", "GET none", "SETEX s active 20", "CLIENT GETNAME", "CLIENT ID"],
    ...["CONFIG GET maxclients", "COMMAND INFO get", "CLIENT HELP", "AUTH x", "DEBUG SLEEP 0.001", "EXEC"],
    ...["MULTI", "SET a 1", "CONFIG GET maxclients", "PUBSUB NUMPAT", "PUBLISH c m", "ECHO x", "EXEC", "GET a"],
    ...["WATCH a", "SET a 2", "MULTI", "CLIENT GETNAME", "EXEC", "WATCH a", "UNWATCH", "MULTI", "NOPE", "EXEC"],
    ...["MULTI", "GET a", "DISCARD", "MULTI", "EXEC", "MULTI", "GET a", "RESET", "EXEC"],
  ],
  "a changed form in a transaction": ["MULTI", "PING", "HELLO 3", "HELLO 2", "CLIENT GETNAME", "EXEC", "PING"],
  subscriptions: [
    ...[
      "PUBSUB CHANNELS",
      "SUBSCRIBE a b",
      "PSUBSCRIBE n*",
      "GET a",
      "PING",
      "PING x",
      "PUBLISH a m",
      "PUBSUB NUMSUB a",
    ],
    ...["UNSUBSCRIBE a", "PUNSUBSCRIBE", "UNSUBSCRIBE", "UNSUBSCRIBE", "PUBLISH a m", "GET a"],
  ],
  "subscriptions in a transaction": [
    ...["MULTI", "SUBSCRIBE a b c", "PING", "PUBLISH a m", "SET k v", "UNSUBSCRIBE", "EXEC", "PING", "RESET", "GET k"],
  ],
  "notifications of oneself": [
    // They come after the turn of what they tell of: what runs in TypeScript ends it.
    ...["CONFIG SET notify-keyspace-events KEA", "SUBSCRIBE __keyevent@0__:set", "SET k v", "CLIENT ID", "APPEND k w"],
    ...["CLIENT ID", "MULTI", "SET k x", "PUBLISH __keyevent@0__:set m", "EXEC", "CLIENT ID", "GET k"],
  ],
  "muted in a transaction": [
    ...["MULTI", "PING", "CLIENT REPLY SKIP", "GET a", "EXEC", "ECHO x", "ECHO y"],
    ...["MULTI", "CLIENT REPLY OFF", "EXEC", "ECHO x", "MULTI", "ECHO y", "CLIENT REPLY ON", "GET a", "EXEC", "ECHO z"],
  ],
  connection: [
    ...["PING", "PING x", "PING x y", "ECHO x", "CLIENT ID", "CLIENT SETNAME me", "CLIENT GETNAME", "CLIENT HELP"],
    ...[
      "CLIENT SETINFO lib-name x",
      "CLIENT NO-EVICT ON",
      "CLIENT KILL 1.2.3.4:5",
      "CLIENT UNPAUSE",
      "SELECT 0",
      "SELECT 1",
    ],
    ...["AUTH x", "HELLO x", "WAIT 0 0", "RESET", "CLIENT GETNAME", "MONITOR", "PING", "RESET"],
    ...["CLIENT KILL ID 1", "CLIENT KILL ID 1 SKIPME no", "PING"],
  ],
  "a new form": ["GET a", "HELLO 3", "GET a", "CLIENT GETNAME", "HELLO 2", "GET a", "QUIT", "PING"],
  server: [
    ...[
      "COMMAND COUNT",
      "COMMAND INFO get nope",
      "COMMAND DOCS get",
      "COMMAND LIST",
      "CONFIG GET *max*",
      "CONFIG SET port 1",
    ],
    ...["CONFIG RESETSTAT", "SAVE", "BGSAVE", "FUNCTION FLUSH", "FUNCTION NOPE", "DEBUG NOPE", "DEBUG OBJECT none"],
    ...[
      "DEBUG SLEEP 0.03",
      "SLOWLOG LEN",
      "SLOWLOG RESET",
      "PUBSUB HELP",
      "MEMORY DOCTOR",
      "BGREWRITEAOF",
      "SHUTDOWN x",
    ],
  ],
  "words of the text protocol": [
    ...["PUT a 'two words' ttl=45", "PUT a", "GET a", "DELETE a", "DELETE a", "EX a", "HELP", "COMPACT"],
    ...["PUT a 'nil'", "GET a", "PUT a 'ERR x'", "GET a", 'PUT a "\\xe2\\x80\\xae\\xff\\n\\x07\\"\\\\ "', "GET a"],
  ],
  figures: ["TIME", "LASTSAVE", "CLIENT INFO", "CLIENT LIST", "SLOWLOG GET", "INFO", "STATS", "COMPACT JSON"],
  "a pause": ["CLIENT PAUSE 30 WRITE", "SET a 1", "MULTI", "GET a", "EXEC"],
  "the end": ["SET a 1", "SHUTDOWN NOSAVE", "GET a"],
};

const spoken = Object.entries(commands).flatMap(([name, lines]) => {
  const requests = requestsOf(lines);
  return [
    { name: `RESP2: ${name}`, said: requests },
    { name: `RESP3: ${name}`, said: Buffer.concat([requestsOf(["HELLO 3"]), requests]) },
    { name: `text: ${name}`, said: textOf(lines) },
  ];
});

/** Without times, ports and sizes, which differ from one run to the next: in what MONITOR shows, and in all of `figures`. */
function normalized(replies: string, name: string): string {
  if (name.endsWith("figures")) return replies.replace(/\d[\d.e-]*[KMG]?/g, "N");
  return replies.replace(/\d{9,}\.\d{6} \[0 [\d.]+:\d+\]/g, "TIME [0 ADDRESS]");
}

const options = { enableDebug: true };

async function repliesOf(server: Server, said: Buffer): Promise<string> {
  const client = new Client(server.address.port);
  client.say(said);
  client.socket.end();
  return client.untilEnded();
}

test.each([...spoken, ...conversations])(
  "$name: with an idle hook all replies are as without",
  async ({ name, said }) => {
    const store = await temporaryStore(); // one, because KEYS goes by its seed
    for (const textStyle of ["value", "bare", "resp"] as const) {
      const [plain, hooked] = [
        await temporaryServer({ store, ...options, textStyle }),
        await temporaryServer({ store, ...options, textStyle }),
      ];
      hooked.use((_context, next) => next());
      const without = normalized(await repliesOf(plain, said), name);
      await store.clear();
      expect(normalized(await repliesOf(hooked, said), name), textStyle).toBe(without);
      await store.clear();
      if (!name.startsWith("text")) return;
    }
  },
);

test("what is too large as text only is not done either way", async () => {
  const store = await temporaryStore({ valueBytesMax: 1024 * 1024 });
  const server = await temporaryServer({ store, replyBytesMax: 1024 });
  const client = new Client(server.address.port);
  await store.put("k", "\u0007".repeat(1024 * 1024)); // four bytes each in quotes
  const refused = "ERR the reply, or what the command needs for it, is larger than 3145728 bytes\n";
  for (const hooked of [false, true]) {
    if (hooked) server.use((_context, next) => next());
    client.say("GETDEL k\n");
    expect(await client.expectReply(refused)).toBe(refused);
    client.say("MULTI\nGETDEL k\nEXEC\n");
    expect(await client.expectReply(`OK\nQUEUED\n${refused}`)).toBe(`OK\nQUEUED\n${refused}`);
    expect(await store.has("k")).toBe(true);
  }
});

test("every command is tried so", () => {
  const tried = new Set(
    Object.values(commands).flatMap((lines) => lines.map((line) => line.split(" ")[0]!.toLowerCase())),
  );
  expect(commandTable.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
});
