// What the workloads of servers need: a port, redis-benchmark, and a connection that fills and checks.
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { keyOf, protocols, sizeRequest } from "./protocols.mjs";

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** The version of redis-server; undefined where it or redis-benchmark is not installed. */
export function redisVersion() {
  const version = spawnSync("redis-server", ["--version"], { encoding: "utf8" }).stdout?.match(/v=([\d.]+)/)?.[1];
  return spawnSync("redis-benchmark", ["--version"]).status === 0 ? version : undefined;
}

export const memcachedVersion = () =>
  spawnSync("memcached", ["--version"], { encoding: "utf8" }).stdout?.match(/memcached ([\d.]+)/)?.[1];

/** Runs one test of redis-benchmark to its end; its rate a second, and percentiles of latency in milliseconds, as it counts them. */
export function benchmark(port, { test, connections, pipeline, requests, keys, valueBytes }) {
  const args = [
    "-p",
    port,
    "-t",
    test,
    "-c",
    connections,
    "-P",
    pipeline,
    "-n",
    requests,
    "-r",
    keys,
    "-d",
    valueBytes,
    "--csv",
  ];
  return new Promise((resolve, reject) => {
    execFile("redis-benchmark", args.map(String), (error, stdout, stderr) => {
      const row = /^"(?:GET|SET)",(.*)$/m.exec(stdout)?.[1];
      if (error !== null || row === undefined) return reject(new Error(`redis-benchmark: ${stdout}${stderr}`));
      const [rate, , , p50, , p99, max] = row.split(",").map((field) => Number(field.replaceAll('"', "")));
      resolve({ rate, latencyMs: { p50, p99, max } });
    });
  });
}

/** Says all of it on one connection; what it was answered, when that is as long as the answer to each has to be. */
export async function ask(port, requests, replyBytes) {
  const socket = connect(port, "127.0.0.1");
  socket.write(requests);
  let replies = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    replies += chunk.toString("latin1");
    if (replies.length >= replyBytes) break;
  }
  socket.destroy();
  return replies;
}

/** Puts every key that may be asked for, in the server's own protocol. */
export async function fill(port, keys, valueBytes, protocol = protocols.resp) {
  const AT_A_TIME = 10_000;
  const value = "x".repeat(valueBytes);
  const { stored } = protocol;
  for (let begin = 0; begin < keys; begin += AT_A_TIME) {
    const count = Math.min(AT_A_TIME, keys - begin);
    const requests = Array.from({ length: count }, (_, at) => protocol.set(keyOf(begin + at), value));
    const replies = await ask(port, requests.join(""), count * stored.length);
    if (replies !== stored.repeat(count)) throw new Error(`filling: ${replies.slice(0, 200)}`);
  }
}

/** How many keys the server has. */
export async function keysIn(port) {
  return Number((await ask(port, sizeRequest, 4)).match(/^:(\d+)\r\n/)?.[1]);
}
