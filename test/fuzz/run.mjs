// Builds the fuzzers (clang, with libFuzzer's runtime) and runs each for some time, as many at once as there are processors,
// from the seeds in test/fuzz/corpus. Finds of earlier runs are kept in build-variants/fuzzer/corpus and are used again.
//
//   node test/fuzz/run.mjs [--seconds=60] [name…]      a line for each, and `N passed, N failed` as the last line
//
// An input that breaks something is kept, and the command that runs it again is printed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const variant = join(root, "build-variants", "fuzzer");
const program = join(variant, "build", "Release", "crabkv_fuzz");
const seeds = join(root, "test", "fuzz", "corpus");

// The longest input of each, in bytes: what its seeds need, and some room.
const fuzzers = {
  record: 2048,
  frame: 4096,
  manifest: 2048,
  hint: 4096,
  directory: 24576,
  parser: 2048,
  resp: 2048,
  text: 2048,
};

const { values, positionals: chosen } = parseArgs({
  options: { seconds: { type: "string", default: "60" } },
  allowPositionals: true,
});
const seconds = Number(values.seconds);
if (!Number.isSafeInteger(seconds) || seconds < 1) throw new Error("--seconds is a number of seconds");
const wanted = chosen.length === 0 ? Object.keys(fuzzers) : chosen;
for (const name of wanted) {
  if (fuzzers[name] === undefined) throw new Error(`no fuzzer ${name}; there are ${Object.keys(fuzzers).join(", ")}`);
}

function fuzz(name) {
  const found = join(variant, "corpus", name);
  const broken = join(variant, "broken", `${name}-`);
  mkdirSync(found, { recursive: true });
  mkdirSync(dirname(broken), { recursive: true });
  const folders = [found, join(seeds, name)].filter(existsSync);
  // What is allocated is bounded by what lies in the input; an input takes milliseconds.
  const limits = [`-max_len=${fuzzers[name]}`, "-rss_limit_mb=2048", "-malloc_limit_mb=256", "-timeout=25"];
  const args = [
    ...limits,
    `-max_total_time=${seconds}`,
    "-print_final_stats=1",
    `-artifact_prefix=${broken}`,
    ...folders,
  ];
  const env = {
    ...process.env,
    CRABKV_FUZZ: name,
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
  };
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      // The end is what tells.
      said = (said + text).slice(-40_000);
    });
    child.on("close", (status, signal) => resolve({ name, good: status === 0, said, end: signal ?? status }));
  });
}

function report({ name, good, said, end }) {
  const inputs = /number_of_executed_units: (\d+)/.exec(said)?.[1] ?? "?";
  const covered = [...said.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? "?";
  const kept = existsSync(join(seeds, name)) ? readdirSync(join(seeds, name)).length : 0;
  console.log(`${good ? "ok     " : "FAILED "} ${name}: ${inputs} inputs, ${covered} edges covered, ${kept} seeds`);
  if (good) return;
  console.log(said.slice(-8000));
  const input = /Test unit written to (\S+)/.exec(said)?.[1];
  if (input === undefined) console.log(`it ended with ${end}`);
  else console.log(`again: CRABKV_FUZZ=${name} ${relative(root, program)} ${relative(root, input)}`);
}

const build = [join(root, "native", "scripts", "build.mjs"), "--sanitize=fuzzer", "--target=crabkv_fuzz"];
const built = spawnSync(process.execPath, build, { cwd: root, stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
if (built.status !== 0) {
  console.log(
    `${built.stderr.slice(-4000)}\nthe fuzzers do not build: is clang there, with its runtime (libclang-rt)?`,
  );
  console.log("0 passed, 1 failed");
  process.exit(1);
}
const waiting = [...wanted];
const results = [];
async function work() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const result = await fuzz(name);
    report(result);
    results.push(result);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work));
const failed = results.filter(({ good }) => !good).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
