// Sockets that read into memory that all of them share, and those of a Node that has no way to do that.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSharedReads } from "../../src/server/shared-reads.js";
import { temporaryDirectory } from "../temporary.js";

const options = { allowHalfOpen: true, pauseOnConnect: true };

/** Echoes what comes, and notes the memory that it came in. */
function echo(socket: Socket, memory: Set<ArrayBufferLike>): void {
  socket.on("data", (chunk: Buffer) => {
    memory.add(chunk.buffer);
    socket.write(Buffer.from(chunk));
  });
  socket.on("end", () => socket.end());
  socket.on("error", () => socket.destroy());
}

async function listen(server: Server, address: { port: number } | { path: string }): Promise<() => Socket> {
  server.listen(address);
  await once(server, "listening");
  if ("path" in address) return () => connect(address.path);
  const { port } = server.address() as AddressInfo;
  return () => connect(port);
}

async function converse(client: Socket, words: readonly string[]): Promise<void> {
  client.setEncoding("utf8");
  for (const word of words) {
    client.write(word);
    let heard = "";
    while (heard.length < word.length) heard += String((await once(client, "data"))[0]);
    expect(heard).toBe(word);
  }
}

test.each(["tcp", "unix"])(
  "clients of %s are read into the same memory; their server ends when they are gone",
  async (kind) => {
    const memory = new Set<ArrayBufferLike>();
    const server = createServer(options, (accepted) => {
      const { remotePort } = accepted;
      const socket = withSharedReads(accepted);
      // Else this Node has no way to do that, and the server is slower with it than it was measured.
      expect(socket).not.toBe(accepted);
      expect(socket.remotePort).toBe(remotePort);
      echo(socket, memory);
    });
    const dial = await listen(server, kind === "tcp" ? { port: 0 } : { path: join(temporaryDirectory(), "socket") });
    const clients = [dial(), dial(), dial()];
    await Promise.all(clients.map((client, i) => converse(client, [`one ${i}`, `${i}`.repeat(300_000), "two"])));
    expect(memory.size).toBe(1);
    let closed = false;
    const closing = new Promise<void>((resolve) => server.close(() => resolve())).then(() => (closed = true));
    clients.pop()!.destroy();
    for (const client of clients.splice(1)) client.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(closed).toBe(false);
    clients[0]!.end();
    await closing;
  },
);

test("a client that is not read from waits, and goes on where it was", async () => {
  const memory = new Set<ArrayBufferLike>();
  const sockets: Socket[] = [];
  const server = createServer(options, (accepted) => {
    const socket = withSharedReads(accepted);
    sockets.push(socket);
    echo(socket, memory);
  });
  const client = (await listen(server, { port: 0 }))();
  await converse(client, ["one"]);
  const [socket] = sockets as [Socket];
  socket.pause();
  const { bytesRead } = socket;
  const said = converse(client, ["x".repeat(100_000)]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(socket.bytesRead).toBe(bytesRead);
  socket.resume();
  await said;
  client.end();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test("without such handles a socket is what it was", async () => {
  const memory = new Set<ArrayBufferLike>();
  const server = createServer(options, (accepted) => {
    const { _handle } = accepted as unknown as { _handle: object };
    Object.defineProperty(_handle, "useUserBuffer", { value: undefined });
    expect(withSharedReads(accepted)).toBe(accepted);
    echo(accepted, memory);
  });
  const client = (await listen(server, { port: 0 }))();
  await converse(client, ["one", "two"]);
  expect(memory.size).toBe(2);
  client.end();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
