// The package as people install it: packed, put into an empty project with install scripts off, and used from there. The
// local build is the prebuilt binary; test/packed/matrix.mjs does the same with the ones that are published, and every Node.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, sectionOf } from "../readme-programs.js";
import { cleanEnv, runProgram } from "../run-program.js";

const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "crabkv-packed-"));
const project = join(folder, "project");
const installed = join(project, "node_modules", "crabkv");
let tarball = "";

/** Without the variables by which the tests' own npm would tell this one what to do. */
function environment(): NodeJS.ProcessEnv {
  const entries = Object.entries(cleanEnv()).filter(([name]) => !/^npm_/i.test(name) && name !== "CRABKV_ADDON");
  return { ...Object.fromEntries(entries), npm_config_prefer_offline: "true" };
}

function run(file: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env: environment(), encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

const npm = (...args: string[]): string =>
  run("npm", [...args, "--ignore-scripts", "--no-audit", "--no-fund"], project);

beforeAll(() => {
  mkdirSync(project);
  for (const name of ["smoke.mjs", "smoke.cjs"]) cpSync(join(here, name), join(project, name));
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true }));
  const stage = join(here, "..", "..", "native", "scripts", "stage.mjs");
  const out = `--out=${join(project, "stage")}`;
  tarball = run(process.execPath, [stage, "--local", "--compiled", "--pack", out, "--prebuilds=none"], here).trim();
  // As the README has it.
  const [, installation] = blocksOf(sectionOf("## Installing"), "sh")[0]!.split("\n");
  run("sh", ["-c", installation!], project);
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the tarball has what is needed to run and to rebuild, nothing else, and is small", () => {
  const files = run("tar", ["-tzf", tarball], folder).trim().split("\n");
  const strange = files.filter(
    (path) =>
      !/^package\/(dist\/.*\.c?js|dist\/.*\.d\.c?ts|native\/.*\.(cc|h|md|gypi?)|prebuilds\/[\w-]+\/crabkv\.node)$/.test(
        path,
      ) &&
      !/^package\/(package\.json|README\.md|CHANGELOG\.md|LICENSE|native\/scripts\/list-sources\.mjs)$/.test(path) &&
      path !== "package/native/.deps/snappy/snappy/COPYING",
  );
  expect(strange).toEqual([]);
  for (const path of ["native/binding.gyp", "native/crabkv.gypi", "native/.deps/snappy/snappy/snappy.cc", "LICENSE"])
    expect(files).toContain(`package/${path}`);
  expect(statSync(tarball).size).toBeLessThan(10e6);
});

test("installing it runs nothing", () => {
  const { files, ...manifest } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Record<
    string,
    unknown
  >;
  expect(files).toEqual(["dist", "native", "prebuilds", "CHANGELOG.md"]);
  expect(manifest).not.toHaveProperty("scripts");
  expect(manifest).not.toHaveProperty("devDependencies");
  expect(manifest).not.toHaveProperty("private");
  expect(existsSync(join(installed, "binding.gyp"))).toBe(false);
  const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  expect(Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript)).toEqual([]);
});

test("it works from a lock file, from ES modules and from CommonJS, as a library and as a command", async () => {
  npm("ci");
  const env = { CRABKV_ADDON: "" };
  for (const name of ["smoke.mjs", "smoke.cjs"]) {
    const { code, stdout, stderr } = await runProgram(join(project, name), [], { cwd: project, env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ passed: true });
  }
  const command = join(project, "node_modules", ".bin", "crabkv");
  run(command, ["put", "greeting", "hello"], project);
  expect(run(command, ["get", "greeting"], project)).toBe("hello\n");
});

/** For a compiler that would take minutes: takes note of what it is to compile, and links what was built before. */
const compiler = (built: string, compiled: string): string => `#!/bin/sh
for argument; do
  case $before in -o) out=$argument ;; -MF) rules=$argument ;; esac
  case $argument in *.cc) source=$argument ;; esac
  before=$argument
done
case $source in
?*) test -f "$source" && echo "$source" >> '${compiled}' && : > "$out" && echo "$out: $source" > "$rules" ;;
*) cp '${built}' "$out" ;;
esac
`;

test("crabkv rebuild builds from the sources in the package, each of them, and what it built is used from then on", async () => {
  const build = join(installed, "build");
  const root = join(here, "..", "..");
  const [cxx, compiled] = [join(folder, "c++"), join(folder, "compiled")];
  writeFileSync(cxx, compiler(join(root, "build", "Release", "crabkv.node"), compiled), { mode: 0o755 });
  try {
    const command = join(installed, "dist", "cli", "main.js");
    const nodeGyp = join(root, "node_modules", "node-gyp", "bin", "node-gyp.js");
    const env = { CRABKV_ADDON: "", CXX: cxx, CC: cxx, npm_config_node_gyp: nodeGyp };
    const { code, stdout, stderr } = await runProgram(command, ["rebuild", "--json"], { cwd: project, env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ binary: join(build, "Release", "crabkv.node") });
    const folders = ["native/core", "native/protocol", "native/addon", "native/.deps/snappy/snappy"];
    const wanted = folders.flatMap((name) =>
      readdirSync(join(root, name)).flatMap((file) => (file.endsWith(".cc") ? [`../${name}/${file}`] : [])),
    );
    expect(readFileSync(compiled, "utf8").trim().split("\n").sort()).toEqual(wanted.sort());
    const doctor = await runProgram(command, ["doctor", "--json"], { cwd: project, env: { CRABKV_ADDON: "" } });
    expect(JSON.parse(doctor.stdout)).toMatchObject({ binary: { origin: "local build" } });
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
});

test("without a binary that fits, the error names the platform, what was tried and why, and what to do", async () => {
  const prebuilds = join(installed, "prebuilds");
  const [target] = readdirSync(prebuilds);
  renameSync(prebuilds, `${prebuilds}-away`);
  const program = join(project, "missing.mjs");
  writeFileSync(
    program,
    'await import("crabkv").catch((error) => console.log(error.code, error.message, error.cause.errors.length));',
  );
  try {
    const { stdout } = await runProgram(program, [], { cwd: project, env: { CRABKV_ADDON: "" } });
    expect(stdout).toContain(
      `CRABKV_NO_BINARY no native binary works for ${target} (Node ${process.version}). Tried:\n`,
    );
    expect(stdout).toContain(`${join(installed, "build", "Release", "crabkv.node")}: Cannot find module`);
    expect(stdout).toContain(`${join(prebuilds, target!, "crabkv.node")}: Cannot find module`);
    expect(stdout).toContain("npx crabkv rebuild");
  } finally {
    renameSync(`${prebuilds}-away`, prebuilds);
  }
});
