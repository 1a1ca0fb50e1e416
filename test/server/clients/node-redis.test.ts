// node-redis against our server and against redis-server: the same calls, with RESP2 and with RESP3, have the same results.
import { createClient, createClientPool, RESP_TYPES, WatchError } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { temporaryServer } from "../serving.js";
import { expectEveryCommand, expectSameOutcomes } from "./steps.js";
import type { Step } from "./steps.js";

const protocols = [2, 3] as const;
type Protocol = (typeof protocols)[number];

interface Choices {
  readonly password?: string;
  readonly reconnect?: boolean;
}

/** A connected client that tells of no errors but through its calls. */
async function clientOf(port: number, RESP: Protocol, { password, reconnect = false }: Choices = {}) {
  const socket = { host: "127.0.0.1", port, reconnectStrategy: reconnect ? () => 20 : (false as const) };
  const client = createClient({ RESP, socket, ...(password === undefined ? {} : { password }) });
  client.on("error", () => undefined);
  onTestFinished(() => {
    if (client.isOpen) client.destroy();
  });
  await client.connect();
  return client;
}

type Client = Awaited<ReturnType<typeof clientOf>>;

const far = 4_102_444_800; // a Unix second
const steps: Step<Client>[] = [
  // Strings.
  ["get nothing", (c) => c.get("none")],
  ["set", (c) => c.set("a", "1")],
  ["set of a number", (c) => c.set("number", 5)],
  ["set nx", (c) => c.set("a", "2", { condition: "NX" })],
  ["set xx get", (c) => c.set("a", "2", { condition: "XX", GET: true })],
  ["set ex", (c) => c.set("ttl", "v", { expiration: { type: "EX", value: 1000 } })],
  ["set px", (c) => c.set("ttl", "v", { expiration: { type: "PX", value: 1_000_000 } })],
  ["set pxat", (c) => c.set("ttl", "v", { expiration: { type: "PXAT", value: far * 1000 } })],
  ["expiretime", (c) => c.expireTime("ttl")],
  ["set keepttl", (c) => c.set("ttl", "w", { expiration: "KEEPTTL" })],
  ["pexpiretime", (c) => c.pExpireTime("ttl")],
  ["set of bytes", (c) => c.set("binary", Buffer.from([0, 255, 13, 10, 128]))],
  ["get of bytes", (c) => c.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get("binary")],
  ["setex", (c) => c.setEx("s", 100, "v")],
  ["psetex", (c) => c.pSetEx("s", 100_000, "v")],
  ["setnx", (c) => c.setNX("s", "w")],
  ["getset", (c) => c.getSet("s", "w")],
  ["getdel", (c) => c.getDel("s")],
  ["getex", (c) => c.getEx("a", { type: "EX", value: 1000 })],
  ["getex persist", (c) => c.getEx("a", { type: "PERSIST" })],
  ["mset", (c) => c.mSet({ m1: "1", m2: "zwei", m3: "3" })],
  ["msetnx", (c) => c.mSetNX([["m3", "x"], ["m4", "y"]])], // prettier-ignore
  ["mget", (c) => c.mGet(["m1", "none", "m2", "m3", "m4"])],
  ["append", (c) => c.append("m1", "0")],
  ["strlen", (c) => c.strLen("m1")],
  ["getrange", (c) => c.getRange("m2", 1, -2)],
  ["substr", (c) => c.sendCommand(["SUBSTR", "m2", "0", "1"])],
  ["setrange", (c) => c.setRange("m2", 6, "ä")],
  ["get utf-8", (c) => c.get("m2")],
  ["incr", (c) => c.incr("n")],
  ["incrby", (c) => c.incrBy("n", 41)],
  ["decr", (c) => c.decr("n")],
  ["decrby", (c) => c.decrBy("n", 50)],
  ["incrbyfloat", (c) => c.incrByFloat("n", 0.5)],
  ["incr of no integer", (c) => c.incr("m2")],
  // Bits.
  ["setbit", (c) => c.setBit("bits", 7, 1)],
  ["getbit", (c) => c.getBit("bits", 7)],
  ["bitcount", (c) => c.bitCount("bits", { start: 0, end: -1, mode: "BYTE" })],
  ["bitpos", (c) => c.bitPos("bits", 1, 0, -1, "BIT")],
  ["bitop", (c) => c.bitOp("NOT", "bits2", "bits")],
  ["bitfield", (c) => c.bitField("field", [
    { operation: "SET", encoding: "u8", offset: 0, value: 200 },
    { operation: "OVERFLOW", behavior: "FAIL" },
    { operation: "INCRBY", encoding: "u8", offset: 0, increment: 100 },
  ])], // prettier-ignore
  ["bitfield_ro", (c) => c.bitFieldRo("field", [{ encoding: "u8", offset: 0 }])],
  // Keys.
  ["exists", (c) => c.exists(["a", "a", "none"])],
  ["type", (c) => c.type("a")],
  ["touch", (c) => c.touch(["a", "none"])],
  ["rename", (c) => c.rename("a", "b")],
  ["rename of nothing", (c) => c.rename("none", "b")],
  ["renamenx", (c) => c.renameNX("b", "m1")],
  ["copy", (c) => c.copy("b", "c", { REPLACE: true })],
  ["del", (c) => c.del(["b", "none"])],
  ["unlink", (c) => c.unlink("c")],
  ["keys", async (c) => (await c.keys("m*")).sort()],
  ["scan", allScanned],
  ["randomkey", async (c) => typeof (await c.randomKey())],
  ["dbsize", (c) => c.dbSize()],
  ["object encoding", (c) => c.objectEncoding("m3")],
  ["object refcount", (c) => c.objectRefCount("m3")],
  ["memory usage", async (c) => typeof (await c.memoryUsage("m3"))],
  ["memory usage of nothing", (c) => c.memoryUsage("none")],
  // Expiry.
  ["expire", (c) => c.expire("m1", 1000)],
  ["expire nx", (c) => c.expire("m1", 2000, "NX")],
  ["ttl", (c) => c.ttl("m1")],
  ["pexpire", (c) => c.pExpire("m1", 5_000_000, "GT")],
  ["expireat", (c) => c.expireAt("m1", new Date(far * 1000))],
  ["pexpireat", (c) => c.pExpireAt("m1", far * 1000 + 1)],
  ["persist", (c) => c.persist("m1")],
  ["pttl of nothing", (c) => c.pTTL("none")],
  // Connection and server.
  ["hello", async (c) => ((await c.hello()) as { proto: number }).proto],
  ["auth without a password", (c) => c.auth({ username: "default", password: "x" })],
  ["ping", (c) => c.ping()],
  ["ping with words", (c) => c.ping("hello you")],
  ["echo", (c) => c.echo("x")],
  ["select", (c) => c.select(0)],
  ["select another", (c) => c.select(1)],
  ["client setname", (c) => c.clientSetName("me")],
  ["client getname", (c) => c.clientGetName()],
  ["client id", async (c) => typeof (await c.clientId())],
  ["client info", async (c) => { const { name, db, user } = await c.clientInfo(); return { name, db, user }; }], // prettier-ignore
  ["client list", async (c) => (await c.clientList()).map(({ name }) => name)],
  ["client no-evict", (c) => c.clientNoEvict(true)],
  ["client pause", (c) => c.clientPause(1)],
  ["client unpause", (c) => c.clientUnpause()],
  ["client kill of nobody", (c) => c.clientKill({ filter: "ID", id: 999_999 })],
  ["command", async (c) => (await c.command()).find(({ name }) => name === "mset")?.step],
  ["command count", async (c) => typeof (await c.commandCount())],
  ["command getkeys", (c) => c.commandGetKeys(["MSET", "a", "1", "b", "2"])],
  ["command getkeysandflags", (c) => c.commandGetKeysAndFlags(["GET", "a"])],
  ["command info", async (c) => (await c.commandInfo(["get", "set"])).map(described)],
  ["command list", async (c) => (await c.commandList()).includes("get")],
  ["config get", (c) => c.configGet("databases")],
  ["config set what is so", (c) => c.configSet("save", "")],
  ["config resetstat", (c) => c.configResetStat()],
  ["info", async (c) => /redis_version:([\d.]+)/.exec(await c.info("server"))?.[1]?.split(".")[0]],
  ["time", async (c) => (await c.time()).length],
  ["lastsave", async (c) => typeof (await c.lastSave())],
  ["bgrewriteaof", (c) => c.bgRewriteAof()],
  ["wait", (c) => c.wait(0, 10)],
  ["slowlog", (c) => c.sendCommand(["SLOWLOG", "RESET"])],
  ["shutdown abort", (c) => c.sendCommand(["SHUTDOWN", "ABORT"])],
  ["debug is off", (c) => c.sendCommand(["DEBUG", "SLEEP", "0"])],
  ["function flush", (c) => c.functionFlush("SYNC")],
  // What is missing here is an error, and the connection goes on.
  ["an unknown command", (c) => c.sendCommand(["NONSENSE", "a", "b"])],
  ["a wrong number of arguments", (c) => c.sendCommand(["GET"])],
  // Transactions and pipelines.
  ["multi", (c) => c.multi().set("t", "1").incr("t").mGet(["t", "none"]).exec()],
  ["multi as a pipeline", (c) => c.multi().set("t", "2").get("t").execAsPipeline()],
  ["multi with a command that fails", (c) => c.multi().incr("m2").set("t", "3").exec()],
  ["multi with an unknown command", (c) => c.multi().set("t", "4").addCommand(["NONSENSE"]).exec()],
  ["exec without multi", (c) => c.sendCommand(["EXEC"])],
  ["discard without multi", (c) => c.sendCommand(["DISCARD"])],
  ["watch of what stays", async (c) => [await c.watch("t"), await c.multi().set("t", "5").exec()]],
  ["watch of what changes", changedWhileWatched],
  ["unwatch", async (c) => [await c.watch("t"), await c.unwatch()]],
  ["many at once", (c) => Promise.all(Array.from({ length: 500 }, (_, i) => c.set(`many:${i}`, String(i))))],
  ["1 MiB there and back", async (c) => [await c.set("big", "x".repeat(1 << 20)), (await c.get("big"))?.length]],
  ["flushdb", (c) => c.flushDb()],
  ["flushall", async (c) => [await c.flushAll(), await c.dbSize()]],
  ["reset", (c) => c.reset().then(() => c.get("a"))],
  ["quit", (c) => c.close()],
];

