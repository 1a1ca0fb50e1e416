// The packed package, with the binaries that are published, as everybody may meet it (`npm run test:package`; minutes): every Node,
// an installation from a lock file, both kinds of modules, TypeScript's ways to resolve, bundles, the checks of publint and arethetypeswrong,
// a rebuild, the whole suite, arm64 under qemu, and the core's tests on musl. Needs Linux on x64.
//
//   npm run package:binaries              the binaries
//   node test/packed/matrix.mjs [part…]   all parts, or those named
//
// What cannot run here says so, and is counted as skipped. The last line is `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const tools = join(here, "matrix");
const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "crabkv-matrix-"));
const project = join(folder, "project");

const majors = [20, 22, 24, 26];
const nodeOf = (major) => join(tools, "node_modules", `node${major}`, "bin", "node");
const sysroot = "/usr/aarch64-linux-gnu";

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

const npm = (...args) => run("npm", [...args, "--ignore-scripts", "--no-audit", "--no-fund"]);
const command = join(project, "node_modules", ".bin", "crabkv");

function install() {
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], tools);
  const stage = join(root, "native", "scripts", "stage.mjs");
  const tarball = run(process.execPath, [stage, "--pack", `--out=${join(folder, "stage")}`], root).trim();
  mkdirSync(project);
  for (const name of ["smoke.mjs", "smoke.cjs"]) cpSync(join(here, name), join(project, name));
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ private: true, dependencies: { crabkv: `file:${tarball}` } }),
  );
  npm("install");
  rmSync(join(project, "node_modules"), { recursive: true });
  npm("ci");
  return tarball;
}

function onNode(major) {
  const node = nodeOf(major);
  for (const name of ["smoke.mjs", "smoke.cjs"]) {
    const said = run(node, [name]);
    if (name === "smoke.cjs" && !said.includes("/prebuilds/linux-x64-glibc/"))
      throw new Error(`another binary: ${said}`);
  }
  const crabkv = join(project, "node_modules", "crabkv", "dist", "cli", "main.js");
  run(node, [crabkv, "put", "greeting", `hello ${major}`]);
  const got = run(node, [crabkv, "get", "greeting"]);
  if (got !== `hello ${major}\n`) throw new Error(got);
  run(node, [crabkv, "doctor"]);
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

function rebuild() {
  const node = join(project, "node_modules", "crabkv", "build", "Release", "crabkv.node");
  const npmNodeGyp = join(root, "node_modules", "node-gyp", "bin", "node-gyp.js");
  run(command, ["rebuild"], project, { npm_config_node_gyp: npmNodeGyp });
  const { binary } = JSON.parse(run(command, ["doctor", "--json"]));
  if (binary.path !== node || binary.origin !== "local build") throw new Error(JSON.stringify(binary));
  run(process.execPath, ["smoke.mjs"]);
  rmSync(join(project, "node_modules", "crabkv", "build"), { recursive: true });
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

function musl() {
  const build = join(root, "native", "scripts", "build.mjs");
  run(process.execPath, [build, "--prebuild=linux-x64-musl", "--target=crabkv_tests"], root);
  const output = run(process.execPath, [build, "--prebuild=linux-x64-musl", "--print-dir"], root).trim();
  const said = run(join(output, "crabkv_tests"), [], folder);
  console.log(`    ${said.trimEnd().split("\n").at(-1)}`);
}

/** All of vitest's tests, on the binary that is published. */
function suite() {
  const vitest = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");
  const binary = join(root, "build-variants", "prebuilds", "linux-x64-glibc", "crabkv.node");
  const said = run(process.execPath, [vitest, "run", "--reporter=dot"], root, { CRABKV_ADDON: binary, NO_COLOR: "1" });
  console.log(`    ${/Tests +(.*)/.exec(said)?.[1]}`);
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
  suite,
  arm64,
  musl,
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => parts[name] === undefined);
if (unknown.length > 0) throw new Error(`no part ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}`);
let [passed, failed] = [0, 0];
for (const [name, part] of Object.entries(parts)) {
  if (chosen.length > 0 && name !== "install" && !chosen.includes(name)) continue;
  const begin = performance.now();
  try {
    const skipped = part();
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
