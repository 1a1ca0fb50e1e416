// Side by side with a real redis-server: conversations about the server and its clients, where generated commands
// (differential.test.ts) would be too many or would disturb each other. Each line gets the same bytes from both.
import { expect, test } from "vitest";
import { respCommands, subcommands } from "../../src/server/command-table.js";
import { startRedis } from "./redis-server.js";
import { ReplyReader } from "./reply-reader.js";
import { Client, request, temporaryServer } from "./serving.js";

/** Words as a person writes them; "''" is the empty one. */
const wordsOf = (line: string): string[] => line.split(" ").map((word) => (word === "''" ? "" : word));

/** What the server at this port answers, line by line. */
async function repliesOf(port: number, lines: readonly string[]): Promise<string[]> {
  const reader = new ReplyReader(port);
  const replies: string[] = [];
  for (const line of lines) {
    reader.socket.write(request(...wordsOf(line)));
    replies.push(`${line} -> ${await reader.next()}`);
  }
  reader.socket.destroy();
  return replies;
}

const conversations: Record<string, string[]> = {
  "OBJECT and MEMORY": [
    ...["OBJECT", "OBJECT NOPE", "OBJECT NOPE k", "OBJECT ENCODING", "OBJECT ENCODING a b", "OBJECT HELP x"],
    ...["SET n 9999", "OBJECT REFCOUNT n", "SET n 10000", "OBJECT REFCOUNT n", "OBJECT ENCODING n", "OBJECT REFCOUNT"],
    ...["MEMORY", "MEMORY NOPE", "MEMORY USAGE", "MEMORY USAGE none", "MEMORY DOCTOR x", "MEMORY HELP x"],
    ...["MEMORY USAGE n SAMPLES", "MEMORY USAGE n SAMPLES x", "MEMORY USAGE n SAMPLES -1", "MEMORY USAGE n b c"],
  ],
  "WAIT, FUNCTION, LASTSAVE": [
    ...["WAIT", "WAIT 0 0", "WAIT x 0", "WAIT 0 x", "WAIT 0 -1", "WAIT -1 0", "WAIT 0 9223372036854775807"],
    ...["WAIT 9223372036854775808 0", "WAIT 1 10", "FUNCTION", "FUNCTION NOPE", "FUNCTION FLUSH"],
    ...["FUNCTION FLUSH SYNC", "FUNCTION FLUSH async", "FUNCTION FLUSH x", "FUNCTION FLUSH ASYNC SYNC", "LASTSAVE x"],
  ],
  SLOWLOG: [
    ...["SLOWLOG", "SLOWLOG NOPE", "SLOWLOG LEN x", "SLOWLOG LEN", "SLOWLOG RESET x", "SLOWLOG RESET", "SLOWLOG GET"],
    ...["SLOWLOG GET x", "SLOWLOG GET -2", "SLOWLOG GET -1", "SLOWLOG GET 0", "SLOWLOG GET 1 2"],
    ...["SLOWLOG GET 9223372036854775808", "CONFIG GET slowlog-log-slower-than", "CONFIG GET slowlog-max-len"],
  ],
  "CLIENT PAUSE": [
    ...["CLIENT PAUSE", "CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 1.5", "CLIENT PAUSE 0 NOPE"],
    ...["CLIENT PAUSE x NOPE", "CLIENT PAUSE 0 WRITE", "SET k v", "CLIENT PAUSE 0 all", "CLIENT PAUSE 0 WRITE x"],
    ...["CLIENT PAUSE 9223372036854775808", "CLIENT PAUSE 100000 WRITE", "GET k", "CLIENT UNPAUSE", "SET k w"],
    ...["CLIENT UNPAUSE x", "CLIENT PAUSE 1 ALL", "SET k v"],
  ],
  "CLIENT KILL": [
    ...["CLIENT KILL", "CLIENT KILL 127.0.0.1:1", "CLIENT KILL ID", "CLIENT KILL ID x", "CLIENT KILL ID 0"],
    ...["CLIENT KILL ID 99999", "CLIENT KILL ID 99999 ADDR", "CLIENT KILL ADDR 127.0.0.1:1", "CLIENT KILL NOPE x"],
    ...["CLIENT KILL LADDR 127.0.0.1:1", "CLIENT KILL TYPE x", "CLIENT KILL TYPE master", "CLIENT KILL TYPE replica"],
    ...["CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal", "CLIENT KILL USER x", "CLIENT KILL USER default"],
    ...[
      "CLIENT KILL SKIPME x",
      "CLIENT KILL SKIPME yes",
      "CLIENT KILL NOPE x y",
      "CLIENT KILL ID 99 SKIPME no",
      "PING",
    ],
    ...["CLIENT KILL SKIPME no", "PING"],
  ],
  "subcommands that MULTI refuses to queue": [
    ...["MULTI", "CLIENT NOPE", "PING", "EXEC", "MULTI", "CLIENT", "EXEC", "MULTI", "CLIENT SETNAME", "EXEC"],
    ...["MULTI", "CONFIG GET", "EXEC", "MULTI", "CONFIG SET a", "CONFIG NOPE x", "EXEC", "MULTI", "OBJECT ENCODING"],
    ...["EXEC", "MULTI", "OBJECT HELP x", "EXEC", "MULTI", "OBJECT nope k", "EXEC", "MULTI", "MEMORY USAGE", "EXEC"],
    ...["MULTI", "SLOWLOG LEN x", "DISCARD", "EXEC", "MULTI", "PUBSUB NUMPAT x", "EXEC", "MULTI", "FUNCTION x", "EXEC"],
    ...["MULTI", "COMMAND COUNT x", "EXEC", "MULTI", "COMMAND NOPE", "EXEC", "MULTI", "COMMAND GETKEYS GET", "EXEC"],
    // What a subcommand finds wrong itself is found when it runs.
    ...["MULTI", "CLIENT SETNAME a", "CONFIG SET a b c", "PUBSUB CHANNELS a b", "CLIENT LIST x", "CLIENT GETNAME"],
    ...["FUNCTION FLUSH x", "SLOWLOG GET x", "OBJECT FREQ none", "CLIENT KILL ID x", "EXEC"],
    ...["MULTI", "DEBUG NOPE", "EXEC", "MULTI", "DEBUG", "EXEC"],
  ],
  "CLIENT LIST": [
    ...[
      "CLIENT LIST x",
      "CLIENT LIST TYPE",
      "CLIENT LIST TYPE x",
      "CLIENT LIST TYPE replica",
      "CLIENT LIST TYPE MASTER",
    ],
    ...["CLIENT LIST type slave", "CLIENT LIST TYPE pubsub", "CLIENT LIST TYPE normal x", "CLIENT LIST ID"],
    ...["CLIENT LIST ID x", "CLIENT LIST ID 9999", "CLIENT LIST ID 9999 x", "CLIENT LIST ID 9999 99999", "CLIENT ID x"],
  ],
  "HELP that says all": [
    ...["SLOWLOG HELP", "SLOWLOG HELP x", "FUNCTION HELP x", "COMMAND HELP x", "CONFIG HELP x", "PUBSUB HELP x"],
    ...["MULTI", "SLOWLOG HELP", "SLOWLOG HELP x", "EXEC"],
  ],
  "OBJECT FREQ and IDLETIME": [
    ...["OBJECT FREQ", "OBJECT FREQ none", "OBJECT IDLETIME none", "OBJECT IDLETIME", "SET k v", "OBJECT FREQ k"],
  ],
  "CLIENT NO-EVICT and unknown subcommands": [
    ...["CLIENT NO-EVICT", "CLIENT NO-EVICT x", "CLIENT NO-EVICT on", "CLIENT NO-EVICT OFF", "CLIENT NO-EVICT on x"],
    ...["CLIENT", "CLIENT NOPE", "CLIENT REPLY", "CLIENT REPLY x", "CLIENT REPLY ON x", "CLIENT REPLY ON"],
  ],
  "SHUTDOWN, and DEBUG while it is off": [
    ...["DEBUG", "DEBUG SLEEP 0", "DEBUG NOPE", "CONFIG GET enable-debug-command", "SHUTDOWN x", "SHUTDOWN ABORT"],
    ...["SHUTDOWN ABORT NOW", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN NOW NOW x", "MULTI", "SHUTDOWN", "SHUTDOWN x", "EXEC"],
    ...["SHUTDOWN nosave", "PING"],
  ],
};

const debugging = [
  ...[
    "DEBUG",
    "DEBUG SLEEP 0",
    "DEBUG SLEEP x",
    "DEBUG SLEEP -1",
    "DEBUG SLEEP 0.01",
    "DEBUG SLEEP",
    "DEBUG SLEEP 0 1",
  ],
  ...["DEBUG NOPE", "DEBUG NOPE x", "DEBUG OBJECT k", "DEBUG OBJECT", "DEBUG OBJECT k x", "DEBUG SET-ACTIVE-EXPIRE"],
  ...[
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "DEBUG SET-ACTIVE-EXPIRE 1",
    "DEBUG SET-ACTIVE-EXPIRE x",
    "DEBUG set-active-expire 5",
  ],
  ...["DEBUG SET-ACTIVE-EXPIRE 1 1", "MULTI", "SET k v", "DEBUG OBJECT none", "DEBUG SLEEP 0", "EXEC"],
];

const muting = [
  ...["CLIENT REPLY ON", "CLIENT REPLY SKIP", "PING a", "PING b", "CLIENT REPLY OFF", "PING c", "CLIENT REPLY SKIP"],
  ...["PING d", "PING d2", "CLIENT REPLY x", "NOPE", "SET k v", "CLIENT REPLY ON", "PING e", "CLIENT REPLY SKIP"],
  ...["CLIENT REPLY SKIP", "PING f", "PING g", "CLIENT REPLY OFF", "RESET", "PING h", "CLIENT REPLY SKIP", "RESET"],
  ...["PING i", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "PING j", "CLIENT REPLY SKIP", "CLIENT REPLY OFF", "MULTI"],
  ...["SET k w", "EXEC", "CLIENT REPLY ON", "GET k", "CLIENT REPLY SKIP", "CLIENT ID", "CLIENT REPLY SKIP", "GET k"],
];

test("COMMAND tells which arguments are keys, and what is done to them", async () => {
  const withKeys = [...respCommands.values()].filter(({ firstKey }) => firstKey > 0);
  const lines = withKeys.flatMap(({ name, arity, firstKey, lastKey, keyStep }) => {
    const fewest = Math.max(Math.abs(arity), firstKey + (lastKey < 0 ? keyStep : 1));
    const words = Array.from({ length: fewest - 1 }, (_, i) => `w${i + 1}`).join(" ");
    return [`COMMAND GETKEYS ${name} ${words}`.trim(), `COMMAND GETKEYSANDFLAGS ${name} ${words}`.trim()];
  });
  const special = [
    "SET a b",
    "SET a b NOPE",
    "SET a b EX 5 get",
    "SET a get",
    "SET a",
    "OBJECT ENCODING k",
    "OBJECT HELP",
  ];
  special.push(
    "OBJECT NOPE k",
    "OBJECT REFCOUNT k",
    "MEMORY USAGE k SAMPLES 5",
    "MEMORY DOCTOR",
    "NOPE",
    "NOPE x",
    "MSET a 1 b 2",
  );
  special.push(
    "BITFIELD k",
    "BITFIELD k GET u8 0",
    "BITFIELD k get u8 0 overflow wrap get u8 1",
    "BITFIELD k SET u8 0 1",
  );
  special.push(
    "BITFIELD k GET u8",
    "BITFIELD k OVERFLOW",
    "BITFIELD k NOPE",
    "BITFIELD k GET u8 0 INCRBY u8 0 1",
    "DEL a b c",
  );
  special.push(
    "BITOP AND to a b",
    "RENAME a b",
    "RENAMENX a b",
    "COPY a b REPLACE",
    "MSET a 1 b",
    "WATCH a b",
    "PING x",
    "PING",
  );
  for (const words of special) lines.push(`COMMAND GETKEYS ${words}`, `COMMAND GETKEYSANDFLAGS ${words}`);
  lines.push("COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS");
  const [redisPort, server] = [await startRedis(), await temporaryServer()];
  expect(await repliesOf(server.address.port, lines)).toEqual(await repliesOf(redisPort, lines));
});

test.each(Object.entries(conversations))("%s are answered as redis-server answers", async (_name, lines) => {
  const [redisPort, server] = [await startRedis(), await temporaryServer()];
  expect(await repliesOf(server.address.port, lines)).toEqual(await repliesOf(redisPort, lines));
});

test("DEBUG is answered as redis-server answers, once enabled", async () => {
  const [redisPort, server] = [
    await startRedis("--enable-debug-command", "yes"),
    await temporaryServer({ enableDebug: true }),
  ];
  expect(await repliesOf(server.address.port, debugging)).toEqual(await repliesOf(redisPort, debugging));
});

test("COMMAND INFO tells of subcommands what redis-server tells", async () => {
  const [redisPort, server] = [await startRedis(), await temporaryServer()];
  const lines = [...subcommands.values()]
    .filter(({ name }) => name !== "client|setinfo") // of Redis 7.2
    .flatMap(({ name }) => [`COMMAND GETKEYS ${name.replace("|", " ")} k`, `COMMAND INFO ${name}`]);
  // Up to the categories: arity, flags, where keys are.
  const cut = (reply: string): string =>
    reply.includes("COMMAND INFO") ? reply.split("\r\n").slice(0, 7).join() : reply;
  const [ours, theirs] = [await repliesOf(server.address.port, lines), await repliesOf(redisPort, lines)];
  expect(ours.map(cut)).toEqual(theirs.map(cut));
});

test("CLIENT LIST lists what was asked for, in that order", async () => {
  const server = await temporaryServer();
  const [one, two] = [new Client(server.address.port), new Client(server.address.port)];
  two.say(request("SUBSCRIBE", "news"));
  await two.receive();
  const idsOf = async (...filter: string[]): Promise<string> => {
    one.say(request("CLIENT", "LIST", ...filter));
    return [...(await one.receive()).matchAll(/^id=(\d+) /gm)].map(([, id]) => id).join(" ");
  };
  expect(await idsOf()).toBe("1 2");
  expect(await idsOf("TYPE", "normal")).toBe("1");
  expect(await idsOf("type", "PUBSUB")).toBe("2");
  expect(await idsOf("ID", "2", "7", "1", "2")).toBe("2 1 2");
});

test("CLIENT REPLY leaves out the replies that redis-server leaves out", async () => {
  const stream = async (port: number): Promise<string[]> => {
    const reader = new ReplyReader(port);
    reader.socket.write(Buffer.concat([...muting, "PING end"].map((line) => request(...wordsOf(line)))));
    const replies: string[] = [];
    while (replies.at(-1) !== "$3\r\nend\r\n") replies.push(await reader.next());
    return replies;
  };
  const server = await temporaryServer();
  expect(await stream(server.address.port)).toEqual(await stream(await startRedis()));
});
