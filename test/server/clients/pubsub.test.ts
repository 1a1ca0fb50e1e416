// Subscribers of ioredis and node-redis, with RESP2 and RESP3, get what they get from redis-server, in the same order.
import { once } from "node:events";
import { spawn } from "node:child_process";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "../redis-server.js";
import { Client, request, temporaryServer } from "../serving.js";

const protocols = [2, 3] as const;
type Protocol = (typeof protocols)[number];

/** What came in, in order, up to the message that ends it; and what calls resolved to: which of the two is first is chance. */
interface Seen {
  readonly seen: readonly unknown[];
  readonly resolved: readonly unknown[];
}

async function ofIoredis(port: number, protocol: Protocol): Promise<Seen> {
  const [subscriber, publisher] = [new Redis({ port, protocol }), new Redis({ port, protocol })];
  onTestFinished(() => [subscriber, publisher].forEach((client) => client.disconnect()));
  const seen: unknown[] = [];
  const resolved: unknown[] = [];
  const ended = new Promise<void>((resolve) => {
    subscriber.on("message", (channel, message) => {
      seen.push(["message", channel, message]);
      if (message === "end") resolve();
    });
  });
  subscriber.on("pmessage", (...words) => seen.push(["pmessage", ...words]));
  subscriber.on("messageBuffer", (channel: Buffer, message: Buffer) =>
    seen.push(["bytes", channel, message.toString("hex")]),
  );
  resolved.push(await subscriber.subscribe("news", "sport"), await subscriber.psubscribe("n*"));
  resolved.push(await publisher.publish("news", "one"), await publisher.publish("sport", Buffer.from([0, 255])));
  resolved.push(
    ((await publisher.pubsub("CHANNELS", "*")) as string[]).sort(),
    await publisher.pubsub("NUMSUB", "news", "none"),
  );
  resolved.push(await publisher.pubsub("NUMPAT"));
  // A subscriber of RESP3 may go on with everything; one of RESP2 with little.
  resolved.push(await subscriber.ping().catch(String), await subscriber.get("none").catch(String));
  await publisher.multi().publish("news", "in a transaction").set("a", "1").exec();
  resolved.push(await subscriber.unsubscribe("news"), await subscriber.punsubscribe("n*"));
  resolved.push(await publisher.publish("news", "nobody"), await publisher.publish("sport", "end"));
  await ended;
  await Promise.all([subscriber.quit(), publisher.quit()]);
  return { seen, resolved };
}

async function ofNodeRedis(port: number, RESP: Protocol): Promise<Seen> {
  const publisher = createClient({ RESP, socket: { host: "127.0.0.1", port } });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    client.on("error", () => undefined);
    await client.connect();
    onTestFinished(() => {
      if (client.isOpen) client.destroy();
    });
  }
  const seen: unknown[] = [];
  const resolved: unknown[] = [];
  const ended = new Promise<void>((resolve) => {
    void subscriber.subscribe(["news", "sport"], (message, channel) => {
      seen.push(["message", channel, message]);
      if (message === "end") resolve();
    });
  });
  await subscriber.pSubscribe("n*", (message, channel) => seen.push(["pmessage", channel, message]));
  await subscriber.subscribe("bytes", (message) => seen.push(["bytes", message.toString("hex")]), true);
  resolved.push(await publisher.publish("news", "one"), await publisher.publish("bytes", Buffer.from([0, 255])));
  resolved.push(
    (await publisher.pubSubChannels()).sort(),
    await publisher.pubSubNumSub(["news", "none"]),
    await publisher.pubSubNumPat(),
  );
  resolved.push(await subscriber.ping().catch(String));
  if (RESP === 3) resolved.push(await subscriber.get("none"));
  await publisher.multi().publish("news", "in a transaction").set("a", "1").exec();
  await subscriber.unsubscribe("news");
  await subscriber.pUnsubscribe("n*");
  resolved.push(await publisher.publish("news", "nobody"), await publisher.publish("sport", "end"));
  await ended;
  await subscriber.unsubscribe();
  resolved.push(await publisher.pubSubChannels());
  publisher.destroy();
  subscriber.destroy();
  return { seen, resolved };
}

const libraries = { ioredis: ofIoredis, "node-redis": ofNodeRedis };

test.each(
  Object.entries(libraries).flatMap(([name, run]) => protocols.map((protocol) => [name, protocol, run] as const)),
)("a subscriber of %s, RESP%i, sees what it sees of redis-server", async (_name, protocol, run) => {
  const { port } = (await temporaryServer()).address;
  const ours = await run(port, protocol);
  expect(ours).toEqual(await run(await startRedis(), protocol));
  expect(JSON.stringify(ours.seen)).toContain("in a transaction");
});

