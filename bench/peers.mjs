// The stores beside CrabKV. Installs what bench/package.json pins, when it is not there: peers are no dependency of CrabKV, and `npm ci` at the root
// does not bring them.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { redisVersion } from "./server-process.mjs";

const here = import.meta.dirname;
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

function isInstalled([name, version]) {
  const manifest = join(here, "node_modules", name, "package.json");
  return existsSync(manifest) && readJson(manifest).version === version;
}

/** The version of a store that is measured: our own, or a peer's. */
export function versionOf(store) {
  if (store === "redis") return redisVersion();
  const folder = store.startsWith("crabkv") ? join(here, "..") : join(here, "node_modules", store);
  return readJson(join(folder, "package.json")).version;
}

export function installPeers() {
  const { dependencies } = readJson(join(here, "package.json"));
  if (Object.entries(dependencies).every(isInstalled)) return;
  console.error("installing the peers (npm ci in bench/)");
  // npm is a script on some systems and a .cmd on others; npm itself says where it is when it runs us.
  const npm = process.env.npm_execpath;
  const [file, args] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const { status, error } = spawnSync(file, [...args, "ci", "--prefix", here], { stdio: ["ignore", 2, 2], cwd: here });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`npm ci in bench/ failed (${status})`);
}
