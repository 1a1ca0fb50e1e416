// A connection ends after its last reply, whatever the session was waiting for when the end came.
import { expect, test } from "vitest";
import { Client, request, temporaryServer } from "./serving.js";

const walk = request("KEYS", "*");
const sleep = request("DEBUG", "SLEEP", "0.05");
const quit = request("QUIT");
const none = "*0\r\n";

test.each<[name: string, said: Buffer, replies: string]>([
  ["QUIT behind a walk over all keys", Buffer.concat([walk, quit]), `${none}+OK\r\n`],
  ["QUIT behind a command of TypeScript's that takes a while", Buffer.concat([sleep, quit]), "+OK\r\n+OK\r\n"],
  [
    "a bad request behind a walk",
    Buffer.concat([walk, Buffer.from("*x\r\n")]),
    `${none}-ERR Protocol error: invalid multibulk length\r\n`,
  ],
  [
    "QUIT behind more than a turn's work",
    Buffer.concat([...Array.from({ length: 5000 }, () => request("PING")), quit]),
    `${"+PONG\r\n".repeat(5000)}+OK\r\n`,
  ],
])("%s ends the connection, also when the client has said all that it will", async (_name, said, replies) => {
  const server = await temporaryServer({ enableDebug: true });
  for (const halfClosed of [false, true]) {
    const client = new Client(server.address.port);
    client.say(said);
    if (halfClosed) client.socket.end();
    expect(await client.untilEnded()).toBe(replies);
  }
  while (server.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("QUIT behind a command that CLIENT PAUSE held ends the connection", async () => {
  const server = await temporaryServer();
  const [operator, client] = [new Client(server.address.port), new Client(server.address.port)];
  operator.say(request("CLIENT", "PAUSE", "100000", "WRITE"));
  expect(await operator.expectReply("+OK\r\n")).toBe("+OK\r\n");
  client.say(Buffer.concat([request("PING"), request("SET", "a", "1"), quit]));
  expect(await client.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  operator.say(request("CLIENT", "UNPAUSE"));
  expect(await client.untilEnded()).toBe("+OK\r\n+OK\r\n");
});
