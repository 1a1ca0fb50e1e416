// Side by side with a real redis-server: the same generated commands on both, replies equal byte for byte. Keys are few so
// that commands meet, values are the interesting ones, and both sides speak RESP2.
import { expect, test } from "vitest";
import { randomOf, scaled, testSeed } from "../seed.js";
import { commandsOf } from "./generated-commands.js";
import { startRedis } from "./redis-server.js";
import { ReplyReader } from "./reply-reader.js";
import { request, temporaryServer } from "./serving.js";

/** A reply's kind, for the table of what was covered. */
function outcomeOf(reply: string): string {
  if (reply.startsWith("-ERR unknown command")) return "ERR unknown command";
  if (reply.startsWith("-")) return reply.slice(1).trim();
  if (/^(?:\$-1|\*-1)\r\n/.test(reply)) return "nil";
  return "ok";
}

test("generated commands get the replies of redis-server, byte for byte", async () => {
  const seed = testSeed();
  const fraction = randomOf(seed);
  const random = (limit: number): number => Math.floor(fraction() * limit);
  const [redisPort, server] = [await startRedis(), await temporaryServer()];
  const [theirs, ours] = [new ReplyReader(redisPort), new ReplyReader(server.address.port)];
  const coverage = new Map<string, Map<string, number>>();
  const count = scaled(100_000);
  const recent: string[] = [];
  const batchSize = 250;
  for (let done = 0; done < count; done += batchSize) {
    const commands = commandsOf(random, batchSize);
    const bytes = Buffer.concat(commands.map((words) => request(...words)));
    theirs.socket.write(bytes);
    ours.socket.write(bytes);
    for (const words of commands) {
      const [expected, got] = [await theirs.next(), await ours.next()];
      const name = words[0]!.toString("latin1").toUpperCase();
      const shown = words.map((word) => JSON.stringify(word.toString("latin1"))).join(" ");
      recent.push(`${shown}  ->  ${JSON.stringify(expected)}`);
      if (recent.length > 30) recent.shift();
      const outcomes = coverage.get(name) ?? new Map<string, number>();
      coverage.set(name, outcomes.set(outcomeOf(expected), (outcomes.get(outcomeOf(expected)) ?? 0) + 1));
      if (expected === got) continue;
      expect.fail(
        `seed ${seed}: ${shown}\n  redis: ${JSON.stringify(expected)}\n  ours:  ${JSON.stringify(got)}\n${recent.join("\n")}`,
      );
    }
  }
  const table = [...coverage].sort().map(([name, outcomes]) => {
    const parts = [...outcomes].sort().map(([outcome, times]) => `${outcome} ${times}`);
    return `${name.padEnd(14)}${parts.join(" | ")}`;
  });
  console.log(`seed ${seed}, commands x outcomes, ${count} commands:\n${table.join("\n")}`);
  for (const name of [
    "GET",
    "SET",
    "INCR",
    "APPEND",
    "EXPIRE",
    "GETEX",
    "COPY",
    "RENAME",
    "EXEC",
    "BITFIELD",
    "OBJECT",
  ]) {
    expect(coverage.get(name), name).toBeDefined();
  }
}, 300_000);
