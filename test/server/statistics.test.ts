// INFO stats: what exporters read of it, compared with redis-server where that counts the same; CONFIG RESETSTAT.
import { expect, test, vi } from "vitest";
import { startRedis } from "./redis-server.js";
import { ReplyReader } from "./reply-reader.js";
import { Client, request, temporaryServer } from "./serving.js";

async function ask(reader: ReplyReader, ...words: string[]): Promise<string> {
  reader.socket.write(request(...words));
  return reader.next();
}

/** The fields of INFO stats. */
async function statsOf(reader: ReplyReader): Promise<Record<string, string>> {
  const text = await ask(reader, "INFO", "stats");
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*)\r$/gm)].map(([, name, value]) => [name!, value!]));
}

const commands = [
  ...[
    "SET k v",
    "GET k",
    "GET none",
    "MGET k none k",
    "EXISTS k none",
    "STRLEN none",
    "TTL k",
    "TYPE none",
    "GETDEL x",
  ],
  ...["OBJECT ENCODING k", "OBJECT REFCOUNT none", "APPEND k w", "INCR n", "GETSET n 5", "SET n 6 GET", "SET n 7 NX"],
  ...["BITCOUNT k", "BITPOS none 1", "BITOP OR d k none", "BITFIELD k GET u8 0", "BITFIELD k SET u8 0 1", "COPY k c"],
  ...["GETEX k", "GETEX none", "TOUCH k c none", "MEMORY USAGE k", "RENAME c e", "GETRANGE k 0 1", "SETRANGE k 0 x"],
  ...["MULTI", "GET k", "GET none", "EXEC", "MULTI", "GET k", "DISCARD", "WATCH k", "GET", "GET a b", "RANDOMKEY"],
];

test("reads that find their key, and those that do not, are counted as redis-server counts them", async () => {
  const server = await temporaryServer();
  const [ours, theirs] = [new ReplyReader(server.address.port), new ReplyReader(await startRedis())];
  for (const line of commands) {
    const figures = [];
    for (const reader of [ours, theirs]) {
      await ask(reader, ...line.split(" "));
      if (["MULTI", "GET k", "GET none"].includes(line)) continue; // INFO would be queued
      const { keyspace_hits, keyspace_misses } = await statsOf(reader);
      figures.push(`${keyspace_hits} hits, ${keyspace_misses} misses`);
    }
    expect(figures[0], line).toBe(figures[1]);
  }
});

test("bytes and commands are counted, as totals and by time, until CONFIG RESETSTAT", async () => {
  const server = await temporaryServer({ requestTimeoutMs: 400 });
  const reader = new ReplyReader(server.address.port);
  const value = "x".repeat(10_000);
  await ask(reader, "SET", "k", value);
  await ask(reader, "GET", "k");
  await ask(reader, "GET", "none");
  const before = await statsOf(reader);
  const set = request("SET", "k", value).length;
  expect(Number(before.total_net_input_bytes)).toBeGreaterThan(set);
  expect(Number(before.total_net_input_bytes)).toBeLessThan(set + 200);
  expect(Number(before.total_net_output_bytes)).toBeGreaterThan(10_000);
  expect(before).toMatchObject({ keyspace_hits: "1", keyspace_misses: "1", total_connections_received: "1" });
  await vi.waitFor(async () => {
    await ask(reader, "GET", "k");
    const { instantaneous_ops_per_sec, instantaneous_output_kbps } = await statsOf(reader);
    expect(Number(instantaneous_ops_per_sec)).toBeGreaterThan(0);
    expect(Number(instantaneous_output_kbps)).toBeGreaterThan(0);
  });
  expect(await ask(reader, "CONFIG", "RESETSTAT")).toBe("+OK\r\n");
  const after = await statsOf(reader);
  expect(after).toMatchObject({ keyspace_hits: "0", keyspace_misses: "0", total_connections_received: "0" });
  // CONFIG itself, which ended after it.
  expect(after).toMatchObject({ total_commands_processed: "1", instantaneous_ops_per_sec: "0" });
  expect(Number(after.total_net_input_bytes)).toBeLessThan(100);
  expect(await ask(reader, "INFO", "commandstats")).not.toContain("cmdstat_get:");
});

test("a connection that is made after CONFIG RESETSTAT is not taken for one made before", async () => {
  const server = await temporaryServer();
  const first = new ReplyReader(server.address.port);
  await ask(first, "CONFIG", "RESETSTAT");
  const second = new Client(server.address.port);
  second.say(request("CLIENT", "ID"));
  expect(await second.expectReply(":2\r\n")).toBe(":2\r\n");
  expect(server.connections.size).toBe(2);
});
