// ioredis against our server and against redis-server: the same calls, with RESP2 and with RESP3, have the same results.
import { Redis } from "ioredis";
import type { RedisOptions } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { temporaryServer } from "../serving.js";
import { expectEveryCommand, expectSameOutcomes } from "./steps.js";
import type { Step } from "./steps.js";

const protocols = [2, 3] as const;

type Choices = Pick<RedisOptions, "password" | "username" | "retryStrategy" | "maxRetriesPerRequest"> & {
  readonly protocol: 2 | 3;
  readonly replyMapping?: "legacy" | "resp3";
  readonly enableAutoPipelining?: boolean;
  readonly enableReadyCheck?: boolean;
};

/** A client that tells of no errors but through its calls. */
function clientOf(port: number, options: Choices): Redis {
  const client = new Redis({ port, host: "127.0.0.1", ...options });
  client.on("error", () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

const far = 4_102_444_800; // a Unix second
const steps: Step<Redis>[] = [
  // Strings.
  ["get nothing", (c) => c.get("none")],
  ["set", (c) => c.set("a", "1")],
  ["set nx", (c) => c.set("a", "2", "NX")],
  ["set xx get", (c) => c.set("a", "2", "XX", "GET")],
  ["set ex", (c) => c.set("ttl", "v", "EX", 1000)],
  ["set px", (c) => c.set("ttl", "v", "PX", 1_000_000)],
  ["set exat", (c) => c.set("ttl", "v", "EXAT", far)],
  ["expiretime", (c) => c.expiretime("ttl")],
  ["set keepttl", (c) => c.set("ttl", "w", "KEEPTTL")],
  ["pexpiretime", (c) => c.pexpiretime("ttl")],
  ["set a buffer", (c) => c.set("binary", Buffer.from([0, 255, 13, 10, 128]))],
  ["getBuffer", (c) => c.getBuffer("binary")],
  ["setex", (c) => c.setex("s", 100, "v")],
  ["psetex", (c) => c.psetex("s", 100_000, "v")],
  ["setnx", (c) => c.setnx("s", "w")],
  ["getset", (c) => c.getset("s", "w")],
  ["getdel", (c) => c.getdel("s")],
  ["getex", (c) => c.getex("a", "EX", 1000)],
  ["getex persist", (c) => c.getex("a", "PERSIST")],
  ["mset of an object", (c) => c.mset({ m1: "1", m2: "zwei" })],
  ["mset of a map", (c) => c.mset(new Map([["m3", "3"]]))],
  ["msetnx", (c) => c.msetnx({ m3: "x", m4: "y" })],
  ["mget", (c) => c.mget("m1", "none", "m2", "m3", "m4")],
  ["mget of an array", (c) => c.mget(["m1", "m2"])],
  ["append", (c) => c.append("m1", "0")],
  ["strlen", (c) => c.strlen("m1")],
  ["getrange", (c) => c.getrange("m2", 1, -2)],
  ["substr", (c) => c.call("substr", "m2", "0", "1")],
  ["setrange", (c) => c.setrange("m2", 6, "ä")],
  ["get utf-8", (c) => c.get("m2")],
  ["incr", (c) => c.incr("n")],
  ["incrby", (c) => c.incrby("n", 41)],
  ["decr", (c) => c.decr("n")],
  ["decrby", (c) => c.decrby("n", 50)],
  ["incrbyfloat", (c) => c.incrbyfloat("n", 0.5)],
  ["incr of no integer", (c) => c.incr("m2")],
  ["incr beyond 64 bits", async (c) => [await c.set("n", "9223372036854775807"), await c.incr("n")]],
  // Bits.
  ["setbit", (c) => c.setbit("bits", 7, 1)],
  ["getbit", (c) => c.getbit("bits", 7)],
  ["bitcount", (c) => c.bitcount("bits", 0, -1, "BYTE")],
  ["bitpos", (c) => c.bitpos("bits", 1, 0, -1, "BIT")],
  ["bitop", (c) => c.bitop("NOT", "bits2", "bits")],
  ["bitfield", (c) => c.call("bitfield", "field", "SET", "u8", 0, 200, "OVERFLOW", "FAIL", "INCRBY", "u8", 0, 100)],
  ["bitfield_ro", (c) => c.bitfield_ro("field", "GET", "u8", 0)],
  // Keys.
  ["exists", (c) => c.exists("a", "a", "none")],
  ["type", (c) => c.type("a")],
  ["touch", (c) => c.touch("a", "none")],
  ["rename", (c) => c.rename("a", "b")],
  ["rename of nothing", (c) => c.rename("none", "b")],
  ["renamenx", (c) => c.renamenx("b", "m1")],
  ["copy", (c) => c.copy("b", "c", "REPLACE")],
  ["del", (c) => c.del("b", "none")],
  ["unlink", (c) => c.unlink(["c"])],
  ["keys", async (c) => (await c.keys("m*")).sort()],
  ["scan", async (c) => allScanned(c)],
  ["scanStream", async (c) => allStreamed(c)],
  ["randomkey", async (c) => typeof (await c.randomkey())],
  ["dbsize", (c) => c.dbsize()],
  ["object encoding", (c) => c.object("ENCODING", "m3")],
  ["memory usage of nothing", (c) => c.memory("USAGE", "none")],
  // Expiry.
  ["expire", (c) => c.expire("m1", 1000)],
  ["expire nx", (c) => c.expire("m1", 2000, "NX")],
  ["ttl", (c) => c.ttl("m1")],
  ["pexpire", (c) => c.pexpire("m1", 5_000_000, "GT")],
  ["expireat", (c) => c.expireat("m1", far)],
  ["pexpireat", (c) => c.pexpireat("m1", far * 1000 + 1)],
  ["pexpiretime after it", (c) => c.pexpiretime("m1")],
  ["persist", (c) => c.persist("m1")],
  ["pttl of nothing", (c) => c.pttl("none")],
  ["object refcount", (c) => c.object("REFCOUNT", "m3")],
  ["memory usage", async (c) => typeof (await c.memory("USAGE", "m1"))],
  ["expiretime of nothing", (c) => c.expiretime("none")],
  // Connection and server.
  ["hello", async (c) => ((await c.call("HELLO")) as string[]).includes("standalone")],
  ["auth without a password", (c) => c.auth("default", "x")],
  ["ping", (c) => c.ping()],
  ["ping with words", (c) => c.ping("hello you")],
  ["echo", (c) => c.echo("x")],
  ["select", (c) => c.select(0)],
  ["select another", (c) => c.select(1)],
  ["client setname", (c) => c.client("SETNAME", "me")],
  ["client getname", (c) => c.client("GETNAME")],
  ["client id", async (c) => typeof (await c.client("ID"))],
  ["client info", async (c) => /name=me .*resp=\d/.exec(await c.client("INFO"))?.[0].slice(-1)],
  ["client list", async (c) => String(await c.client("LIST")).includes("name=me")],
  ["client no-evict", (c) => c.client("NO-EVICT", "ON")],
  ["client pause", (c) => c.client("PAUSE", 1)],
  ["client unpause", (c) => c.client("UNPAUSE")],
  ["client kill of nobody", (c) => c.client("KILL", "ID", 999_999)],
  ["command getkeys", (c) => c.command("GETKEYS", "MSET", "a", "1", "b", "2")],
  ["command getkeysandflags", (c) => c.call("COMMAND", "GETKEYSANDFLAGS", "GET", "a")],
  ["command count", async (c) => typeof (await c.command("COUNT"))],
  ["command list", async (c) => ((await c.call("COMMAND", "LIST")) as string[]).includes("get")],
  ["command info", async (c) => ((await c.command("INFO", "get")) as [string, number, string[]][])[0]?.slice(0, 2)],
  ["config get", (c) => c.config("GET", "save")],
  ["config set what is so", (c) => c.config("SET", "save", "")],
  ["config set of nothing", (c) => c.config("SET", "nonsense", "1")],
  ["config resetstat", (c) => c.config("RESETSTAT")],
  ["info", async (c) => /redis_version:([\d.]+)/.exec(await c.info("server"))?.[1]?.split(".")[0]],
  ["time", async (c) => (await c.time()).length],
  ["lastsave", async (c) => typeof (await c.lastsave())],
  ["wait", (c) => c.wait(0, 10)],
  ["bgrewriteaof", (c) => c.bgrewriteaof()],
  ["shutdown abort", (c) => c.call("SHUTDOWN", "ABORT")],
  ["slowlog get", (c) => c.slowlog("GET", 0)],
  ["slowlog reset", (c) => c.slowlog("RESET")],
  ["slowlog len", (c) => c.slowlog("LEN")],
  ["debug is off", (c) => c.call("debug", "SLEEP", "0")],
  ["function flush", (c) => c.call("function", "FLUSH")],
  // What is missing here is an error, and the connection goes on.
  ["an unknown command", (c) => c.call("nonsense", "a", "b")],
  ["a wrong number of arguments", (c) => c.call("get")],
  // Transactions and pipelines.
  ["pipeline", (c) => c.pipeline().set("p", "1").incr("p").get("p").incr("m2").get("none").exec().then(shown)],
  ["multi", (c) => c.multi().set("t", "1").incr("t").mget("t", "none").exec()],
  ["multi with a command that fails", (c) => c.multi().incr("m2").set("t", "2").exec().then(shown)],
  ["multi with an unknown command", (c) => c.multi().set("t", "3").call("nonsense").exec().then(shown)],
  ["multi without pipeline", async (c) => [await c.multi({ pipeline: false }), await c.get("t"), await c.exec()]],
  ["discard", async (c) => [await c.multi({ pipeline: false }), await c.set("t", "4"), await c.discard()]],
  ["watch of what stays", async (c) => [await c.watch("t"), await c.multi().set("t", "5").exec()]],
  ["watch of what changes", async (c) => [await c.watch("t"), await c.set("t", "6"), await c.multi().get("t").exec()]],
  ["exec without multi", (c) => c.exec()],
  ["watch twice", async (c) => [await c.watch("t"), await c.watch("t", "u")]],
  ["unwatch", async (c) => [await c.watch("t"), await c.unwatch()]],
  ["many at once", (c) => Promise.all(Array.from({ length: 500 }, (_, i) => c.set(`many:${i}`, String(i))))],
  ["1 MiB there and back", async (c) => [await c.set("big", "x".repeat(1 << 20)), (await c.get("big"))?.length]],
  ["reset", async (c) => [await c.watch("t"), await c.call("RESET"), await c.get("t")]],
  ["flushdb", (c) => c.flushdb()],
  ["flushall", async (c) => [await c.flushall(), await c.dbsize()]],
  ["quit", (c) => c.quit()],
];

/** Errors as what they say: the two servers' are objects of their own. */
function shown(results: [Error | null, unknown][] | null): unknown {
  return results?.map(([error, value]) => (error === null ? value : `error: ${error.message}`));
}

async function allScanned(client: Redis): Promise<string[]> {
  const found = new Set<string>();
  let cursor = "0";
  do {
    const [next, keys] = await client.scan(cursor, "MATCH", "m*", "COUNT", 2);
    for (const key of keys) found.add(key);
    cursor = next;
  } while (cursor !== "0");
  return [...found].sort();
}

async function allStreamed(client: Redis): Promise<string[]> {
  const found = new Set<string>();
  for await (const keys of client.scanStream({ match: "*", type: "string" }) as AsyncIterable<string[]>) {
    for (const key of keys) found.add(key);
  }
  return [...found].sort();
}

test("no command is left out", () => {
  expectEveryCommand(steps);
});

test.each(protocols)("every call of ioredis answers as with redis-server, RESP%i", async (protocol) => {
  await expectSameOutcomes((port) => clientOf(port, { protocol }), steps);
});

test("replies of RESP3 are mapped as with redis-server", async () => {
  const mapped: Step<Redis>[] = [
    ["config get", (c) => c.config("GET", "databases")],
    ["hello", async (c) => Object.keys((await c.call("HELLO", "3")) as object).sort()],
    ["command docs", async (c) => Object.keys(await c.command("DOCS", "get"))],
    ["get nothing", (c) => c.get("none")],
  ];
  await expectSameOutcomes((port) => clientOf(port, { protocol: 3, replyMapping: "resp3" }), mapped);
});

test("autopipelining answers each call its own", async () => {
  const { port } = (await temporaryServer()).address;
  const client = clientOf(port, { protocol: 3, enableAutoPipelining: true });
  const numbers = Array.from({ length: 1000 }, (_, i) => i);
  await Promise.all(numbers.map((i) => client.set(`k${i}`, `v${i}`)));
  expect(await Promise.all(numbers.map((i) => client.get(`k${i}`)))).toEqual(numbers.map((i) => `v${i}`));
});

test.each(protocols)("a password is taken by option and by AUTH, RESP%i", async (protocol) => {
  const { port } = (await temporaryServer({ password: "correct horse" })).address;
  const known = clientOf(port, { protocol, password: "correct horse" });
  expect(await known.set("a", "1")).toBe("OK");
  const named = clientOf(port, { protocol, username: "default", password: "correct horse" });
  expect(await named.get("a")).toBe("1");
  const unknown = clientOf(port, { protocol, retryStrategy: () => null, enableReadyCheck: false });
  await expect(unknown.get("a")).rejects.toThrow(/NOAUTH|closed/);
  if (protocol === 2) expect(await unknown.auth("correct horse")).toBe("OK");
  const wrong = clientOf(port, { protocol, password: "nonsense", retryStrategy: () => null });
  await expect(wrong.get("a")).rejects.toThrow();
});

test.each(protocols)("a client goes on by itself when the server was restarted, RESP%i", async (protocol) => {
  const first = await temporaryServer({ password: "secret" });
  const { port } = first.address;
  const client = clientOf(port, { protocol, password: "secret", retryStrategy: () => 20, maxRetriesPerRequest: null });
  expect(await client.set("a", "1")).toBe("OK");
  const { dataDir } = first.options;
  await first.close();
  const waiting = client.incr("a");
  await temporaryServer({ port, password: "secret", dataDir });
  expect(await waiting).toBe(2);
  expect(await client.get("a")).toBe("2");
});
