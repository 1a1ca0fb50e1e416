// A disk whose power can be cut: ext4 on a sparse file, mounted through a loop device in a folder of its own. Linux and root
// only. What it mounted is unmounted, also when the test fails, the process exits or crashes; no other mount is touched.
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const IMAGE_BYTES = 128 * 1024 * 1024;
const COMMAND_MS_MAX = 20_000;

// A sanitizer's runtime is preloaded into Node only.
const { LD_PRELOAD: _preloaded, ...plainEnv } = process.env;

function run(command: string, ...args: string[]): void {
  const result = spawnSync(command, args, { env: plainEnv, encoding: "utf8", timeout: COMMAND_MS_MAX });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr.trim()}`);
}

export class Ext4Image {
  readonly mountPoint: string;
  readonly #folder: string;
  readonly #image: string;
  #mounted = false;
  #cutter: ChildProcess | undefined;
  #cut: ((atNs: number) => void) | undefined;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "crabkv-power-"));
    this.#image = join(this.#folder, "image");
    this.mountPoint = join(this.#folder, "mount");
    process.once("exit", this.#removeAtExit);
    try {
      mkdirSync(this.mountPoint);
      const file = openSync(this.#image, "w");
      ftruncateSync(file, IMAGE_BYTES);
      closeSync(file);
      run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", this.#image);
      this.mount();
      this.#startCutter();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Mounts, which replays the journal when the power was cut. */
  mount(): void {
    run("mount", "-t", "ext4", "-o", "loop", this.#image, this.mountPoint);
    this.#mounted = true;
  }

  unmount(): void {
    if (!this.#mounted) return;
    run("umount", this.mountPoint);
    this.#mounted = false;
  }

  /**
   * Resolves when the power is cut, with the monotonic clock (ns) just before it: what was synced by then stays. Then whoever
   * uses the disk must go, before unmount().
   */
  cutPower(): Promise<number> {
    return new Promise((resolve, reject) => {
      const died = () => reject(new Error("shutdown.py ended: is EXT4_IOC_SHUTDOWN permitted?"));
      this.#cutter!.once("close", died);
      this.#cut = (atNs) => {
        this.#cutter!.off("close", died);
        resolve(atNs);
      };
      this.#cutter!.stdin!.write(`${this.mountPoint}\n`);
    });
  }

  /** Unmounts, and removes the image. */
  remove(): void {
    this.#cutter?.kill();
    this.unmount();
    process.off("exit", this.#removeAtExit);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  readonly #removeAtExit = (): void => {
    this.remove();
  };

  #startCutter(): void {
    const program = fileURLToPath(new URL("shutdown.py", import.meta.url));
    const cutter = spawn("python3", [program, this.mountPoint, this.#folder], {
      env: plainEnv,
      stdio: ["pipe", "pipe", "inherit"],
      // It cleans up after a test that was interrupted, so it must not be.
      detached: true,
    });
    cutter.on("error", () => undefined);
    cutter.stdin.on("error", () => undefined);
    createInterface(cutter.stdout).on("line", (line) => this.#cut?.(Number(line.split(" ")[1])));
    this.#cutter = cutter;
  }
}

/** A disk for these tests, or why there can be none here. */
export async function ext4ImageOrReason(): Promise<Ext4Image | string> {
  if (process.platform !== "linux") return "power cuts need Linux";
  if (process.getuid!() !== 0) return "power cuts need root, to mount a loop device";
  let image: Ext4Image | undefined;
  try {
    image = new Ext4Image();
    // One cut, to know that the kernel can.
    await image.cutPower();
    image.unmount();
    image.mount();
    return image;
  } catch (error) {
    image?.remove();
    return `no power cuts here: ${error instanceof Error ? error.message : String(error)}`;
  }
}
