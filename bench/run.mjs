// `npm run bench`: runs every row, each side in a process of its own, side by side repetition after repetition (A B A B ...),
// so that whatever disturbs the machine disturbs all sides. Prints the report, and makes report/index.html of it.
//
//   npm run bench -- --quick              a minute or two: fewer rows, keys and repetitions
//   npm run bench -- --only get,put-os    rows whose name begins so
//   npm run bench -- --json out.json      the figures as data too
//   npm run bench -- --html-from out.json the page again from such data, without measuring; several make one page
//   npm run bench -- --data-dir path      where the stores live meanwhile; default bench/.data
import { fork } from "node:child_process";
import { existsSync, fsyncSync, mkdirSync, mkdtempSync, openSync, closeSync, readdirSync, rmSync } from "node:fs";
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { describeMachine } from "./machine.mjs";
import { writePage } from "./html-report.mjs";
import { installPeers, whyLeftOut } from "./peers.mjs";
import { machineText, reportData, rowText, summaryText } from "./report.mjs";
import { reads, rows, sidesOf } from "./rows.mjs";
import { compare, summarize, summarizeLatencies } from "./statistics.mjs";

const here = import.meta.dirname;
const root = join(here, "..");
// A process that takes longer than this hangs: every workload has a bound far below.
const PROCESS_MS_MAX = 120_000;

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    json: { type: "string" },
    "html-from": { type: "string", multiple: true, default: [] },
    "data-dir": { type: "string", default: join(here, ".data") },
    repetitions: { type: "string" },
  },
});
const settings = flags.quick
  ? { count: 100_000, repetitions: 2, seconds: 0.25 }
  : { count: 1_000_000, repetitions: 5, seconds: 2 };
if (flags.repetitions !== undefined) settings.repetitions = Number(flags.repetitions);
if (!(settings.repetitions >= 1)) throw new Error("--repetitions is a number from 1 on");