function described(command: { name: string; arity: number; flags: Set<string>; firstKeyIndex: number } | null) {
  return command === null ? null : [command.name, command.arity, [...command.flags].sort(), command.firstKeyIndex];
}

async function allScanned(client: Client): Promise<string[]> {
  const found: string[] = [];
  for await (const keys of client.scanIterator({ MATCH: "m*", COUNT: 2, TYPE: "string" })) found.push(...keys);
  return [...new Set(found)].sort();
}

async function changedWhileWatched(client: Client): Promise<unknown> {
  await client.watch("t");
  await client.set("t", "6");
  return client.multi().get("t").exec();
}

test("no command is left out", () => {
  expectEveryCommand(steps);
});

test.each(protocols)("every call of node-redis answers as with redis-server, RESP%i", async (protocol) => {
  await expectSameOutcomes((port) => clientOf(port, protocol), steps);
});

test("what it asks of newer servers is refused in words, and the connection stays", async () => {
  const client = await clientOf((await temporaryServer()).address.port, 3);
  for (const words of [
    ["CLIENT", "TRACKING", "ON"],
    ["CLIENT", "MAINT_NOTIFICATIONS", "ON"],
    ["EVAL", "return 1", "0"],
    ["HSET", "h", "f", "v"],
  ]) {
    await expect(client.sendCommand(words), words.join(" ")).rejects.toThrow(/^ERR unknown (?:sub)?command/);
  }
  expect(await client.ping()).toBe("PONG");
});

