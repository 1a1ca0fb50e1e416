// What `crabkv doctor` looks at: the machine, the binary, the directory, the limits. Changes nothing but for a file that is
// written to time syncs, and goes.
import { availableParallelism, release, totalmem } from "node:os";
import addon from "../../addon.cjs";
import manifest from "../../version.cjs";
import { openFilesMax } from "../../server/open-files.js";
import { fileSystemOf } from "./file-system.js";
import type { FileSystem } from "./file-system.js";
import { measureSync } from "./sync-time.js";
import type { SyncTime } from "./sync-time.js";

export interface Examination {
  readonly platform: {
    readonly system: NodeJS.Platform;
    readonly processor: string;
    readonly kernel: string;
    /** Such as "glibc 2.36". */
    readonly libc: string | undefined;
  };
  readonly versions: { readonly crabkv: string; readonly node: string; readonly v8: string; readonly napi: string };
  readonly binary: { readonly path: string; readonly origin: string } | undefined;
  /** Those that were tried before. */
  readonly failedBinaries: readonly { readonly path: string; readonly message: string }[];
  readonly fileSystem: FileSystem;
  /** Undefined when nothing can be written in the directory: `syncFailure` says why. */
  readonly sync: SyncTime | undefined;
  readonly syncFailure: string | undefined;
  readonly limits: {
    /** Undefined: the system does not tell, or there is none. */
    readonly openFiles: number | undefined;
    readonly processors: number;
    readonly memoryBytes: number;
    /** Of the process's control group, where that is less. */
    readonly memoryLimitBytes: number | undefined;
  };
  readonly preloaded: string | undefined;
}

export function examine(directory: string): Examination {
  const { loaded, failed } = addon.findAddon();
  const fileSystem = fileSystemOf(directory);
  const openFiles = openFilesMax();
  return {
    platform: { system: process.platform, processor: process.arch, kernel: release(), libc: libcVersion() },
    versions: {
      crabkv: manifest.version,
      node: process.versions.node,
      v8: process.versions.v8,
      napi: process.versions.napi ?? "none",
    },
    binary: loaded === undefined ? undefined : { path: loaded.path, origin: loaded.origin },
    failedBinaries: failed.map(({ path, error }) => ({ path, message: messageOf(error) })),
    fileSystem,
    ...timedSync(fileSystem.directory),
    limits: {
      openFiles: Number.isFinite(openFiles) ? openFiles : undefined,
      processors: availableParallelism(),
      memoryBytes: totalmem(),
      memoryLimitBytes: memoryLimit(),
    },
    preloaded: process.env.LD_PRELOAD,
  };
}

function timedSync(directory: string): Pick<Examination, "sync" | "syncFailure"> {
  try {
    return { sync: measureSync(directory), syncFailure: undefined };
  } catch (error) {
    return { sync: undefined, syncFailure: messageOf(error) };
  }
}

function libcVersion(): string | undefined {
  const name = addon.libc();
  if (name !== "glibc") return name;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return [name, header.glibcVersionRuntime].filter((part) => part !== undefined).join(" ");
}

function memoryLimit(): number | undefined {
  // Without a limit it is 0, nothing, or beyond what there is.
  const bytes = process.constrainedMemory() as number | undefined;
  return bytes !== undefined && bytes > 0 && bytes < totalmem() ? bytes : undefined;
}

// Node adds who required a module; that is always this package.
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!;
}
