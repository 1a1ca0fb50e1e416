// `crabkv serve`, with its defaults but for the sync mode of the row.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePort } from "../server-process.mjs";

const program = join(import.meta.dirname, "..", "..", "dist", "cli", "main.js");
const modes = { memory: "os", second: 1000, power: "always" };

/** `durability`: "memory" (the nearest to it that there is), "second" or "power". */
export const optionsOf = ({ durability }) => ({ sync: modes[durability] });

export async function open(path, { sync }) {
  const port = await freePort();
  const args = [
    "serve",
    "--json",
    "--addr",
    `127.0.0.1:${port}`,
    "--data-dir",
    join(path, "data"),
    "--sync",
    String(sync),
  ];
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  child.stdout.resume();
  return { port, child };
}

export async function close({ child }) {
  child.kill("SIGTERM");
  if (child.exitCode === null) await once(child, "exit");
}
