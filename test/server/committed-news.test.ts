// What was committed is told to those who have subscribed, whatever becomes of the client that did it.
import { once } from "node:events";
import { expect, test } from "vitest";
import type { Server } from "../../src/server/index.js";
import { temporaryStore } from "../temporary.js";
import { Client, request, temporaryServer } from "./serving.js";

/** Hears of keys that are SET, and of a channel. */
async function subscriberOf(server: Server): Promise<Client> {
  const subscriber = new Client(server.address.port);
  for (const [i, name] of ["__keyevent@0__:set", "news"].entries()) {
    subscriber.say(request("SUBSCRIBE", name));
    const confirmed = `*3\r\n$9\r\nsubscribe\r\n$${name.length}\r\n${name}\r\n:${i + 1}\r\n`;
    expect(await subscriber.expectReply(confirmed)).toBe(confirmed);
  }
  return subscriber;
}

const message = (channel: string, text: string): string => request("message", channel, text).toString();

async function killWhoWrote(server: Server): Promise<void> {
  const writer = server.connections.get(1)!;
  const killer = new Client(server.address.port);
  const closed = once(writer.socket, "close");
  killer.say(request("CLIENT", "KILL", "ID", "1"));
  expect(await killer.expectReply(":1\r\n")).toBe(":1\r\n");
  await closed;
}

/** A client that is killed while a hook has the reply to this command, and one that listens. */
async function killedBehind(command: string, options: { readonly sync?: "os" | "always" } = {}) {
  const server = await temporaryServer({ ...options, notifyKeyspaceEvents: "E$" });
  const client = new Client(server.address.port);
  await once(client.socket, "connect");
  const subscriber = await subscriberOf(server);
  server.use({ commands: [command] }, async (_context, next) => {
    await next();
    await killWhoWrote(server);
  });
  return { server, client, subscriber };
}

test.each(["os", "always"] as const)("of a client that is killed while a hook has its reply (%s)", async (sync) => {
  const { client, subscriber } = await killedBehind("SET", { sync });
  client.say(request("SET", "k", "v"));
  const told = message("__keyevent@0__:set", "k");
  expect(await subscriber.expectReply(told)).toBe(told);
});

test("of one that is killed behind its EXEC: what that wrote and published, and nothing of what it did not commit", async () => {
  const { server, client, subscriber } = await killedBehind("EXEC");
  const transaction = ["MULTI", "SET k v", "PUBLISH news told", "EXEC"].map((line) => request(...line.split(" ")));
  client.say(Buffer.concat([...transaction, request("SET", "never", "v")]));
  const told = message("__keyevent@0__:set", "k") + message("news", "told");
  expect(await subscriber.expectReply(told)).toBe(told);
  await client.untilEnded();
  const other = new Client(server.address.port);
  other.say(request("PUBLISH", "news", "last"));
  expect(await subscriber.expectReply(message("news", "last"))).toBe(message("news", "last"));
  expect(await server.store.has("never")).toBe(false);
});

test("of one that is cut off by what it is told of itself", async () => {
  const store = await temporaryStore({ valueBytesMax: 65_536 });
  const server = await temporaryServer({
    store,
    notifyKeyspaceEvents: "K$",
    replyBytesMax: 1024,
    replyBytesPause: 1024,
  });
  const client = new Client(server.address.port);
  const subscriber = await subscriberOf(server);
  const key = "k".repeat(60_000);
  // More than the client may have waiting, before the event loop can send any of it.
  const sets = Array.from({ length: 60 }, (_, i) => request("SET", `${key}${i}`, "v"));
  const said = [request("HELLO", "3"), request("PSUBSCRIBE", "__key*"), request("MULTI"), ...sets];
  client.say(Buffer.concat([...said, request("PUBLISH", "news", "told"), request("EXEC")]));
  await client.untilEnded();
  expect(await store.has(`${key}59`)).toBe(true);
  expect(await subscriber.expectReply(message("news", "told"))).toBe(message("news", "told"));
});
