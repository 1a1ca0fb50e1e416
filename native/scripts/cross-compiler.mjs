// The compiler of the prebuilt binaries: zig's clang with its own C++ runtime, linked statically, and the C libraries of other
// systems. native/scripts/toolchain pins it.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const toolchain = join(dirname(fileURLToPath(import.meta.url)), "toolchain");
const zig = join(toolchain, "node_modules", "@ryoppippi", "zig-linux-x64", "zig");

/** The oldest glibc that the binaries run on: of Debian 10, RHEL 8, Ubuntu 20.04. */
export const GLIBC_FLOOR = "2.28";

/** The folders of prebuilds that are made here, and what they are to zig and to Node. */
export const targets = new Map([
  ["linux-x64-glibc", { triple: `x86_64-linux-gnu.${GLIBC_FLOOR}`, arch: "x64" }],
  ["linux-arm64-glibc", { triple: `aarch64-linux-gnu.${GLIBC_FLOOR}`, arch: "arm64" }],
  ["linux-x64-musl", { triple: "x86_64-linux-musl", arch: "x64" }],
]);

export const isInstalled = () => existsSync(zig);

/** Points the variables that node-gyp reads at the compiler for a target, and returns what gyp has to know. */
export function useCrossCompiler(target, tree) {
  if (!isInstalled()) throw new Error(`the cross compiler is not installed: run npm ci in ${toolchain}`);
  const { triple, arch } = targets.get(target);
  const bin = join(tree, "compiler");
  mkdirSync(bin, { recursive: true });
  const commands = { cc: `cc -target ${triple}`, "c++": `c++ -target ${triple}`, ar: "ar" };
  for (const [name, command] of Object.entries(commands)) {
    const path = join(bin, name);
    writeFileSync(path, `#!/bin/sh\nexec '${zig}' ${command} "$@"\n`);
    chmodSync(path, 0o755);
  }
  const [CC, CXX, AR] = Object.keys(commands).map((name) => join(bin, name));
  // Without symbols for debuggers: they are twenty times what runs.
  Object.assign(process.env, { CC, CXX, AR, LINK: CXX, LDFLAGS: "-s" });
  return ["-Dwarnings_are_errors=0", `-Dtarget_arch=${arch}`];
}
