// `npm test`: builds what is out of date, then every check and test of the repository, and a last line `N passed, N failed`.
// Each check (build, lint, format, types) counts as one. Stages can be named to run only those:
//
//   node test/run.mjs                                     all of them
//   node test/run.mjs native                              the native tests
//   node test/run.mjs --sanitize=address native vitest    on an ASan and UBSan build (clang; thread: TSan, native only)
//
// What a stage starts has no stdin: a test that waits for a person must fail, not hang.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { binariesOf, countersFolder, preloadEnv, sanitizerEnv, sanitizers } from "./sanitizers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);

const { values: options, positionals: chosen } = parseArgs({
  options: { sanitize: { type: "string", default: "" } },
  allowPositionals: true,
});
if (!sanitizers.includes(options.sanitize)) throw new Error("--sanitize is address or thread");

/** More of them would find too little memory under a sanitizer. */
const JOBS_MAX = 4;

/** The script of a package's command, so that no shell and no PATH is involved. */
function command(packageName, name) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  return join(dirname(manifest), typeof bin === "string" ? bin : bin[name]);
}

function run(file, args, env = {}) {
  const result = spawnSync(file, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.error !== undefined) throw result.error;
  if (result.signal !== null) console.error(`${file} died of ${result.signal}`);
  return result.status === 0;
}

/** The same, and what it printed: shown as it comes, so that a run that is cut off has said how far it was. */
async function runAndRead(file, args, env) {
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    process.stdout.write(text);
    output += text;
  });
  const [code, signal] = await once(child, "close");
  if (signal !== null) console.error(`${file} died of ${signal}`);
  return { good: code === 0, output };
}

const node = (args, env) => run(process.execPath, args, env);
const check = (args) => (node(args) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });

// A failed exit without a failed test (a crash, a sanitizer's report, no tests at all) is a failure too.
function withExit(counts, good) {
  return good || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

// Most of them keep one processor busy, so as many run at once as there are processors.
async function nativeTests() {
  const program = join(binariesOf(options.sanitize), "crabkv_tests");
  // TSan of older compilers cannot place its shadow where the kernel randomizes addresses widely.
  const fixed = options.sanitize === "thread" && spawnSync("setarch", ["-R", "true"]).status === 0;
  const [file, args] = fixed ? ["setarch", ["-R", program]] : [program, []];
  const env = sanitizerEnv(options.sanitize);
  if (options.sanitize === "address") {
    rmSync(countersFolder, { recursive: true, force: true });
    // %m, %c: all processes count in one file, as they go.
    env.LLVM_PROFILE_FILE = join(countersFolder, "%m%c");
  }
  const jobs = Math.min(availableParallelism(), JOBS_MAX);
  const { good, output } = await runAndRead(file, [...args, `--jobs=${jobs}`], env);
  const last = /^(\d+) passed, (\d+) failed$/.exec(output.trimEnd().split("\n").at(-1) ?? "");
  if (last === null) return { passed: 0, failed: 1 };
  return withExit({ passed: Number(last[1]), failed: Number(last[2]) }, good);
}

// Of the randomized tests, which are about crashes and not about memory, a part has to do (test/seed.ts).
const vitestEnv = () => ({ ...preloadEnv(), CRABKV_TEST_SCALE: process.env.CRABKV_TEST_SCALE ?? "0.1" });

// Left out of sanitizer builds: what makes the native calls that other tests make, too, from many short-lived programs (each
// takes a second to start then) or with no native code of its own.
const withoutOverlap = [
  "test/cli*.test.ts",
  "test/readme.test.ts",
  "test/adapters/**",
  "test/server/clients/**",
  "test/crash/**",
  "test/packed/**",
];

// One line for each, as the native tests print theirs, for whoever reads only the last lines of a log.
function printFailures(testResults) {
  for (const { name, status, message, assertionResults } of testResults) {
    const failed = assertionResults.filter((result) => result.status === "failed");
    const file = relative(root, name);
    for (const { fullName, failureMessages } of failed)
      printFailure(`${file}: ${fullName}`, failureMessages.join("; "));
    if (status === "failed" && failed.length === 0) printFailure(file, message);
  }
}

function printFailure(what, why) {
  console.log(`FAILED ${what}: ${why.replaceAll(/\s+/g, " ").slice(0, 600)}`);
}

function vitest() {
  const folder = mkdtempSync(join(tmpdir(), "crabkv-vitest-"));
  const report = join(folder, "report.json");
  try {
    const env = options.sanitize === "" ? {} : vitestEnv();
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    if (options.sanitize !== "") args.push(...withoutOverlap.flatMap((files) => ["--exclude", files]));
    const good = node([command("vitest", "vitest"), ...args], env);
    if (!existsSync(report)) return { passed: 0, failed: 1 };
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
    printFailures(testResults);
    if (numPendingTests > 0) console.log(`--- ${numPendingTests} tests were skipped: see why above`);
    return withExit({ passed: numPassedTests, failed: numFailedTests }, good);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// Whoever chooses the native tests alone needs no addon.
function build() {
  const target = chosen.length > 0 && chosen.every((name) => name === "native") ? ["--target=crabkv_tests"] : [];
  return check(["native/scripts/build.mjs", `--sanitize=${options.sanitize}`, ...target]);
}

const stages = {
  build,
  dist: () => check([command("typescript", "tsc"), "-p", "tsconfig.json"]),
  lint: () => check([command("eslint", "eslint"), ".", "--max-warnings=0"]),
  format: () => check(["native/scripts/format.mjs"]),
  types: () => check([command("typescript", "tsc"), "-p", "test/tsconfig.json"]),
  native: nativeTests,
  vitest,
};

// The programs that vitest starts import what is built into dist.
const needed = chosen.includes("vitest") ? ["build", "dist"] : ["build"];
const wanted = chosen.length === 0 ? Object.keys(stages) : [...new Set([...needed, ...chosen])];
const total = { passed: 0, failed: 0 };
for (const name of wanted) {
  if (stages[name] === undefined) throw new Error(`no stage ${name}; there are ${Object.keys(stages).join(", ")}`);
  console.log(`--- ${name}${options.sanitize === "" ? "" : ` (sanitize=${options.sanitize})`}`);
  const start = performance.now();
  const { passed, failed } = await stages[name]();
  total.passed += passed;
  total.failed += failed;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`--- ${name}: ${passed} passed, ${failed} failed (${seconds} s)`);
  // Tests of a build that failed would test the one before.
  if (name === "build" && failed > 0) break;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
