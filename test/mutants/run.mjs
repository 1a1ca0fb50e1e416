// Mutants: each breaks the core in one way that loses data, and must make a native test fail; one that survives is a hole in the
// tests. The tree is copied once; each mutant changes one file there, rebuilds what depends on it, runs the tests named with it,
// and puts the file back.
//
//   node test/mutants/run.mjs             all of them; a line for each, and `N passed, N failed` as the last line
//   node test/mutants/run.mjs directory   those whose name contains a word
//
// A mutant's anchor must be found exactly once, and it must compile: else the script, not the mutant, is what failed. A crash or a
// hang counts only as the test program reports it.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutants } from "./mutants.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

// All of the core, and of the native tests what the chosen ones need.
function copyTree(tests) {
  const tree = mkdtempSync(join(tmpdir(), "crabkv-mutants-"));
  for (const name of ["binding.gyp", "package.json", "package-lock.json", "native"]) {
    cpSync(join(root, name), join(tree, name), { recursive: true });
  }
  const needed = (path) => {
    if (!path.endsWith("_test.cc")) return true;
    const text = readFileSync(path, "utf8");
    return tests.some((test) => text.includes(`TEST(${test}`));
  };
  cpSync(join(root, "test", "native"), join(tree, "test", "native"), { recursive: true, filter: needed });
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  return tree;
}

function build(tree) {
  const args = [
    join(tree, "native", "scripts", "build.mjs"),
    "--target=crabkv_tests",
    `--jobs=${availableParallelism()}`,
  ];
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: tree,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0) throw new Error(`it does not build:\n${stderr.slice(-4000)}`);
}

// The names of the tests that failed.
function failedTests(tree, tests) {
  const program = join(tree, "build", "Release", "crabkv_tests");
  const env = { ...process.env, CRABKV_TEST_SEED: "20240229", CRABKV_TEST_TIMEOUT_S: "60", CRABKV_TEST_STRIDE: "3" };
  const { stdout } = spawnSync(program, tests, {
    cwd: tree,
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const last = /^(\d+) passed, (\d+) failed$/.exec(stdout.trimEnd().split("\n").at(-1) ?? "");
  if (last === null) throw new Error(`${tests.join(" ")}: the test program died without a word`);
  if (Number(last[1]) + Number(last[2]) < 1) throw new Error(`there is no test ${tests.join(" or ")}`);
  return [...stdout.matchAll(/^FAILED (\w+)/gm)].map((match) => match[1]);
}

/** Undefined when a test noticed the mutant, else what is wrong. */
function survives(tree, { file, find, replace, tests }) {
  const path = join(tree, file);
  const original = readFileSync(path, "utf8");
  const found = original.split(find).length - 1;
  if (found !== 1) return `its anchor is ${found} times in ${file}`;
  writeFileSync(
    path,
    original.replace(find, () => replace),
  );
  try {
    build(tree);
    return failedTests(tree, tests).length > 0 ? undefined : `it survives ${tests.join(", ")}`;
  } catch (error) {
    return error.message;
  } finally {
    writeFileSync(path, original);
  }
}

const wanted = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
let passed = 0;
let failed = 0;
const report = (name, problem, start) => {
  if (problem === undefined) passed++;
  else failed++;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${problem === undefined ? "noticed" : "FAILED "} ${name} (${seconds} s)${problem === undefined ? "" : `: ${problem}`}`,
  );
};

const allTests = [...new Set(chosen.flatMap(({ tests }) => tests))];
const tree = copyTree(allTests);
try {
  // Without a mutant the same tests pass, or their failing would say nothing.
  const start = performance.now();
  let problem;
  try {
    build(tree);
    const failures = failedTests(tree, allTests);
    if (failures.length > 0) problem = `these fail without a mutant: ${failures.join(", ")}`;
  } catch (error) {
    problem = error.message;
  }
  report("(no mutant: the tests pass)", problem, start);
  if (problem === undefined) {
    for (const mutant of chosen) {
      const begin = performance.now();
      report(mutant.name, survives(tree, mutant), begin);
    }
  }
} finally {
  rmSync(tree, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 1 ? 0 : 1;