/** Runs one task in a process of its own; resolves with what it sends. */
function runSide(task) {
  return new Promise((resolve, reject) => {
    const child = fork(join(here, "side.mjs"), [JSON.stringify(task)], { execArgv: ["--expose-gc"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), PROCESS_MS_MAX);
    let result;
    child.on("message", (message) => (result = message));
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${task.store} ${task.workload} ended with ${signal ?? code}`));
    });
  });
}

// What a fill left to be written back would be written while something else is measured.
function syncFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = openSync(join(entry.parentPath ?? entry.path, entry.name), "r");
    fsyncSync(file);
    closeSync(file);
  }
}

/** Makes folders for stores; remembers the filled ones, which all read rows of a store share. */
class Folders {
  #base;
  #filled = new Map();
  #made = 0;

  constructor(base) {
    mkdirSync(base, { recursive: true });
    this.#base = mkdtempSync(join(base, "run-"));
  }

  get base() {
    return this.#base;
  }

  fresh(store) {
    const folder = join(this.#base, `${store}-${++this.#made}`);
    mkdirSync(folder);
    return folder;
  }

  async filled(store) {
    const known = this.#filled.get(store);
    if (known !== undefined) return known;
    const path = this.fresh(store);
    await runSide({ store, workload: "fill", path, count: settings.count, durability: "killed", form: "text" });
    syncFiles(path);
    this.#filled.set(store, path);
    return path;
  }

  removeAll() {
    rmSync(this.#base, { recursive: true, force: true });
  }
}

async function runOnce(folders, row, side) {
  const path = reads(row) ? await folders.filled(side.store) : folders.fresh(side.store);
  const { workload, durability, form, inFlight, keys, load } = row;
  const { store, variant, workers, hints } = side;
  const { count, seconds } = settings;
  const options = { ...row.options, ...side.options };
  const asked = { workload, durability, form, inFlight, keys, load, count, seconds };
  const task = { ...asked, store, variant, workers, hints, options, path };
  const result = await runSide(task);
  if (!reads(row)) rmSync(path, { recursive: true });
  return result;
}

async function runRow(folders, row) {
  const sides = sidesOf(row);
  const rates = new Map(sides.map((side) => [side, []]));
  const details = new Map();
  const latencies = new Map(sides.map((side) => [side, []]));
  for (let repetition = 0; repetition < Math.min(settings.repetitions, row.repetitionsMax ?? Infinity); repetition++) {
    for (const side of sides) {
      const { operations, ms, figure, latencyMs, ...rest } = await runOnce(folders, row, side);
      rates.get(side).push(figure ?? (operations / ms) * 1000);
      latencies.get(side).push(latencyMs);
      details.set(side, rest);
    }
  }
  for (const side of sides) details.get(side).latencyMs = summarizeLatencies(latencies.get(side));
  const summaries = new Map(sides.map((side) => [side, summarize(rates.get(side))]));
  return { row, summaries, details, comparisons: compare(row, summaries) };
}

function chosenRows() {
  const wanted = flags.only.split(",");
  const chosen = rows.filter(
    ({ name, notQuick = false }) => wanted.some((prefix) => name.startsWith(prefix)) && !(flags.quick && notQuick),
  );
  if (chosen.length === 0) throw new Error(`no such row; there are ${rows.map(({ name }) => name).join(", ")}`);
  return chosen;
}

/** Several runs as one: the machine and settings of the first, of a row that is in several the last. */
function joined(runs) {
  const rows = new Map(runs.flatMap((run) => run.rows).map((row) => [row.name, row]));
  const warnings = [...new Set(runs.flatMap((run) => run.warnings ?? []))];
  return { ...runs[0], warnings, rows: [...rows.values()] };
}

/**
 * The rows without the sides that cannot run here, and why those cannot. A row without CrabKV's side, or without the program that
 * measures it, goes altogether.
 */
async function possibleRows(wanted) {
  const stores = [
    ...new Set(
      wanted.flatMap((row) => [
        ...sidesOf(row).map(({ store }) => store),
        ...(row.needs === undefined ? [] : [row.needs]),
      ]),
    ),
  ];
  const reasons = new Map();
  for (const store of stores) reasons.set(store, await whyLeftOut(store));
  const possible = ({ store }) => reasons.get(store) === undefined;
  const withPossible = (peers) =>
    peers
      .map((peer) => ({ ...peer, variants: peer.variants.filter(possible) }))
      .filter(({ variants }) => variants.length > 0);
  const remaining = wanted
    .filter(({ ours, needs }) => possible(ours) && (needs === undefined || possible({ store: needs })))
    .map((row) => ({ ...row, peers: withPossible(row.peers) }));
  const leftOut = stores
    .filter((store) => !possible({ store }))
    .map((store) => ({ store, reason: reasons.get(store) }));
  return { remaining, leftOut };
}

async function measure(chosen, folders) {
  const startedAt = new Date().toISOString();
  const machine = describeMachine(root, folders.base);
  console.log(machineText(machine, settings));
  const results = [];
  const { remaining, leftOut } = await possibleRows(chosen);
  for (const { store, reason } of leftOut) console.log(`LEFT OUT: ${store}: ${reason}`);
  for (const row of remaining) {
    const result = await runRow(folders, row);
    console.log(rowText(result));
    results.push(result);
  }
  machine.loadAtEnd = loadavg()[0];
  console.log(summaryText(machine, results));
  return reportData({ machine, settings, startedAt, leftOut, results });
}

async function main() {
  const chosen = chosenRows();
  if (!existsSync(join(root, "dist", "index.js"))) throw new Error("CrabKV is not built: run `npm run build` first");
  installPeers();
  const folders = new Folders(flags["data-dir"]);
  const stop = () => {
    folders.removeAll();
    process.exit(1);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    const data = await measure(chosen, folders);
    if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(data, null, 2)}\n`);
    return data;
  } finally {
    folders.removeAll();
  }
}

const sources = flags["html-from"];
const data =
  sources.length === 0 ? await main() : joined(sources.map((path) => JSON.parse(readFileSync(path, "utf8"))));
const pagePath = join(here, "report", "index.html");
writePage(pagePath, data);
console.log(`\n${relative(process.cwd(), pagePath)} is the same with charts`);
