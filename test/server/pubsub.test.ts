// Publish and subscribe: the replies and messages of redis-server, and what it does not promise.
import { setTimeout as after } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { native } from "../../src/native.js";
import { expectSame } from "./side-by-side.js";
import { Client, request, temporaryServer } from "./serving.js";

/** What a subscriber of RESP2 may not say. */
const restricted = [
  ["GET", "x"],
  ["CLIENT", "LIST"],
  ["CLIENT", "NOPE"],
  ["GET"],
  ["MULTI"],
  ["EXEC"],
  ["EXEC", "x"],
  ["DISCARD"],
  ["PUBLISH", "x", "y"],
  ["AUTH", "x"],
];

test.each(["2", "3"])("subscribers and publishers of RESP%s are answered as by redis-server", async (version) => {
  await expectSame(
    [
      ["a", "CLIENT", "SETNAME", "a"],
      ["a", "SUBSCRIBE", "news", "sport", "news"],
      ["b", "PSUBSCRIBE", "n*", "[st]port"],
      ["p", "PUBLISH", "news", "hello"],
      ["p", "PUBLISH", "sport", "\r\n\u00ff"],
      ["p", "PUBLISH", "nobody", "x"],
      ["p", "PUBLISH", "weather", "x"],
      ["p", "PUBSUB", "NUMSUB", "news", "sport", "none"],
      ["p", "PUBSUB", "NUMSUB"],
      ["p", "PUBSUB", "NUMPAT"],
      ["p", "PUBSUB", "CHANNELS", "n*"],
      ["p", "PUBSUB", "CHANNELS", "x*"],
      ["p", "PUBSUB", "NO"],
      ["p", "PUBSUB", "NUMPAT", "x"],
      ["p", "PUBSUB", "CHANNELS", "x", "y"],
      ["p", "PUBSUB"],
      ["p", "SUBSCRIBE"],
      ["p", "PUBLISH", "x"],
      ...(version === "3" ? [] : restricted).map((words) => ["a", ...words] as const),
      ["a", "NO-SUCH"],
      ["a", "PING"],
      ["a", "PING", "hello"],
      ["a", "PING", "hello", "x"],
      ["a", "UNSUBSCRIBE", "none"],
      ["a", "PSUBSCRIBE", "*"],
      ["p", ["PUBLISH", "news", "1"], ["PUBLISH", "sport", "2"], ["PUBLISH", "news", "3"]],
      ["a", "UNSUBSCRIBE", "sport"],
      ["a", "UNSUBSCRIBE"],
      ["a", "UNSUBSCRIBE"],
      ["a", "PUNSUBSCRIBE"],
      ["a", "PUNSUBSCRIBE"],
      ["a", "GET", "k"],
      ["p", "PUBLISH", "news", "nobody"],
      ["b", "RESET"],
      ["b", "GET", "k"],
      ["p", "PUBSUB", "NUMPAT"],
      ["b", "SUBSCRIBE", "x"],
      ["b", "QUIT"],
      ["p", "PUBSUB", "CHANNELS"],
    ],
    { version },
  );
});

test("a transaction's publications go out when it is committed, in its order, and not when it is not", async () => {
  await expectSame([
    ["a", "SUBSCRIBE", "news"],
    ["p", ["MULTI"], ["PUBLISH", "news", "1"], ["SET", "k", "v"], ["PUBLISH", "news", "2"], ["EXEC"]],
    ["p", "WATCH", "k"],
    ["p", ["SET", "k", "w"], ["MULTI"], ["PUBLISH", "news", "3"], ["EXEC"]],
    ["p", ["MULTI"], ["PUBLISH", "news", "4"], ["DISCARD"]],
    ["p", ["MULTI"], ["PUBLISH", "news", "5"], ["INCR", "k"], ["EXEC"]],
    ["p", ["MULTI"], ["PUBLISH", "news", "6"], ["GET"], ["EXEC"]],
    ["p", ["MULTI"], ["SUBSCRIBE", "x"], ["EXEC"]],
    ["q", "PUBLISH", "x", "y"],
  ]);
});

const heard = (channel: string, text: string): string =>
  `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel}\r\n$${text.length}\r\n${text}\r\n`;

