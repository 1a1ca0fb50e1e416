// Scripts of several clients, said to a redis-server and to ours: who received what after each step.
import { expect } from "vitest";
import { startRedis } from "./redis-server.js";
import { Client, request, temporaryServer } from "./serving.js";
import type { ServeOptions } from "../../src/server/index.js";

/** A client's name, and what it says: words of a request, or several requests at once. */
export type Step = readonly [client: string, ...said: readonly string[] | readonly (readonly string[])[]];

/** What each client received after each step, as lines such as `a SET k v`, `  a "+OK\r\n"`. */
async function transcriptOf(port: number, steps: readonly Step[], version = "2"): Promise<string[]> {
  const clients = new Map<string, Client>();
  const lines: string[] = [];
  for (const [i, [name, ...said]] of steps.entries()) {
    if (!clients.has(name)) {
      const client = new Client(port);
      clients.set(name, client);
      client.say(request("HELLO", version));
      await untilPong(client, "hello");
    }
    const requests = (typeof said[0] === "string" ? [said] : said) as readonly (readonly string[])[];
    clients.get(name)!.say(Buffer.concat(requests.map((words) => request(...words))));
    lines.push(`${name} ${requests.map((words) => words.join(" ")).join("; ")}`);
    // The one who spoke first: what it caused is under way to the others when it has its reply.
    for (const other of [name, ...[...clients.keys()].filter((key) => key !== name)]) {
      const received = await untilPong(clients.get(other)!, `barrier:${i}`);
      if (received !== "") lines.push(`  ${other} ${JSON.stringify(received)}`);
    }
  }
  return lines;
}

async function untilPong(client: Client, token: string): Promise<string> {
  client.say(request("PING", token));
  // A client that is in subscribed mode is answered otherwise.
  const plain = `$${token.length}\r\n${token}\r\n`;
  const pong = `*2\r\n$4\r\npong\r\n${plain}`;
  let received = "";
  while (!received.includes(plain) && !client.ended) received += await client.receive();
  return received.replace(pong, "").replace(plain, "");
}

/** Says the script to both sides, and expects the same of them. */
export async function expectSame(
  steps: readonly Step[],
  options: {
    redis?: readonly string[];
    ours?: ServeOptions;
    version?: string;
    compare?: (lines: readonly string[]) => readonly string[];
  } = {},
): Promise<string[]> {
  const [redisPort, server] = [await startRedis(...(options.redis ?? [])), await temporaryServer(options.ours)];
  const theirs = await transcriptOf(redisPort, steps, options.version);
  const ours = await transcriptOf(server.address.port, steps, options.version);
  const { compare = (lines: readonly string[]): readonly string[] => lines } = options;
  expect(compare(ours)).toEqual(compare(theirs));
  return ours;
}
