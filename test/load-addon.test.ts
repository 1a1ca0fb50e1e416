// A binary that was built for another crabkv than this is refused where it is loaded: called with other arguments than it
// takes, it would throw odd TypeErrors, or do something else.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import addon from "../src/addon.cjs";
import { loadAddon } from "../src/load-addon.js";
import { crabkv } from "./run-program.js";
import { temporaryDirectory } from "./temporary.js";

/**
 * Of the code by which TypeScript calls the addon, as it was when NATIVE_INTERFACE was last thought about. Differs? When the addon
 * has to be another than the one built before, raise NATIVE_INTERFACE (src/addon.cts) and kInterface (native/addon/module.cc).
 */
const KNOWN = { number: 3, digest: "47626a705b2a2fdc" };

test.each([
  ["an older one, from before there were numbers", "{}", "none"],
  ["an older one", "{ nativeInterface: 0 }", "0"],
  ["a newer one", "{ nativeInterface: 1000 }", "1000"],
  ["something else", "undefined", "none"],
])("%s is refused with an error that names both interfaces and what to do", (_, exported, named) => {
  const path = join(temporaryDirectory(), "other.cjs");
  writeFileSync(path, `module.exports = ${exported};`);
  vi.stubEnv("CRABKV_ADDON", path);
  try {
    expect(addon.findAddon().loaded).toBeUndefined();
    expect(loadAddon).toThrow(
      `${path}: it is of another build: its native interface is ${named}, that of this crabkv is ${addon.NATIVE_INTERFACE}; npx crabkv rebuild, in a checkout npm run build`,
    );
    expect(loadAddon).toThrow(expect.objectContaining({ code: "CRABKV_NO_BINARY" }));
  } finally {
    vi.unstubAllEnvs();
  }
});

test.each([
  [true, "Alpine", "/lib/ld-musl-x86_64.so.1"],
  [true, "what musl installs by itself, where the loader is a link", "/usr/lib/libc.so"],
  [true, "musl, upgraded meanwhile", "/usr/lib/libc.so (deleted)"],
  [false, "glibc", "/usr/lib/x86_64-linux-gnu/libc.so.6"],
  [false, "glibc before 2.34", "/lib/x86_64-linux-gnu/libc-2.28.so"],
  [false, "glibc, beside a folder of another name", "/opt/libc.so/lib/libc.so.6"],
])("musl is told from other C libraries by what is mapped: %s for %s", (expected, _, path) => {
  const row = (file: string): string => `7f1a2b3c4000-7f1a2b3d0000 r-xp 00014000 08:01 1234567   ${file}\n`;
  expect(addon.isMusl(row("/usr/bin/node") + row(path) + row("[stack]"))).toBe(expected);
});

test("what is tested is the binary that was meant: in this process and in programs of their own", async () => {
  const { loaded } = addon.findAddon();
  const named = process.env.CRABKV_ADDON ?? "";
  expect(loaded).toMatchObject(
    named === ""
      ? { origin: "local build", path: fileURLToPath(new URL("../build/Release/crabkv.node", import.meta.url)) }
      : { origin: "CRABKV_ADDON", path: named },
  );
  if (existsSync("/proc/self/maps")) expect(addonsMapped()).toEqual([realpathSync(loaded!.path)]);
  const doctor = await crabkv(["doctor", "--json"], { cwd: temporaryDirectory() });
  const { binary } = JSON.parse(doctor.stdout) as { binary: unknown };
  expect(binary).toEqual({ path: loaded!.path, origin: loaded!.origin });
});

function addonsMapped(): string[] {
  const paths = readFileSync("/proc/self/maps", "utf8").matchAll(/\S+\/crabkv\.node$/gm);
  return [...new Set([...paths].map(([path]) => path))];
}

test("the interface's number was thought about when the interface changed", () => {
  const hash = createHash("sha256");
  for (const name of ["native.ts", "native-types.ts"]) {
    const source = readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8");
    hash.update(source.replaceAll(/\/\*[^]*?\*\/|\/\/.*$|\s+/gm, " ").replaceAll(/ +/g, " "));
  }
  expect({ number: addon.NATIVE_INTERFACE, digest: hash.digest("hex").slice(0, 16) }).toEqual(KNOWN);
});
