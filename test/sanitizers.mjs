// What tests need to know of sanitizer builds: where each lies, what it counts, and how the addon of one gets into a node that
// was not built so.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const trees = { "": ".", address: "build-variants/asan", thread: "build-variants/tsan" };

/** The names of the sanitizers; "" is the release build. */
export const sanitizers = Object.keys(trees);

/** Where native/scripts/build.mjs puts what it builds. */
export const binariesOf = (sanitizer) => join(root, trees[sanitizer], "build", "Release");

/** What the native tests executed when they last ran with ASan: files for llvm-profdata. */
export const countersFolder = join(root, trees.address, "counters");

/** The environment of a program that was built with the sanitizer. */
export function sanitizerEnv(sanitizer) {
  if (sanitizer === "") return {};
  return {
    CRABKV_SANITIZER: sanitizer,
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
    TSAN_OPTIONS: "halt_on_error=1 second_deadlock_stack=1",
  };
}

// Where the compiler of the build has a library, under one of the names that its versions give it.
function libraryOf(compiler, ...names) {
  for (const name of names) {
    const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" });
    if (stdout?.includes("/")) return stdout.trim();
  }
  throw new Error(`${compiler} does not know ${names.join(" or ")}`);
}

/** The environment of a node that loads the addon with ASan: the runtime has to be there before everything else. */
export function preloadEnv() {
  const clang = process.env.CC?.includes("clang") ? process.env.CC : "clang";
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch] ?? process.arch;
  const runtime = libraryOf(clang, `libclang_rt.asan-${machine}.so`, "libclang_rt.asan.so");
  return {
    ...sanitizerEnv("address"),
    LD_PRELOAD: [runtime, libraryOf(clang, "libstdc++.so")].join(" "),
    CRABKV_ADDON: join(binariesOf("address"), "crabkv.node"),
  };
}
