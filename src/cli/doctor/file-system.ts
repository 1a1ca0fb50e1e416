// The file system that a directory is on: what kind, how it is mounted, and how much room it has.
import { existsSync, readFileSync, realpathSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";

export interface FileSystem {
  /** The directory, or what there is of its path. */
  readonly directory: string;
  /** Such as ext4; undefined where the system does not tell. */
  readonly type: string | undefined;
  readonly mountPoint: string | undefined;
  /** Of the mount and of the file system, as the system writes them. */
  readonly mountOptions: readonly string[];
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Files that can still be made; undefined where there is no such bound. */
  readonly freeFiles: number | undefined;
}

export interface Mount {
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

export function fileSystemOf(path: string): FileSystem {
  const directory = existingPartOf(resolve(path));
  const { bavail, bsize, blocks, ffree, files } = statfsSync(directory);
  const mount = mountOf(directory);
  return {
    directory,
    type: mount?.type,
    mountPoint: mount?.mountPoint,
    mountOptions: mount?.options ?? [],
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    freeFiles: files === 0 ? undefined : ffree,
  };
}

function existingPartOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : existingPartOf(dirname(path));
}

function mountOf(directory: string): Mount | undefined {
  try {
    return findMount(readFileSync("/proc/self/mountinfo", "utf8"), directory);
  } catch {
    return undefined;
  }
}

/** In the text of /proc/self/mountinfo (proc(5)), the mount that an absolute path is on. */
export function findMount(mountinfo: string, path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    const [mounted, source] = line.split(" - ");
    if (source === undefined) continue;
    const [, , , , rawPoint, options] = mounted!.split(" ");
    const [type, , superOptions] = source.split(" ");
    const mountPoint = unescape(rawPoint!);
    // What was mounted later lies over what was there.
    if (!isWithin(path, mountPoint) || mountPoint.length < (found?.mountPoint.length ?? 0)) continue;
    found = { mountPoint, type: type!, options: [...new Set(`${options},${superOptions}`.split(","))] };
  }
  return found;
}

function isWithin(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

// Blanks and backslashes are octal in there.
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
