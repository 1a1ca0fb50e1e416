// The stores beside CrabKV. Installs what bench/package.json pins, when it is not there: peers are no dependency of CrabKV, and `npm ci` at the root
// does not bring them.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memcachedVersion, redisVersion } from "./server-process.mjs";

const here = import.meta.dirname;
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

function isInstalled([name, version]) {
  const manifest = join(here, "node_modules", name, "package.json");
  return existsSync(manifest) && readJson(manifest).version === version;
}

/** The version of a store that is measured: our own, or a peer's. */
export function versionOf(store) {
  if (store === "redis") return redisVersion();
  if (store === "memcached") return memcachedVersion();
  if (store === "map") return process.versions.v8;
  const folder = store.startsWith("crabkv") ? join(here, "..") : join(here, "node_modules", store);
  const manifest = join(folder, "package.json");
  return existsSync(manifest) ? readJson(manifest).version : undefined;
}

const programs = { redis: "redis-server or redis-benchmark is", memcached: "memcached is" };

/** Why a store cannot be measured here; undefined when it can. */
export async function whyLeftOut(store) {
  if (versionOf(store) === undefined) return `${programs[store] ?? "it is"} not installed`;
  try {
    await (await import(`./stores/${store}.mjs`)).probe?.();
    return undefined;
  } catch (error) {
    return error.message.split("\n")[0];
  }
}

/** What failed to install is not tried again until the lock file changes: compiling takes minutes. */
const attempted = join(here, "node_modules", ".attempted-lock.json");
const lockText = () => readFileSync(join(here, "package-lock.json"), "utf8");

function isComplete() {
  const { dependencies, optionalDependencies } = readJson(join(here, "package.json"));
  if (!Object.entries(dependencies).every(isInstalled)) return false;
  if (existsSync(attempted) && readFileSync(attempted, "utf8") === lockText()) return true;
  return Object.entries(optionalDependencies).every(isInstalled);
}

export function installPeers() {
  if (isComplete()) return;
  console.error("installing the peers (npm ci in bench/; better-sqlite3 may have to be compiled, which takes minutes)");
  // npm is a script on some systems and a .cmd on others; npm itself says where it is when it runs us.
  const npm = process.env.npm_execpath;
  const [file, args] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const { status, error } = spawnSync(file, [...args, "ci", "--prefix", here], { stdio: ["ignore", 2, 2], cwd: here });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`npm ci in bench/ failed (${status})`);
  writeFileSync(attempted, lockText());
}
