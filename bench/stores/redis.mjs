// redis-server as an operator runs it: its own defaults but for what the row says of the disk. RDB snapshots are off.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../server-process.mjs";

/** `durability`: "memory", "second" or "power". */
export const optionsOf = ({ durability }) => ({
  save: "",
  appendonly: durability === "memory" ? "no" : "yes",
  appendfsync: durability === "power" ? "always" : "everysec",
});

export async function open(path, options) {
  const port = await freePort();
  const args = Object.entries({ ...options, port, dir: path, bind: "127.0.0.1" }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    if (chunk.toString().includes("Ready to accept connections")) break;
  }
  child.stdout.resume();
  return { port, child };
}

export async function close({ child }) {
  child.kill("SIGTERM");
  if (child.exitCode === null) await once(child, "exit");
}
