// File systems for tests: a small one, and one that cannot be written. Linux and root only. Each is unmounted after its test,
// and at the latest when the process ends.
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

// A sanitizer's runtime is preloaded into Node only.
const { LD_PRELOAD: _preloaded, ...plainEnv } = process.env;

function run(command: string, ...args: string[]): void {
  const { error, status, stderr } = spawnSync(command, args, { env: plainEnv, encoding: "utf8", timeout: 20_000 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim()}`);
}

/** Why nothing can be mounted here, or undefined. */
export function whyNoMounts(): string | undefined {
  if (process.platform !== "linux") return "mounting needs Linux";
  if (process.getuid?.() !== 0) return "mounting needs root";
  const path = mkdtempSync(join(tmpdir(), "crabkv-mount-"));
  try {
    run("mount", "-t", "tmpfs", "-o", "size=64k", "crabkv-test", path);
    run("umount", path);
    return undefined;
  } catch (error) {
    return `mounting is not permitted here: ${(error as Error).message}`;
  } finally {
    rmdirSync(path);
  }
}

function unmountAfterTest(path: string): void {
  const unmount = () => run("umount", path);
  process.once("exit", unmount);
  onTestFinished(() => {
    process.off("exit", unmount);
    unmount();
  });
}

/** Mounts an empty file system of so many bytes on an existing directory, until the test is over. */
export function mountSmall(path: string, bytes: number): void {
  run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "crabkv-test", path);
  unmountAfterTest(path);
}

/**
 * Takes the disk's free space but for so many bytes; what is called gives it back. In small pieces, because an open store may take
 * space at the same time (it prepares the log ahead).
 */
export function fill(disk: string, leftBytes: number): () => void {
  const filler = join(disk, "filler");
  writeFileSync(filler, "");
  for (;;) {
    const { bavail, bsize } = statfsSync(disk);
    const free = bavail * bsize - leftBytes;
    if (free <= 0) return () => rmSync(filler);
    try {
      appendFileSync(filler, Buffer.alloc(Math.min(free, 4096)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
}

/** Makes a directory read-only, even for root, until the test is over. */
export function mountReadOnly(path: string): void {
  run("mount", "--bind", path, path);
  unmountAfterTest(path);
  run("mount", "-o", "remount,ro,bind", path);
}
