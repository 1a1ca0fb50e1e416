// Mutants: each breaks the core in one way that loses data, and must make a native test fail; one that survives is a hole in the
// tests. The tree is copied for each processor, with what is built of it already; each mutant changes one file in one of them,
// rebuilds what depends on it, runs the tests named with it, and puts the file back.
//
//   node test/mutants/run.mjs             all of them; a line for each, and `N passed, N failed` as the last line
//   node test/mutants/run.mjs directory   those whose name contains a word
//
// A mutant's anchor must be found exactly once, and it must compile: else the script, not the mutant, is what failed. A crash or a
// hang counts only as the test program reports it.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutants } from "./mutants.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

// Times are kept, or make would build all of it again.
const copyOptions = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
const trees = [];

function addTree(from) {
  const tree = mkdtempSync(join(tmpdir(), "crabkv-mutants-"));
  trees.push(tree);
  for (const name of ["binding.gyp", "package.json", "package-lock.json", "native", "test", "build"]) {
    if (existsSync(join(from, name))) cpSync(join(from, name), join(tree, name), copyOptions);
  }
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
}

// Ends well whatever the program does: what it said tells.
function run(file, args, tree, env = process.env) {
  return new Promise((resolve) => {
    const options = { cwd: tree, env, maxBuffer: 64 << 20 };
    const child = execFile(file, args, options, (error, stdout, stderr) =>
      resolve({ good: error === null, stdout, stderr }),
    );
    child.stdin.end();
  });
}

async function build(tree, jobs) {
  const args = [join(tree, "native", "scripts", "build.mjs"), "--target=crabkv_tests", `--jobs=${jobs}`];
  const { good, stderr } = await run(process.execPath, args, tree);
  if (!good) throw new Error(`it does not build:\n${stderr.slice(-4000)}`);
}

// The names of the tests that failed.
async function failedTests(tree, tests) {
  const program = join(tree, "build", "Release", "crabkv_tests");
  const env = { ...process.env, CRABKV_TEST_SEED: "20240229", CRABKV_TEST_TIMEOUT_S: "60", CRABKV_TEST_STRIDE: "3" };
  const { stdout } = await run(program, tests, tree, env);
  const last = /^(\d+) passed, (\d+) failed$/.exec(stdout.trimEnd().split("\n").at(-1) ?? "");
  if (last === null) throw new Error(`${tests.join(" ")}: the test program died without a word`);
  if (Number(last[1]) + Number(last[2]) < 1) throw new Error(`there is no test ${tests.join(" or ")}`);
  return [...stdout.matchAll(/^FAILED (\w+)/gm)].map((match) => match[1]);
}

/** Undefined when a test noticed the mutant, else what is wrong. */
async function survives(tree, { file, find, replace, tests }) {
  const path = join(tree, file);
  const original = readFileSync(path, "utf8");
  const found = original.split(find).length - 1;
  if (found !== 1) return `its anchor is ${found} times in ${file}`;
  writeFileSync(
    path,
    original.replace(find, () => replace),
  );
  try {
    await build(tree, 1);
    return (await failedTests(tree, tests)).length > 0 ? undefined : `it survives ${tests.join(", ")}`;
  } catch (error) {
    return error.message;
  } finally {
    writeFileSync(path, original);
  }
}

/** Undefined when the tests pass without a mutant, or their failing would say nothing. */
async function failsWithout(tree, tests) {
  try {
    const failures = await failedTests(tree, tests);
    return failures.length > 0 ? `these fail without a mutant: ${failures.join(", ")}` : undefined;
  } catch (error) {
    return error.message;
  }
}

const wanted = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
let passed = 0;
let failed = 0;
async function report(name, result) {
  const start = performance.now();
  const problem = await result();
  if (problem === undefined) passed++;
  else failed++;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${problem === undefined ? "noticed" : "FAILED "} ${name} (${seconds} s)${problem === undefined ? "" : `: ${problem}`}`,
  );
}

const allTests = [...new Set(chosen.flatMap(({ tests }) => tests))];
const waiting = [
  { name: "(no mutant: the tests pass)", problemIn: (tree) => failsWithout(tree, allTests) },
  ...chosen.map((mutant) => ({ name: mutant.name, problemIn: (tree) => survives(tree, mutant) })),
];
async function work(tree) {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { name, problemIn } = next;
    await report(name, () => problemIn(tree));
  }
}

try {
  addTree(root);
  const broken = await build(trees[0], availableParallelism()).then(
    () => undefined,
    (error) => error.message,
  );
  if (broken === undefined) {
    while (trees.length < Math.min(availableParallelism(), waiting.length)) addTree(trees[0]);
    await Promise.all(trees.map(work));
  } else {
    await report("(no mutant: it builds)", () => broken);
  }
} finally {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 1 ? 0 : 1;
