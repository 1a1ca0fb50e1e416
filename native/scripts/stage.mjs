// Lays out the package as it is published, in a folder of its own: package.json without scripts and development, a fresh
// dist, prebuilt binaries, and what `crabkv rebuild` builds from. No binding.gyp at its root and no install script, so installing
// runs nothing.
//
//   node native/scripts/stage.mjs                 build-variants/package, with the binaries of native/scripts/prebuild.mjs
//   --prebuilds=DIR       the binaries: a folder for each target, such as linux-x64-glibc, with crabkv.node in it
//   --local               build/Release/crabkv.node for this machine, if there is no other
//   --compiled            takes dist as it is, instead of compiling anew
//   --out=DIR             where; what is there goes
//   --repository=URL      goes into package.json, for provenance
//   --pack                npm pack it; prints the tarball, beside the folder
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { vendorSnappy } from "./vendor-snappy.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const require = createRequire(import.meta.url);

const { values: options } = parseArgs({
  options: {
    prebuilds: { type: "string", default: join(root, "build-variants", "prebuilds") },
    local: { type: "boolean", default: false },
    compiled: { type: "boolean", default: false },
    out: { type: "string", default: join(root, "build-variants", "package") },
    repository: { type: "string" },
    pack: { type: "boolean", default: false },
  },
});
const stage = resolve(options.out);

/** Of the checkout, what the package has at the same place. */
const copied = [
  ...["README.md", "CHANGELOG.md", "LICENSE"],
  ...["core", "protocol", "addon", ".deps/snappy", "crabkv.gypi", "FORMAT.md", "PROTOCOL.md"].map(
    (name) => `native/${name}`,
  ),
  "native/scripts/list-sources.mjs",
];

function run(file, args, cwd) {
  const { status, error, stdout } = spawnSync(file, args, {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${status}\n${stdout}`);
  return stdout;
}

/** Of package.json, what is for the checkout; private keeps anybody from publishing that. */
const unpublished = ["private", "scripts", "devDependencies", "overrides"];

function manifest() {
  const all = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const published = Object.fromEntries(Object.entries(all).filter(([name]) => !unpublished.includes(name)));
  if (options.repository !== undefined) published.repository = { type: "git", url: options.repository };
  return { ...published, files: ["dist", "native", "prebuilds", "CHANGELOG.md"] };
}

// Source maps stay away: they lead to sources that are not in the package.
function compile() {
  const dist = join(stage, "dist");
  if (options.compiled) {
    cpSync(join(root, "dist"), dist, { recursive: true, filter: (path) => !path.endsWith(".map") });
  } else {
    const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
    run(process.execPath, [tsc, "-p", root, "--outDir", dist, "--sourceMap", "false"], root);
  }
  // The demo is of the checkout: its cities are.
  for (const name of ["demo.js", "demo.d.ts"]) rmSync(join(dist, "cli", name));
}

function copyBinaries() {
  const targets = existsSync(options.prebuilds) ? readdirSync(options.prebuilds) : [];
  const sources = new Map(targets.map((target) => [target, join(options.prebuilds, target, "crabkv.node")]));
  const own = require(join(stage, "dist", "addon.cjs")).binaryTarget();
  if (options.local && !sources.has(own)) sources.set(own, join(root, "build", "Release", "crabkv.node"));
  if (sources.size === 0) throw new Error(`there are no binaries in ${options.prebuilds}`);
  for (const [target, source] of sources) cpSync(source, join(stage, "prebuilds", target, "crabkv.node"));
}

function pack() {
  const [{ filename }] = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", dirname(stage)], stage),
  );
  return join(dirname(stage), filename);
}

vendorSnappy();
rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest(), null, 2)}\n`);
for (const name of copied) cpSync(join(root, name), join(stage, name), { recursive: true });
// At the package's root npm would run node-gyp when it installs.
cpSync(join(root, "binding.gyp"), join(stage, "native", "binding.gyp"));
compile();
copyBinaries();
console.log(options.pack ? pack() : stage);
