// memcached with two threads, as many as the cores that servers are measured on here have between them, and memory for every key.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { freePort } from "../server-process.mjs";

const START_MS_MAX = 5000;
export const protocol = "memcached";
export const optionsOf = () => ({ threads: 2, memoryMiB: 1024 });

async function answers(port) {
  const socket = connect(port, "127.0.0.1");
  const [event] = await Promise.race([
    once(socket, "connect").then(() => ["connect"]),
    once(socket, "error").then(() => ["error"]),
  ]).catch(() => ["error"]);
  socket.destroy();
  return event === "connect";
}

export async function open(path, { threads, memoryMiB }) {
  const port = await freePort();
  const args = ["-l", "127.0.0.1", "-p", port, "-U", 0, "-t", threads, "-m", memoryMiB, "-c", 4096, "-u", "nobody"];
  const child = spawn("memcached", args.map(String), { stdio: ["ignore", "ignore", "inherit"] });
  const endMs = performance.now() + START_MS_MAX;
  while (!(await answers(port))) {
    if (performance.now() > endMs || child.exitCode !== null) throw new Error("memcached does not start");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, child };
}

export async function close({ child }) {
  child.kill("SIGTERM");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}
