// Makes the prebuilt binaries for other machines than this one, with the compiler of cross-compiler.mjs (Linux on x64 only), and
// checks of each what it needs from the system that loads it:
//
//   npm ci --prefix native/scripts/toolchain        once
//   node native/scripts/prebuild.mjs                all of them, into build-variants/prebuilds/<target>/crabkv.node
//   node native/scripts/prebuild.mjs linux-x64-glibc linux-x64-musl
//   --check FILE TARGET   only checks a binary that is there
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GLIBC_FLOOR, targets } from "./cross-compiler.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const { values: options, positionals } = parseArgs({
  options: { check: { type: "string" } },
  allowPositionals: true,
});

/** What a binary may need: the C library, by whatever names it has. The C++ runtime is inside. */
const libraries = {
  glibc:
    /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/,
  musl: /^libc\.so$/,
};
const machines = { x64: "Advanced Micro Devices X86-64", arm64: "AArch64" };

function run(file, args) {
  const { status, error, stdout } = spawnSync(file, args, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${status}`);
  return stdout;
}

const isNewer = (a, b) => a.localeCompare(b, "en", { numeric: true }) > 0;

/** Throws when the binary would not load where it is meant for; returns what it needs. */
export function check(path, target) {
  const [, arch, libc] = target.split("-");
  const machine = /Machine: +(.*)$/m.exec(run("readelf", ["-hW", path]))?.[1];
  if (machine !== machines[arch]) throw new Error(`${path} is for ${machine}`);
  const dynamic = run("readelf", ["-dW", path]);
  const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  const strange = needed.filter((name) => !libraries[libc].test(name));
  if (strange.length > 0) throw new Error(`${path} needs ${strange.join(", ")}`);
  if (!/NODELETE/.test(dynamic)) throw new Error(`${path} could be unloaded under running threads`);
  const versions = [...run("readelf", ["-VW", path]).matchAll(/Name: ([\w.]+) +Flags/g)].map(([, name]) => name);
  const other = versions.filter((name) => !/^GLIBC_[\d.]+$/.test(name));
  if (other.length > 0 || (libc === "musl" && versions.length > 0))
    throw new Error(`${path} needs ${versions.join(", ")}`);
  const glibc = versions.map((name) => name.slice("GLIBC_".length)).reduce((a, b) => (isNewer(a, b) ? a : b), "0");
  if (isNewer(glibc, GLIBC_FLOOR)) throw new Error(`${path} needs glibc ${glibc}, more than ${GLIBC_FLOOR}`);
  return { needed, glibc: libc === "glibc" ? glibc : undefined };
}

function prebuild(target) {
  const build = join("native", "scripts", "build.mjs");
  run(process.execPath, [build, `--prebuild=${target}`, "--target=crabkv"]);
  const built = join(run(process.execPath, [build, `--prebuild=${target}`, "--print-dir"]).trim(), "crabkv.node");
  const { needed, glibc } = check(built, target);
  const to = join(root, "build-variants", "prebuilds", target, "crabkv.node");
  mkdirSync(dirname(to), { recursive: true });
  cpSync(built, to);
  const size = (statSync(to).size / 1e6).toFixed(2);
  console.log(`${target}: ${size} MB, needs ${needed.join(", ")}${glibc === undefined ? "" : `, glibc ${glibc}`}`);
}

try {
  const wanted = positionals.length === 0 ? [...targets.keys()] : positionals;
  if (options.check === undefined) wanted.forEach(prebuild);
  else console.log(check(options.check, wanted[0]));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
