// Finds the native addon and loads it: one that was built on this machine, else the prebuilt binary for the platform and its C
// library. CommonJS with literal paths, because that is what bundlers and file tracers follow.
import fs = require("node:fs");
import path = require("node:path");

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

/** The C library that this process runs on; undefined where a system has only one. */
function libc(): "glibc" | "musl" | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    // Its loader is mapped into every process. (process.report tells, too, and takes a hundred times as long.)
    return fs.readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-") ? "musl" : "glibc";
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

function requireNamed(name: string): Result {
  try {
    return { addon: require(name) as unknown };
  } catch (error) {
    return { error };
  }
}

function requireOwn(folder: string): Result {
  // Each path is written out for bundlers. Inside of `try`, they leave out what is not there.
  try {
    switch (folder) {
      case "build/Release":
        return { addon: require("../build/Release/crabkv.node") as unknown };
      case "prebuilds/linux-x64-glibc":
        return { addon: require("../prebuilds/linux-x64-glibc/crabkv.node") as unknown };
      case "prebuilds/linux-arm64-glibc":
        return { addon: require("../prebuilds/linux-arm64-glibc/crabkv.node") as unknown };
      case "prebuilds/linux-x64-musl":
        return { addon: require("../prebuilds/linux-x64-musl/crabkv.node") as unknown };
      case "prebuilds/darwin-x64":
        return { addon: require("../prebuilds/darwin-x64/crabkv.node") as unknown };
      case "prebuilds/darwin-arm64":
        return { addon: require("../prebuilds/darwin-arm64/crabkv.node") as unknown };
      default:
        return { error: new Error("no binary is made for this platform") };
    }
  } catch (error) {
    return { error };
  }
}

export = { binaryTarget, findAddon, libc };
