// What the figures were measured on: hardware, kernel, file system, versions, the commit, and how long the machine itself
// takes to make a small write durable, which bounds every durable put.
import { execFileSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, readFileSync, realpathSync, rmSync, writeSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { median } from "./statistics.mjs";

const SYNC_BYTES = 4096;
const SYNCS = 200;
const SYNC_MS_MAX = 3000;

/** The file system of a directory, from the longest mount point above it; undefined where there is no /proc. */
function fileSystemOf(directory) {
  let mounts;
  try {
    mounts = readFileSync("/proc/self/mounts", "utf8");
  } catch {
    return undefined;
  }
  const path = `${realpathSync(directory)}/`;
  let best = { point: "", kind: undefined };
  for (const line of mounts.split("\n")) {
    const [, point, kind] = line.split(" ");
    if (point === undefined || point.length < best.point.length) continue;
    if (path.startsWith(point === "/" ? "/" : `${point}/`)) best = { point, kind };
  }
  return best.kind;
}

/** Median, minimum and maximum of appending 4 KiB and fdatasync, in milliseconds. */
export function measureSync(directory) {
  const path = join(directory, "sync-probe");
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(SYNC_BYTES, 1);
  const times = [];
  const endMs = performance.now() + SYNC_MS_MAX;
  while (times.length < SYNCS && performance.now() < endMs) {
    const start = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  rmSync(path);
  return { median: median(times), min: Math.min(...times), max: Math.max(...times) };
}

function git(root, ...args) {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

export function describeMachine(root, directory) {
  const commit = git(root, "rev-parse", "--short", "HEAD");
  const changes = git(root, "status", "--porcelain", "--", "src", "native", "package.json");
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    fileSystem: fileSystemOf(directory),
    node: process.version,
    commit: commit === undefined ? "unknown" : commit + (changes === "" ? "" : " with uncommitted changes"),
    load: loadavg()[0],
    fdatasyncMs: measureSync(directory),
  };
}
