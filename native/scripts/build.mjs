// Builds the native targets with node-gyp, incrementally. One description (native/crabkv.gypi), several trees:
//
//   node native/scripts/build.mjs                        build/Release
//   node native/scripts/build.mjs --sanitize=address     build-variants/asan/build/Release   (clang; ASan, UBSan and counters of what runs)
//   node native/scripts/build.mjs --sanitize=thread      build-variants/tsan/build/Release
//   node native/scripts/build.mjs --sanitize=fuzzer      build-variants/fuzzer/build/Release (clang, --target=crabkv_fuzz)
//   node native/scripts/build.mjs --define=NAME          build-variants/NAME/build/Release, with -DNAME in our own code
//   node native/scripts/build.mjs --prebuild=TARGET      build-variants/prebuild-TARGET/build/Release, by the cross compiler
//                                                        that native/scripts/prebuild.mjs sets up, which see
//   --target=crabkv (or crabkv_tests, crabkv_instructions) builds that one only; --jobs=N; --print-dir prints where the results are.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withLock } from "./build-lock.mjs";
import { listSources } from "./list-sources.mjs";
import { targets, useCrossCompiler } from "./cross-compiler.mjs";
import { vendorSnappy } from "./vendor-snappy.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const { values: options } = parseArgs({
  options: {
    sanitize: { type: "string", default: "" },
    define: { type: "string", default: "" },
    prebuild: { type: "string", default: "" },
    target: { type: "string", default: "" },
    jobs: { type: "string", default: String(availableParallelism()) },
    "print-dir": { type: "boolean", default: false },
  },
});

const variantOf = { "": "", address: "asan", thread: "tsan", fuzzer: "fuzzer" };

function treeOfVariant() {
  const sanitizer = variantOf[options.sanitize];
  if (sanitizer === undefined) throw new Error(`--sanitize is address, thread or fuzzer, not ${options.sanitize}`);
  if (options.define !== "" && !/^[A-Za-z_]\w*$/.test(options.define)) throw new Error("--define takes one C name");
  if (options.prebuild !== "" && !targets.has(options.prebuild))
    throw new Error(`--prebuild is one of ${[...targets.keys()].join(", ")}, not ${options.prebuild}`);
  const prebuild = options.prebuild === "" ? "" : `prebuild-${options.prebuild}`;
  const name = [prebuild, sanitizer, options.define].filter((part) => part !== "").join("-");
  return name === "" ? root : join(root, "build-variants", name);
}

// node-gyp always builds in ./build, so a variant gets a folder of its own whose entries lead back here.
function linkVariant(tree) {
  mkdirSync(tree, { recursive: true });
  for (const name of ["binding.gyp", "native", "test", "package.json", "node_modules"]) {
    const link = join(tree, name);
    const target = relative(tree, join(root, name));
    if (!existsSync(link)) symlinkSync(target, link);
    else if (readlinkSync(link) !== target) throw new Error(`${link} does not lead to ${target}; delete it`);
  }
}

function nodeGyp(tree, args) {
  const require = createRequire(import.meta.url);
  const script = join(dirname(require.resolve("node-gyp/package.json")), "bin", "node-gyp.js");
  // The headers beside the running Node are its own, and need no download.
  const prefix = join(dirname(process.execPath), "..");
  const nodedir = existsSync(join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : [];
  const result = spawnSync(process.execPath, [script, args[0], "--loglevel=warn", ...nodedir, ...args.slice(1)], {
    cwd: tree,
    stdio: ["ignore", 2, 2],
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`node-gyp ${args[0]} failed (${result.status ?? result.signal})`);
}

// Everything that the generated Makefile depends on and that make cannot see by itself.
function configuration() {
  const hash = createHash("sha256");
  for (const file of ["binding.gyp", "native/crabkv.gypi", "package-lock.json"])
    hash.update(readFileSync(join(root, file)));
  const folders = ["native/core", "native/protocol", "native/addon", "test/native", "test/fuzz", "test/instructions"];
  hash.update(
    JSON.stringify([
      options.sanitize,
      options.define,
      options.prebuild,
      process.version,
      process.execPath,
      folders.map(listSources),
    ]),
  );
  return hash.digest("hex");
}

function build(tree) {
  const needsClang = ["fuzzer", "address"].includes(options.sanitize);
  const isClang = (process.env.CC ?? "").includes("clang");
  if (needsClang && !isClang) Object.assign(process.env, { CC: "clang", CXX: "clang++" });
  const compiler = options.prebuild === "" ? [] : useCrossCompiler(options.prebuild, tree);
  const copied = vendorSnappy();
  if (copied > 0) console.error(`snappy: ${copied} files copied from classic-level`);
  if (tree !== root) linkVariant(tree);
  const stamp = join(tree, "build", "configured");
  const wanted = configuration();
  const configured = existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  if (!configured) {
    rmSync(stamp, { force: true });
    nodeGyp(tree, [
      "configure",
      "--",
      `-Dsanitize=${options.sanitize}`,
      `-Dextra_define=${options.define}`,
      ...compiler,
    ]);
    writeFileSync(stamp, wanted);
  }
  nodeGyp(tree, ["build", `--jobs=${options.jobs}`, ...(options.target === "" ? [] : [options.target])]);
}

try {
  const tree = treeOfVariant();
  const output = join(tree, "build", "Release");
  if (options["print-dir"]) console.log(output);
  else withLock(join(root, "build-variants", `${relative(root, tree).replaceAll("/", "-")}.lock`), () => build(tree));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
