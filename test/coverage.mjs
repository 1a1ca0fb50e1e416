// What the native tests execute of the engine: says how many of the lines and branches of native/core the last run of them with ASan
// did, whose build counts that; a branch is one outcome of a condition (coverage-branches.mjs says which count). Headers count with
// what uses them, and so do the processes that tests start, however they end.
//
//   node test/run.mjs --sanitize=address native    first
//   node test/coverage.mjs                         a line for each file, the sum, and `1 passed, 0 failed`
//   node test/coverage.mjs log_check               the lines of such files that were not executed, or whose branches were not, too
//
// Fails below the shares that have been reached, see `least`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { branchesByFile, countBranches } from "./coverage-branches.mjs";
import { binariesOf, countersFolder } from "./sanitizers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const program = join(binariesOf("address"), "crabkv_tests");
const least = { lines: 97.5, branches: 90.5 };

function llvm(tool, ...args) {
  const stdio = ["ignore", "pipe", "inherit"];
  const { error, status, stdout } = spawnSync(tool, args, { stdio, encoding: "utf8", maxBuffer: 1 << 30 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${tool} failed`);
  return stdout;
}

/** The files of the counters, which must be of the program as it is. */
function countedFiles() {
  const names = existsSync(countersFolder) ? readdirSync(countersFolder) : [];
  const files = names.map((name) => join(countersFolder, name));
  const built = existsSync(program) ? statSync(program).mtimeMs : Infinity;
  if (files.length === 0 || files.some((file) => statSync(file).mtimeMs < built))
    throw new Error("nothing is counted yet: run node test/run.mjs --sanitize=address native");
  return files;
}

const isCore = (path) => path.includes("native/core/");
const percent = (counts) => (counts.count === 0 ? 100 : (100 * counts.covered) / counts.count);
const shown = (counts) => `${percent(counts).toFixed(1).padStart(5)} % of ${String(counts.count).padStart(5)}`;

/** Lines that no test executes, and those with a condition that never had one of its outcomes. */
function gapsOf(file, branches) {
  const gaps = new Map();
  const text = readFileSync(join(root, "native", "core", basename(file.filename)), "utf8").split("\n");
  const add = (line, what) => gaps.set(line, [...(gaps.get(line) ?? []), what]);
  for (const { line, yes, no } of branches) {
    if (yes === 0 && no === 0) continue;
    if (yes === 0) add(line, "never true");
    if (no === 0) add(line, "never false");
  }
  let previous;
  for (const [line, column, count, hasCount, isEntry] of file.segments) {
    if (previous !== undefined && previous.hasCount && previous.count === 0) {
      for (let at = previous.line; at < line || (at === line && column > 1); at++) add(at, "not executed");
    }
    previous = { line, count, hasCount, isEntry };
  }
  return [...gaps]
    .sort(([a], [b]) => a - b)
    .map(([line, what]) => `  ${line}: ${text[line - 1]?.trim()}   [${[...new Set(what)].join(", ")}]`);
}

const folder = mkdtempSync(join(tmpdir(), "crabkv-coverage-"));
try {
  const merged = join(folder, "merged");
  llvm("llvm-profdata", "merge", "-sparse", ...countedFiles(), "-o", merged);
  const { data } = JSON.parse(llvm("llvm-cov", "export", program, `-instr-profile=${merged}`));
  const files = data[0].files.filter(({ filename }) => isCore(filename));
  const branchesOf = branchesByFile(data[0], root);
  const sum = { lines: { count: 0, covered: 0 }, branches: { count: 0, covered: 0 } };
  for (const file of files) {
    const found = branchesOf.get(basename(file.filename)) ?? [];
    const { lines } = file.summary;
    const branches = countBranches(found);
    console.log(`${basename(file.filename).padEnd(26)} lines ${shown(lines)}   branches ${shown(branches)}`);
    for (const [name, counts] of Object.entries({ lines, branches })) {
      sum[name].count += counts.count;
      sum[name].covered += counts.covered;
    }
    if (process.argv.slice(2).some((word) => file.filename.includes(word))) console.log(gapsOf(file, found).join("\n"));
  }
  console.log(`native/core: lines ${percent(sum.lines).toFixed(1)} %, branches ${percent(sum.branches).toFixed(1)} %`);
  const good = percent(sum.lines) >= least.lines && percent(sum.branches) >= least.branches;
  if (!good) console.log(`that is less than ${least.lines} % of the lines or ${least.branches} % of the branches`);
  console.log(good ? "1 passed, 0 failed" : "0 passed, 1 failed");
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
