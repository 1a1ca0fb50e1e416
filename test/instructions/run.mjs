// Counts the instructions of the workloads here under valgrind's callgrind, and fails when one takes over 5 % more than counts.json says:
// a regression of the core is found without timing anything. `--write` notes the counts of this build instead.
//
// Counts depend on compiler, C library and processor family, so counts.json keeps them by these; where it knows nothing of a build, that is said,
// and all that is tested is that two runs count the same. What would depend on the processor at hand is pinned: callgrind knows no AVX-512, the
// C library is told to do without AVX2 and fast string instructions, and the program says which CRC it took.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { write: { type: "boolean", default: false } } });
const here = import.meta.dirname;
const program = join(here, "..", "..", "build", "Release", "crabkv_instructions");
const countsPath = join(here, "counts.json");

const PERCENT_MORE_MAX = 5;
/** Two runs of one build: what threads do in another order counts little. */
const PERCENT_APART_MAX = 1;
const RUN_MS_MAX = 60_000;

/** Inside of which functions instructions count; the second runs on the writer thread. */
const counted = ["CrabkvCounted", "crabkv::FrameAppender::Append*"];
const environment = {
  ...process.env,
  GLIBC_TUNABLES: "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load",
};

function run(file, args) {
  const result = spawnSync(file, args, { env: environment, encoding: "utf8", timeout: RUN_MS_MAX });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${file} ${args.join(" ")}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** The instructions of a workload, and what they depend on beside the code. */
function count(workload) {
  const folder = mkdtempSync(join(tmpdir(), "crabkv-instructions-"));
  try {
    const toggles = counted.map((name) => `--toggle-collect=${name}`);
    const file = join(folder, "counts");
    const own = ["--tool=callgrind", "--quiet", "--collect-atstart=no", `--callgrind-out-file=${file}`, ...toggles];
    const output = run("valgrind", [...own, program, workload]);
    const instructions = Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(file, "utf8"))?.[1]);
    if (!(instructions > 0)) throw new Error(`callgrind counted nothing of ${workload}`);
    const node = process.versions.node.split(".")[0]; // whose headers bring the compiler's options
    return { instructions, build: `${output.trim().split("\n").at(-1)}, options of Node ${node}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const percent = (now, before) => (now / before - 1) * 100;
const signed = (value) => `${value < 0 ? "" : "+"}${value.toFixed(2)} %`;

/** True when the workload takes no more than it may. */
function compare(workload, instructions, known) {
  const more = percent(instructions, known);
  const good = more <= PERCENT_MORE_MAX;
  const verdict = good ? (more < -PERCENT_MORE_MAX ? "less: note it with --write" : "as before") : "MORE than 5 %";
  console.log(`${workload.padEnd(14)}${String(instructions).padStart(12)}  ${signed(more).padStart(9)}  ${verdict}`);
  return good;
}

function compareAgain(workload, instructions) {
  const apart = percent(count(workload).instructions, instructions);
  console.log(
    `${workload.padEnd(14)}${String(instructions).padStart(12)}  ${signed(apart).padStart(9)}  a second time`,
  );
  return Math.abs(apart) <= PERCENT_APART_MAX;
}

function main() {
  if (!existsSync(program)) throw new Error(`${program} is not built: node native/scripts/build.mjs`);
  const all = JSON.parse(readFileSync(countsPath, "utf8"));
  const workloads = run(program, []).trim().split("\n").sort();
  const results = workloads.map((workload) => ({ workload, ...count(workload) }));
  const { build } = results[0];
  console.log(build);
  if (options.write) {
    all[build] = Object.fromEntries(results.map(({ workload, instructions }) => [workload, instructions]));
    writeFileSync(countsPath, `${JSON.stringify(all, null, 2)}\n`);
  }
  const known = all[build];
  if (known === undefined) console.log("NOT COMPARED: counts.json knows nothing of this build; add it with --write");
  const good = results.filter(({ workload, instructions }) =>
    known?.[workload] === undefined
      ? compareAgain(workload, instructions)
      : compare(workload, instructions, known[workload]),
  );
  console.log(`${good.length} passed, ${results.length - good.length} failed`);
  process.exitCode = good.length === results.length ? 0 : 1;
}

if (spawnSync("valgrind", ["--version"]).status !== 0) {
  console.log("NOT COUNTED: valgrind is not installed");
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
} else {
  main();
}