test.each(protocols)(
  "subscriptions come back by themselves when the server was restarted, RESP%i",
  async (protocol) => {
    const first = await temporaryServer();
    const { port } = first.address;
    const ofRedis = new Redis({ port, protocol, retryStrategy: () => 20 });
    const ofNode = createClient({ RESP: protocol, socket: { host: "127.0.0.1", port, reconnectStrategy: () => 20 } });
    onTestFinished(() => {
      ofRedis.disconnect();
      ofNode.destroy();
    });
    ofRedis.on("error", () => undefined);
    ofNode.on("error", () => undefined);
    await ofNode.connect();
    const messages: string[] = [];
    ofRedis.on("message", (channel, message) => messages.push(`ioredis ${channel} ${message}`));
    await ofRedis.subscribe("news");
    await ofNode.subscribe("news", (message, channel) => messages.push(`node-redis ${channel} ${message}`));
    await first.close();
    await temporaryServer({ port });
    const publisher = new Client(port);
    const both = ["ioredis news back", "node-redis news back"];
    while (messages.length < both.length) {
      publisher.say(request("PUBSUB", "NUMSUB", "news"));
      const subscribed = await publisher.expectReply("*2\r\n$4\r\nnews\r\n:2\r\n");
      if (!subscribed.endsWith(":2\r\n")) continue;
      publisher.say(request("PUBLISH", "news", "back"));
      expect(await publisher.expectReply(":2\r\n")).toBe(":2\r\n");
      while (messages.length < both.length) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(messages.sort()).toEqual(both);
  },
);

test.each(["-2", "-3"])("redis-cli %s shows what comes in", async (protocol) => {
  const { port } = (await temporaryServer()).address;
  const child = spawn("redis-cli", [protocol, "-p", String(port), "PSUBSCRIBE", "n*"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
  while (!shown.includes("psubscribe")) await once(child.stdout, "data");
  const publisher = new Client(port);
  publisher.say(request("PUBLISH", "news", "hello"));
  while (!shown.includes("hello")) await once(child.stdout, "data");
  expect(shown).toMatch(/pmessage\W+n\*\W+news\W+hello/);
});

/** What happens to keys, as a subscriber of each server's notifications is told. */
async function notifications(port: number, protocol: Protocol): Promise<string[]> {
  const [subscriber, worker] = [new Redis({ port, protocol }), new Redis({ port, protocol })];
  onTestFinished(() => [subscriber, worker].forEach((client) => client.disconnect()));
  await worker.config("SET", "notify-keyspace-events", "KEA");
  const seen: string[] = [];
  subscriber.on("pmessage", (_pattern, channel, message) => seen.push(`${channel} ${message}`));
  await subscriber.psubscribe("__key*@0__:*");
  await worker.set("a", "1", "EX", 1000);
  await worker.multi().incr("a").append("b", "x").exec();
  await worker.rename("b", "c");
  await worker.expire("c", -1);
  await worker.del("a", "none");
  await worker.set("end", "1");
  while (seen.at(-1) !== "__keyevent@0__:set end") await new Promise((resolve) => setTimeout(resolve, 5));
  return seen;
}

test.each(protocols)("keyspace notifications reach a client as those of redis-server, RESP%i", async (protocol) => {
  const ours = await notifications((await temporaryServer()).address.port, protocol);
  expect(ours).toContain("__keyevent@0__:incrby a");
  expect(ours).toEqual(await notifications(await startRedis(), protocol));
});

/** What MONITOR shows of a few commands, without times and addresses. */
async function monitored(port: number): Promise<string[]> {
  const [watcher, worker] = [new Redis({ port }), new Redis({ port })];
  onTestFinished(() => [watcher, worker].forEach((client) => client.disconnect()));
  const seen: string[] = [];
  await worker.ping(); // its own first words are said
  const monitor = await watcher.monitor();
  onTestFinished(() => monitor.disconnect());
  monitor.on("monitor", (_time: string, words: string[]) => seen.push(words.join(" ")));
  await worker.set("a", "1");
  await worker.multi().incr("a").get("a").exec();
  await worker.call("nonsense").catch(() => undefined);
  await worker.echo("end");
  while (seen.at(-1)?.toLowerCase() !== "echo end") await new Promise((resolve) => setTimeout(resolve, 5));
  return seen;
}

test("MONITOR shows a client what redis-server's shows", async () => {
  const ours = await monitored((await temporaryServer()).address.port);
  expect(ours.length).toBeGreaterThan(4);
  expect(ours).toEqual(await monitored(await startRedis()));
});
