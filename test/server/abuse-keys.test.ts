// Commands over a million keys, while others work: KEYS *, FLUSHALL, and a walk with SCAN.
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../../src/index.js";
import { amountOf } from "../seed.js";
import { temporaryDirectory } from "../temporary.js";
import { Bystander, shownLatency } from "./abuse.js";
import type { Latency } from "./abuse.js";
import { ReplyReader } from "./reply-reader.js";
import { ServerProcess } from "./server-process.js";
import { request } from "./serving.js";

const keys = amountOf("CRABKV_TEST_KEYS", 1_000_000, 50_000);
// Only where the machine has nothing else to do does a ratio of latencies tell about the server.
const rounds = Number(process.env.CRABKV_TEST_ROUNDS ?? "1");

async function filled(): Promise<string> {
  const dataDir = join(temporaryDirectory(), "data");
  const store = await open(dataDir, { sync: "os" });
  const BATCH = 10_000;
  for (let i = 0; i < keys; i += BATCH) {
    await store.putMany(Array.from({ length: BATCH }, (_, at) => ({ key: `key:${i + at}`, value: "v" })));
  }
  await store.close();
  return dataDir;
}

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1]!;

test(
  "KEYS *, SCAN and FLUSHALL over a million keys let others work",
  { timeout: 60_000 + rounds * 30_000 },
  async () => {
    const server = await ServerProcess.start({ dataDir: await filled(), flags: ["--sync", "os"] });
    const bystander = new Bystander(server.port, true);
    const reader = new ReplyReader(server.port);
    const ask = async (...words: string[]): Promise<string> => {
      reader.socket.write(request(...words));
      return reader.next();
    };
    const figures = new Map<string, Latency[]>();
    const measure = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      figures.set(what, [...(figures.get(what) ?? []), await bystander.latencyDuring(work)]);
    };
    for (let round = 0; round < rounds; round++) {
      figures.set("nothing else", [...(figures.get("nothing else") ?? []), await bystander.latencyFor(1000)]);
      await measure("KEYS *", async () => {
        // The bystander's key may be there, too.
        expect(await keysFound(server.port)).toBeGreaterThanOrEqual(keys);
      });
      await measure("KEYS of nothing", async () => expect(await ask("KEYS", "none*")).toBe("*0\r\n"));
      await measure("SCAN", async () => expect(await scanned(ask)).toBeGreaterThanOrEqual(keys));
    }
    await measure("FLUSHALL", async () => expect(await ask("FLUSHALL")).toBe("+OK\r\n"));
    await bystander.served();
    expect(await ask("DBSIZE")).toBe(":1\r\n");
    for (const [what, latencies] of figures)
      console.log(`${keys} keys, ${what}: ${latencies.map(shownLatency).join("; ")}`);
    if (rounds < 3) return;
    const normal = median(figures.get("nothing else")!.map(({ p99 }) => p99));
    for (const [what, latencies] of figures)
      expect(median(latencies.map(({ p99 }) => p99)), what).toBeLessThan(normal * 10);
  },
);

/** What KEYS * finds; counted in lines, because a reply of a million parts is not parsed at every chunk of it. */
async function keysFound(port: number): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  socket.write(Buffer.concat([request("KEYS", "*"), request("QUIT")]));
  let lines = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (let at = chunk.indexOf("\n"); at !== -1; at = chunk.indexOf("\n", at + 1)) lines++;
  }
  return (lines - 2) / 2;
}

/** Walks over all keys; how many there were. */
async function scanned(ask: (...words: string[]) => Promise<string>): Promise<number> {
  let count = 0;
  let cursor = "0";
  do {
    const reply = await ask("SCAN", cursor, "COUNT", "10000");
    cursor = /^\*2\r\n\$\d+\r\n(\d+)\r\n/.exec(reply)![1]!;
    count += Number(/\r\n\*(\d+)\r\n/.exec(reply)![1]);
  } while (cursor !== "0");
  return count;
}
