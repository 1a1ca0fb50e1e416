// A real redis-server to compare with.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { temporaryDirectory } from "../temporary.js";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The port of a redis-server that keeps nothing, for the rest of the test. */
export async function startRedis(...options: string[]): Promise<number> {
  const port = await freePort();
  const args = ["--port", String(port), "--save", "", "--appendonly", "no", "--dir", temporaryDirectory()];
  const child = spawn("redis-server", [...args, "--databases", "1", "--bind", "127.0.0.1", ...options]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  while (!output.includes("Ready to accept connections")) {
    const [chunk] = (await once(child.stdout, "data")) as [Buffer];
    output += chunk.toString();
  }
  return port;
}