test("in always, what a transaction publishes is not heard before it is durable", async () => {
  const server = await temporaryServer({ sync: "always" });
  const [subscriber, publisher] = [new Client(server.address.port), new Client(server.address.port)];
  subscriber.say(request("SUBSCRIBE", "news"));
  await subscriber.expectReply("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  onTestFinished(() => void vi.restoreAllMocks());
  // The log's writer is not woken. When it is awake all the same (on a busy machine it may not have come to its first sleep, or have the
  // watermark behind the try before to write), what is published may be durable at any time, and that try says nothing.
  for (let tries = 0, wasPending = false; !wasPending; tries++) {
    expect(tries).toBeLessThan(10);
    await after(tries * 200);
    const kick = vi.spyOn(native, "kick").mockImplementation(() => undefined);
    const { acknowledgedGroup } = server.session;
    publisher.say(
      Buffer.concat([request("MULTI"), request("SET", "k", "v"), request("PUBLISH", "news", "1"), request("EXEC")]),
    );
    const queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n";
    expect(await publisher.expectReply(queued)).toBe(queued);
    while (kick.mock.calls.length === 0) await after(5);
    await after(50);
    wasPending = server.session.acknowledgedGroup === acknowledgedGroup;
    if (wasPending) expect([subscriber.received, publisher.received]).toEqual(["", ""]);
    kick.mockRestore();
    native.kick(server.session.handle);
    expect(await publisher.expectReply("*2\r\n+OK\r\n:1\r\n")).toBe("*2\r\n+OK\r\n:1\r\n");
    expect(await subscriber.expectReply(heard("news", "1"))).toBe(heard("news", "1"));
  }
});

test("a subscriber that does not read is cut off at the bound, and the others hear everything", async () => {
  const server = await temporaryServer({ replyBytesMax: 1024 * 1024, replyBytesPause: 1024 });
  const [deaf, subscriber, publisher] = Array.from({ length: 3 }, () => new Client(server.address.port)) as [
    Client,
    Client,
    Client,
  ];
  for (const client of [deaf, subscriber]) {
    client.say(request("SUBSCRIBE", "news"));
    await client.expectReply("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  }
  deaf.socket.pause();
  const message = "m".repeat(1024 * 1024);
  const bound = server.replyBytesMax + 2 * 1024 * 1024;
  let receivers = 2;
  for (let sent = 0; receivers === 2; sent++) {
    expect(sent).toBeLessThan(100);
    publisher.say(request("PUBLISH", "news", message));
    const reply = await publisher.expectReply(":2\r\n");
    receivers = Number(reply.slice(1));
    expect((await subscriber.expectReply(heard("news", message))).length).toBe(heard("news", message).length);
    for (const connection of server.connections.values()) expect(connection.waitingBytes).toBeLessThan(bound);
  }
  expect(receivers).toBe(1);
  expect(server.connections.size).toBe(2);
});

test("CLIENT LIST, INFO and CLIENT KILL know of subscriptions; those of a closed connection are gone", async () => {
  const server = await temporaryServer();
  const [subscriber, other] = [new Client(server.address.port), new Client(server.address.port)];
  subscriber.say(Buffer.concat([request("HELLO", "2"), request("SUBSCRIBE", "a", "b"), request("PSUBSCRIBE", "c*")]));
  while (!subscriber.received.endsWith("c*\r\n:3\r\n")) await after(5);
  other.say(Buffer.concat([request("CLIENT", "LIST"), request("INFO", "stats")]));
  while (!other.received.includes("pubsub_patterns:1\r\n")) await after(5);
  expect(other.received).toMatch(/id=1 .* sub=2 psub=1 /);
  expect(other.received).toMatch(/id=2 .* sub=0 psub=0 /);
  expect(other.received).toContain("pubsub_channels:2\r\n");
  await other.receive();
  other.say(request("CLIENT", "KILL", "TYPE", "pubsub"));
  expect(await other.expectReply(":1\r\n")).toBe(":1\r\n");
  other.say(request("PUBSUB", "CHANNELS"));
  expect(await other.expectReply("*0\r\n")).toBe("*0\r\n");
});

test("a line of text can subscribe, too, and sees what it is sent", async () => {
  const server = await temporaryServer();
  const [subscriber, publisher] = [new Client(server.address.port), new Client(server.address.port)];
  subscriber.say("SUBSCRIBE news\n");
  expect(await subscriber.expectReply("ARRAY 3\nVALUE subscribe\nVALUE news\n1\n")).toBe(
    "ARRAY 3\nVALUE subscribe\nVALUE news\n1\n",
  );
  publisher.say("PUBLISH news 'two words'\n");
  expect(await publisher.expectReply("1\n")).toBe("1\n");
  expect(await subscriber.expectReply("ARRAY 3\nVALUE message\nVALUE news\nVALUE two words\n")).toBe(
    "ARRAY 3\nVALUE message\nVALUE news\nVALUE two words\n",
  );
});
