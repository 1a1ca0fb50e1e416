// `npm run test:long`: the randomized tests with amounts that CI has no time for. About two and a half hours as it is; each amount can be
// given, and 0 leaves a test out:
//
//   node test/long.mjs --commands=1000000 --kills=1000 --cuts=10000 --compacting-cuts=10000 --terminations=1000 --opens=1000 \
//     --disks=2000000 --fuzz-seconds=600 --lives=100 --storm=100000 --rounds=5 [--seed=n]
//
// commands: of the model test; kills: SIGKILLs in each sync mode; cuts: power cuts over all sync modes (Linux, root);
// compacting-cuts: such cuts of stores that compact; terminations: of workers with commits in flight; opens: and closes, of one
// store in one process; disks: that a power cut could have left, made from traces (a million takes about seven minutes on two
// processors); fuzz-seconds: of each fuzzer; lives: of a server that clients use while it is killed, in each sync mode and with
// power cuts; storm: clients that come and go; rounds: of KEYS and SCAN over a million keys, from 3 on with a bound on how long
// others wait, which a machine that does other work does not keep.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
const vitest = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");

const { values } = parseArgs({
  options: {
    commands: { type: "string", default: "1000000" },
    kills: { type: "string", default: "1000" },
    cuts: { type: "string", default: "10000" },
    "compacting-cuts": { type: "string", default: "10000" },
    terminations: { type: "string", default: "1000" },
    opens: { type: "string", default: "1000" },
    disks: { type: "string", default: "2000000" },
    lives: { type: "string", default: "100" },
    storm: { type: "string", default: "100000" },
    rounds: { type: "string", default: "5" },
    "fuzz-seconds": { type: "string", default: "600" },
    seed: { type: "string" },
  },
});

const tests = [
  ["commands", "CRABKV_TEST_COMMANDS", "test/model/model.test.ts"],
  ["kills", "CRABKV_TEST_KILLS", "test/crash/kills.test.ts"],
  ["cuts", "CRABKV_TEST_CUTS", "test/crash/power-cuts.test.ts"],
  ["compacting-cuts", "CRABKV_TEST_COMPACTING_CUTS", "test/crash/power-cuts.test.ts"],
  ["terminations", "CRABKV_TEST_TERMINATIONS", "test/leaks.test.ts"],
  ["opens", "CRABKV_TEST_OPENS", "test/leaks.test.ts"],
  ["lives", "CRABKV_TEST_LIVES", "test/server/crashes.test.ts"],
  ["storm", "CRABKV_TEST_STORM", "test/server/abuse-connections.test.ts"],
  ["rounds", "CRABKV_TEST_ROUNDS", "test/server/abuse-keys.test.ts"],
];

function amountOf(name) {
  const amount = Number(values[name]);
  if (!Number.isSafeInteger(amount) || amount < 0) throw new Error(`--${name} must be a number, not ${values[name]}`);
  return amount;
}

const env = { ...process.env };
const files = [];
for (const [name, variable, file] of tests) {
  const amount = amountOf(name);
  env[variable] = String(amount);
  if (amount > 0) files.push(file);
}
const disks = amountOf("disks");
if (values.seed !== undefined) env.CRABKV_TEST_SEED = values.seed;
const fuzzSeconds = amountOf("fuzz-seconds");
if (files.length === 0 && disks === 0 && fuzzSeconds === 0) throw new Error("every amount is 0: nothing to run");

function run(file, args, more = {}) {
  const { status, error } = spawnSync(file, args, {
    cwd: root,
    env: { ...env, ...more },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const node = (...args) => run(process.execPath, args);

if (disks > 0) {
  node(join(root, "test", "run.mjs"), "build");
  const program = join(root, "build", "Release", "crabkv_tests");
  run(program, ["Every_disk"], { CRABKV_TEST_DISKS: String(disks), CRABKV_TEST_TIMEOUT_S: "36000" });
}
if (fuzzSeconds > 0) node(join(root, "test", "fuzz", "run.mjs"), `--seconds=${fuzzSeconds}`);
if (files.length > 0) {
  node(join(root, "test", "run.mjs"), "dist");
  node(vitest, "run", ...new Set(files));
}
