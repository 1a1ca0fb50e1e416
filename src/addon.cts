// Finds the native addon and loads it: one that was built on this machine, else the prebuilt binary for the platform and its C
// library. CommonJS with literal paths, because that is what bundlers and file tracers follow.
import fs = require("node:fs");
import path = require("node:path");

/**
 * Number of the interface that native.ts and native-types.ts describe. Raised when they change so that a binary of before would be
 * called wrongly, together with kInterface of native/addon/module.cc.
 */
const NATIVE_INTERFACE = 3;

type Origin = "CRABKV_ADDON" | "local build" | "prebuilt";

/** A binary that could not be used, and why. */
interface FailedBinary {
  readonly path: string;
  readonly error: unknown;
}

interface Finding {
  readonly loaded: { readonly addon: unknown; readonly path: string; readonly origin: Origin } | undefined;
  /** What was tried before, in order. */
  readonly failed: readonly FailedBinary[];
}

/**
 * Whether a process with these mappings (/proc/self/maps) runs on musl: its loader is also its libc.so, which has one name or the
 * other on disk. (process.report tells, too, and takes a hundred times as long.)
 */
function isMusl(mappings: string): boolean {
  return /\/(?:ld-musl-\S+|libc\.so)(?: \(deleted\))?$/m.test(mappings);
}

/** The C library that this process runs on; undefined where a system has only one. */
function libc(): "glibc" | "musl" | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return isMusl(fs.readFileSync("/proc/self/maps", "latin1")) ? "musl" : "glibc";
  } catch {
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime === undefined ? "musl" : "glibc";
  }
}

/** The folder in prebuilds that is for this process, whether or not it is there. */
function binaryTarget(): string {
  return [process.platform, process.arch, libc()].filter((part) => part !== undefined).join("-");
}

function findAddon(): Finding {
  const failed: FailedBinary[] = [];
  for (const { origin, path, result } of attempts()) {
    if ("addon" in result) return { loaded: { addon: result.addon, path, origin }, failed };
    failed.push({ path, error: result.error });
  }
  return { loaded: undefined, failed };
}

type Result = { readonly addon: unknown } | { readonly error: unknown };

function* attempts(): Generator<{ origin: Origin; path: string; result: Result }> {
  const override = process.env.CRABKV_ADDON;
  if (override !== undefined && override !== "") {
    const wanted = path.resolve(override);
    yield { origin: "CRABKV_ADDON", path: wanted, result: requireNamed(wanted) };
    return;
  }
  // Who built one here wants it used.
  yield ownBinary("local build", "build/Release");
  yield ownBinary("prebuilt", `prebuilds/${binaryTarget()}`);
}

// This file is one folder below the package, as dist/addon.cjs and as src/addon.cts.
function ownBinary(origin: Origin, folder: string): { origin: Origin; path: string; result: Result } {
  return { origin, path: path.join(__dirname, "..", folder, "crabkv.node"), result: requireOwn(folder) };
}

/** A binary stays when what is around it changes: a local build, a checkout's, the one that CRABKV_ADDON names. */
function fitting(addon: unknown): Result {
  const { nativeInterface } = (addon ?? {}) as { readonly nativeInterface?: number };
  if (nativeInterface === NATIVE_INTERFACE) return { addon };
  return {
    error: new Error(
      `it is of another build: its native interface is ${nativeInterface ?? "none"}, that of this crabkv is ${NATIVE_INTERFACE}; npx crabkv rebuild, in a checkout npm run build`,
    ),
  };
}

function requireNamed(name: string): Result {
  try {
    return fitting(require(name));
  } catch (error) {
    return { error };
  }
}

function requireOwn(folder: string): Result {
  // Each path is written out for bundlers. Inside of `try`, they leave out what is not there.
  try {
    switch (folder) {
      case "build/Release":
        return fitting(require("../build/Release/crabkv.node"));
      case "prebuilds/linux-x64-glibc":
        return fitting(require("../prebuilds/linux-x64-glibc/crabkv.node"));
      case "prebuilds/linux-arm64-glibc":
        return fitting(require("../prebuilds/linux-arm64-glibc/crabkv.node"));
      case "prebuilds/linux-x64-musl":
        return fitting(require("../prebuilds/linux-x64-musl/crabkv.node"));
      case "prebuilds/darwin-x64":
        return fitting(require("../prebuilds/darwin-x64/crabkv.node"));
      case "prebuilds/darwin-arm64":
        return fitting(require("../prebuilds/darwin-arm64/crabkv.node"));
      default:
        return { error: new Error("no binary is made for this platform") };
    }
  } catch (error) {
    return { error };
  }
}

export = { NATIVE_INTERFACE, binaryTarget, findAddon, isMusl, libc };
