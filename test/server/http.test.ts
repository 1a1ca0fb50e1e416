// What is asked over HTTP: metrics, health, and whether the server takes clients. And INFO, as exporters read it.
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serve } from "../../src/server/index.js";
import { temporaryDirectory } from "../temporary.js";
import { serveProcess } from "./serve-process.js";
import { Client, request, temporaryServer } from "./serving.js";

async function get(
  port: number,
  path: string,
  method = "GET",
): Promise<{ status: number; body: string; type: string }> {
  const sent = httpRequest({ host: "127.0.0.1", port, path, method, agent: false }).end();
  const [response] = (await once(sent, "response")) as [import("node:http").IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode!, body, type: response.headers["content-type"] ?? "" };
}

async function expectReplies(client: Client, said: string[][], replies: string): Promise<void> {
  client.say(Buffer.concat(said.map((words) => request(...words))));
  expect(await client.expectReply(replies)).toBe(replies);
}

/** The values of metrics, by name and labels as they are written. */
function valuesOf(body: string): Map<string, number> {
  const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

test("metrics count commands by name, their errors and times, and what the store does", async () => {
  const server = await temporaryServer({ httpPort: 0, sync: "always" });
  const { port } = server.httpAddress!;
  const client = new Client(server.address.port);
  const said = [
    ["SET", "a", "1"],
    ["SET", "b", "2", "PX", "1"],
    ["GET", "a"],
    ["INCR", "a"],
    ["LPUSH", "a"],
    ["INCR", "b", "b"],
  ];
  client.say(Buffer.concat(said.map((words) => request(...words))));
  client.say(
    Buffer.concat(
      [["MULTI"], ["SET", "c", "3"], ["EXEC"], ["CLIENT", "ID"], ["INCR", "x"], ["SET", "x", "y"], ["INCR", "x"]].map(
        (words) => request(...words),
      ),
    ),
  );
  client.say(request("PING"));
  while (!client.received.endsWith("+PONG\r\n")) await once(client.socket, "data");
  while (server.store.stats().expiredKeys === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const { status, body, type } = await get(port, "/metrics");
  expect(status).toBe(200);
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
  const values = valuesOf(body);
  const expected = {
    'crabkv_commands_total{command="set"}': 4,
    'crabkv_commands_total{command="get"}': 1,
    'crabkv_commands_total{command="incr"}': 4,
    'crabkv_commands_total{command="client"}': 1,
    'crabkv_commands_total{command="exec"}': 1,
    'crabkv_commands_total{command="unknown"}': 1,
    'crabkv_command_errors_total{command="incr"}': 2,
    'crabkv_command_errors_total{command="unknown"}': 1,
    'crabkv_command_errors_total{command="get"}': 0,
    'crabkv_command_seconds_count{command="set"}': 4,
    'crabkv_command_seconds_bucket{command="set",le="+Inf"}': 4,
    crabkv_connected_clients: 1,
    crabkv_connections_total: 1,
    crabkv_keys: 3,
    crabkv_expired_keys_total: 1,
    crabkv_failed: 0,
    crabkv_segments: 1,
  };
  for (const [name, value] of Object.entries(expected)) expect([name, values.get(name)]).toEqual([name, value]);
  for (const name of [
    "commit_groups_total",
    "fsyncs_total",
    "fsync_seconds_total",
    "log_bytes",
    "dead_bytes",
    "index_bytes",
    "acknowledged_version",
  ]) {
    expect(values.get(`crabkv_${name}`), name).toBeGreaterThan(0);
  }
  expect(values.get('crabkv_command_seconds_sum{command="set"}')).toBeGreaterThan(0);
  expect(values.has("crabkv_cache_hits_total")).toBe(true);
  for (const name of ["durable_version", "open_seconds", "open_hints_missing"]) {
    expect(values.has(`crabkv_${name}`), name).toBe(true);
  }
  expect(values.has("process_resident_memory_bytes")).toBe(true);
  // Buckets rise.
  const buckets = [...values].filter(([name]) => name.startsWith('crabkv_command_seconds_bucket{command="set"'));
  expect(buckets).toHaveLength(12);
  expect(buckets.map(([, value]) => value)).toEqual(buckets.map(([, value]) => value).sort((a, b) => a - b));
});

test("without HTTP no times are taken, commands are counted all the same", async () => {
  const server = await temporaryServer();
  expect(server.httpAddress).toBeUndefined();
  const client = new Client(server.address.port);
  await expectReplies(
    client,
    [
      ["SET", "a", "1"],
      ["GET", "a"],
    ],
    "+OK\r\n$1\r\n1\r\n",
  );
  client.say(request("INFO", "commandstats"));
  client.say("");
  while (!client.received.includes("cmdstat_get")) await once(client.socket, "data");
  expect(client.received).toContain(
    "cmdstat_set:calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0\r\n",
  );
});

test("it is alive from the start, and ready only when it takes clients", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  const server = await temporaryServer({ dataDir, httpPort: 0, drainMs: 60_000 });
  const { port } = server.httpAddress!;
  expect(await get(port, "/readyz")).toMatchObject({ status: 200, body: "ok\n" });
  expect(await get(port, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
  expect(await get(port, "/healthz", "HEAD")).toMatchObject({ status: 200, body: "" });
  expect(await get(port, "/healthz", "POST")).toMatchObject({ status: 405 });
  expect(await get(port, "/")).toMatchObject({ status: 404 });
  // A client that does not take its replies holds the drain up.
  const client = new Client(server.address.port);
  await server.store.put("large", "x".repeat(16 << 20));
  client.socket.pause();
  client.say(Buffer.concat([request("GET", "large"), request("GET", "large")]));
  while ([...server.connections.values()].every(({ waitingBytes }) => waitingBytes === 0)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const closing = server.close();
  expect(await get(port, "/readyz")).toMatchObject({ status: 503, body: "draining\n" });
  expect(await get(port, "/healthz")).toMatchObject({ status: 200 });
  expect((await get(port, "/metrics")).status).toBe(200);
  client.socket.resume();
  await closing;
  await expect(get(port, "/healthz")).rejects.toThrow("ECONNREFUSED");
});

test("HTTP answers while the store opens, and its port is free again when that fails", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  const holder = await temporaryServer({ dataDir, httpPort: 0 });
  const { port } = holder.httpAddress!;
  await expect(serve({ dataDir: join(dataDir, "x"), port: 0, httpPort: port })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
  await holder.close();
  await expect(serve({ dataDir: join(dataDir, "LOCK"), port: 0, httpPort: port })).rejects.toThrow();
  const opening = serve({ dataDir, port: 0, httpPort: port });
  let seen: { status: number; body: string } | undefined;
  while (seen === undefined) seen = await get(port, "/readyz").catch(() => undefined);
  expect(["opening\n", "ok\n"]).toContain(seen.body);
  await (await opening).close();
});

test("INFO has what exporters read", async () => {
  const server = await temporaryServer();
  const client = new Client(server.address.port);
  await expectReplies(
    client,
    [["SET", "a", "1"], ["NOPE"]],
    "+OK\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n",
  );
  client.say(request("INFO", "all"));
  while (!client.received.includes("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"))
    await once(client.socket, "data");
  const fields = Object.fromEntries(
    [...client.received.matchAll(/^(\w+):(.*)\r$/gm)].map(([, name, value]) => [name!, value!]),
  );
  const numbers = [
    ...[
      "uptime_in_seconds",
      "process_id",
      "tcp_port",
      "connected_clients",
      "maxclients",
      "used_memory",
      "used_memory_rss",
    ],
    ...["used_memory_peak", "maxmemory", "loading", "aof_enabled", "aof_current_size", "total_connections_received"],
    ...["total_commands_processed", "rejected_connections", "expired_keys", "evicted_keys", "connected_slaves"],
    ...["master_repl_offset", "used_cpu_sys", "used_cpu_user", "cluster_enabled"],
  ];
  for (const name of numbers) expect(fields[name], name).toMatch(/^\d+(\.\d+)?$/);
  expect(fields).toMatchObject({ redis_mode: "standalone", role: "master", tcp_port: String(server.address.port) });
  expect(fields).toMatchObject({ total_commands_processed: "2", total_error_replies: "1" });
  expect(fields.cmdstat_set).toMatch(/^calls=1,/);
});

test("crabkv serve logs JSON with levels, and says where HTTP is", async () => {
  const cwd = temporaryDirectory();
  const served = await serveProcess(cwd, ["--http-addr", "127.0.0.1:0", "--log-level", "debug"]);
  const client = new Client(served.port);
  await expectReplies(client, [["PING"]], "+PONG\r\n");
  expect(await served.end()).toBe(0);
  const lines = served.stderr().trimEnd().split("\n");
  const events = lines.map((line) => JSON.parse(line) as { level: number; msg: string; pid: number });
  expect(events.map(({ msg }) => msg)).toEqual([
    "the store is open",
    "listening",
    "a client has connected",
    "finishing what was begun; a second signal ends at once",
    "draining",
    "a client has gone",
    "closed",
  ]);
  expect(events[0]).toMatchObject({
    level: 30,
    pid: served.child.pid,
    keys: 0,
    cleanOpen: expect.any(Boolean) as boolean,
  });
  const silent = await serveProcess(cwd, ["--log-level", "silent"]);
  expect(await silent.end()).toBe(0);
  expect(silent.stderr()).toBe("");
});