test.each(protocols)("a password is taken, and a wrong one refused, RESP%i", async (protocol) => {
  const { port } = (await temporaryServer({ password: "correct horse" })).address;
  const known = await clientOf(port, protocol, { password: "correct horse" });
  expect(await known.set("a", "1")).toBe("OK");
  await expect(clientOf(port, protocol, { password: "nonsense" })).rejects.toThrow("WRONGPASS");
});

test("a pool's connections each watch for themselves", async () => {
  const { port } = (await temporaryServer()).address;
  const pool = createClientPool({ RESP: 3, socket: { host: "127.0.0.1", port } }, { minimum: 1, maximum: 4 });
  pool.on("error", () => undefined);
  await pool.connect();
  const add = async (): Promise<void> => {
    for (;;) {
      try {
        await pool.execute(async (client) => {
          await client.watch("sum");
          const sum = Number(await client.get("sum"));
          await client.multi().set("sum", sum + 1).exec(); // prettier-ignore
        });
        return;
      } catch (error) {
        if (!(error instanceof WatchError)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: 50 }, add));
  expect(await pool.get("sum")).toBe("50");
  await pool.close();
});

test.each(protocols)("a client goes on by itself when the server was restarted, RESP%i", async (protocol) => {
  const first = await temporaryServer({ password: "secret" });
  const { port } = first.address;
  const client = await clientOf(port, protocol, { password: "secret", reconnect: true });
  expect(await client.set("a", "1")).toBe("OK");
  const { dataDir } = first.options;
  await first.close();
  while (client.isReady) await new Promise((resolve) => setTimeout(resolve, 5));
  const waiting = client.incr("a");
  await temporaryServer({ port, password: "secret", dataDir });
  expect(await waiting).toBe(2);
  expect(await client.get("a")).toBe("2");
});
