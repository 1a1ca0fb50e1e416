// Side by side with a real redis-server: conversations about the server and its clients, where generated commands
// (differential.test.ts) would be too many or would disturb each other. Each line gets the same bytes from both.
import { expect, test } from "vitest";
import { startRedis } from "./redis-server.js";
import { ReplyReader } from "./reply-reader.js";
import { request, temporaryServer } from "./serving.js";

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
};

test.each(Object.entries(conversations))("%s are answered as redis-server answers", async (_name, lines) => {
  const [redisPort, server] = [await startRedis(), await temporaryServer()];
  expect(await repliesOf(server.address.port, lines)).toEqual(await repliesOf(redisPort, lines));
});
