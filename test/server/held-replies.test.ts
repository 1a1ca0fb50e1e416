// Replies share memory, and go out together: neither may change what a client is sent.
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { HeldReplies } from "../../src/server/held-replies.js";
import { currentSlab, ReplySlab, slabWithRoom } from "../../src/server/reply-slabs.js";
import { Client, request, temporaryServer } from "./serving.js";

test("the room of a slab comes back when nobody looks at anything in it any more, and not before", () => {
  const slab = new ReplySlab();
  const first = slab.take(10).fill("a");
  slab.take(20);
  slab.giveBack(20);
  expect(slab.used).toBe(30);
  slab.take(5).fill("b");
  expect(first.toString()).toBe("a".repeat(10));
  slab.giveBack(5);
  slab.giveBack(10);
  expect(slab.used).toBe(0);
});

test("a slab that is full gives way to another, and serves again when it is free", () => {
  const full = slabWithRoom();
  full.take(full.room);
  const next = slabWithRoom();
  expect(next === full).toBe(false);
  expect(currentSlab() === next).toBe(true);
  full.giveBack(full.used);
  next.take(next.room);
  expect(slabWithRoom() === full).toBe(true);
  next.giveBack(next.used);
});

test("what waits for a client that reads late is what it asked for, whatever others are sent meanwhile", async () => {
  const server = await temporaryServer({ replyBytesPause: 16 * 1024 * 1024 });
  const valueOf = (i: number): string => `${i} `.repeat(500);
  for (let i = 0; i < 100; i++) await server.store.put(`key${i}`, valueOf(i));
  const replyTo = (i: number): string => `$${valueOf(i).length}\r\n${valueOf(i)}\r\n`;
  const late = connect(server.address.port, "127.0.0.1");
  onTestFinished(() => void late.destroy());
  late.pause();
  // More than what the two sockets take in between: the rest waits in the server.
  const asked = Array.from({ length: 10_000 }, (_, i) => i % 50);
  late.write(Buffer.concat(asked.map((i) => request("GET", `key${i}`))));
  const others = Array.from({ length: 20 }, () => new Client(server.address.port));
  const expected = Array.from({ length: 50 }, (_, i) => replyTo(50 + i)).join("");
  const wanted = Buffer.concat(Array.from({ length: 50 }, (_, i) => request("GET", `key${50 + i}`)));
  for (let round = 0; round < 10; round++) {
    for (const other of others) other.say(wanted);
    for (const other of others) expect((await other.expectReply(expected)) === expected).toBe(true);
  }
  const waiting = [...server.connections.values()].map(({ waitingBytes }) => waitingBytes);
  expect(Math.max(...waiting)).toBeGreaterThan(1_000_000);
  const promised = asked.map(replyTo).join("");
  let received = "";
  late.setEncoding("latin1");
  for await (const chunk of late) {
    received += chunk as string;
    if (received.length >= promised.length) break;
  }
  expect(received === promised).toBe(true);
});

test("a connection that is closed is let go at once, however long its group takes", () => {
  const held = new HeldReplies({ acknowledgedGroup: 0 });
  const told: string[] = [];
  const holder = (name: string) => ({
    release: () => told.push(`released ${name}`) > 0,
    awaitedGroup: 0,
    fail: () => void told.push(`failed ${name}`),
  });
  const stays = holder("stays");
  const leaves = holder("leaves");
  held.await(stays);
  held.await(leaves);
  held.forget(leaves);
  held.fail(1, 1, new Error("EIO"));
  held.release(1);
  held.release(2);
  expect(told).toEqual(["failed stays", "released stays"]);
});
