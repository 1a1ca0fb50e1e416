// However a conversation is cut into pieces on its way, the replies are the same: whole, in two pieces cut at every byte, and
// dripped byte by byte. The next piece is sent only when the server has read the one before.
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Server } from "../../src/server/index.js";
import { randomOf, scaled, testSeed } from "../seed.js";
import { conversations } from "./conversations.js";
import type { Conversation } from "./conversations.js";
import { startRedis } from "./redis-server.js";
import { temporaryServer } from "./serving.js";

/** A longer conversation is cut at its first and last bytes, and at so many others. */
const SHORT_BYTES = 700;
const EDGE_BYTES = 40;
const OTHER_CUTS = 10;

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

async function everythingFrom(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("latin1");
}

/** The server's end of the connection. */
async function peerOf(server: Server, socket: Socket): Promise<Socket> {
  for (;;) {
    for (const connection of server.connections.values()) {
      if (connection.socket.remotePort === socket.localPort) return connection.socket;
    }
    await turn();
  }
}

/** Says it in pieces that end at these bytes, each read before the next, and then hangs up. */
async function repliesTo(server: Server, said: Buffer, ends: Iterable<number>): Promise<string> {
  await server.store.clear();
  const socket = await connected(server.address.port);
  const replies = everythingFrom(socket);
  const peer = await peerOf(server, socket);
  let begin = 0;
  for (const end of ends) {
    socket.write(said.subarray(begin, end));
    begin = end;
    while (peer.bytesRead < end && !peer.destroyed) await turn();
  }
  socket.end();
  return replies;
}

function* cutsOf({ said }: Conversation, random: () => number): Generator<number> {
  const { length } = said;
  const all = length <= SHORT_BYTES;
  for (let at = 1; at < length; at++) if (all || at <= EDGE_BYTES || length - at <= EDGE_BYTES) yield at;
  for (let i = 0; !all && i < scaled(OTHER_CUTS); i++) yield 1 + Math.floor(random() * (length - 1));
}

test.each(conversations)("$name: the same replies however it comes", async (conversation) => {
  const { said, asRedis } = conversation;
  const seed = testSeed();
  const server = await temporaryServer();
  const whole = await repliesTo(server, said, [said.length]);
  expect(whole).not.toBe("");
  for (const cut of cutsOf(conversation, randomOf(seed))) {
    const cutInTwo = await repliesTo(server, said, [cut, said.length]);
    if (cutInTwo !== whole) expect(cutInTwo, `seed ${seed}, cut at byte ${cut}`).toBe(whole);
  }
  if (said.length <= 70_000) {
    const bytes = Array.from({ length: said.length }, (_, i) => i + 1);
    expect(await repliesTo(server, said, bytes), "byte by byte").toBe(whole);
  }
  if (!asRedis) return;
  const socket = await connected(await startRedis());
  const theirs = everythingFrom(socket);
  socket.write(said);
  // It throws away what it has not written when a client hangs up.
  const deadlineMs = performance.now() + 5000;
  while (socket.bytesRead < whole.length && !socket.readableEnded && performance.now() < deadlineMs) await turn();
  socket.end();
  expect(whole, "what redis-server answers").toBe(await theirs);
});
