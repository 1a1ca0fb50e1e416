// `npm run bench`: runs every row, each side in a process of its own, side by side repetition after repetition (A B A B ...),
// so that whatever disturbs the machine disturbs all sides. Prints the report, and makes report/index.html of it. A side that fails is
// reported as such, everything else goes on, and the exit code is 1 at the end. Its flags are in flags.mjs.
import { existsSync, fsyncSync, mkdirSync, mkdtempSync, openSync, closeSync, readdirSync, rmSync } from "node:fs";
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join, relative } from "node:path";
import { readFlags } from "./flags.mjs";
import { describeMachine } from "./machine.mjs";
import { writePage } from "./html-report.mjs";
import { installPeers, whyLeftOut } from "./peers.mjs";
import { failuresOf, machineText, reportData, rowText, summaryText } from "./report.mjs";
import { reads, sidesOf } from "./rows.mjs";
import { endSide, runSide } from "./run-side.mjs";
import { compare, summarize, summarizeLatencies } from "./statistics.mjs";

const here = import.meta.dirname;
const root = join(here, "..");

const flags = readFlags(process.argv.slice(2));
const settings = flags.quick
  ? { count: 100_000, repetitions: 1, seconds: 0.25, isQuick: true }
  : { count: 1_000_000, repetitions: 5, seconds: 2, isQuick: false };
settings.repetitions = flags.repetitions ?? settings.repetitions;

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

  /** Rejects each time when it could not be filled. */
  filled(store) {
    if (!this.#filled.has(store)) this.#filled.set(store, this.#fill(store));
    return this.#filled.get(store);
  }

  async #fill(store) {
    const path = this.fresh(store);
    try {
      await runSide({ store, workload: "fill", path, count: settings.count, durability: "killed", form: "text" });
    } catch (error) {
      throw new Error(`filling: ${error.message}`);
    }
    syncFiles(path);
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
  try {
    return await runSide(task);
  } finally {
    if (!reads(row)) rmSync(path, { recursive: true });
  }
}

async function runRow(folders, row) {
  const sides = sidesOf(row);
  const rates = new Map(sides.map((side) => [side, []]));
  const details = new Map();
  const latencies = new Map(sides.map((side) => [side, []]));
  const failures = new Map();
  for (let repetition = 0; repetition < Math.min(settings.repetitions, row.repetitionsMax ?? Infinity); repetition++) {
    for (const side of sides.filter((side) => !failures.has(side))) {
      try {
        const { operations, ms, figure, latencyMs, ...rest } = await runOnce(folders, row, side);
        rates.get(side).push(figure ?? (operations / ms) * 1000);
        latencies.get(side).push(latencyMs);
        details.set(side, rest);
      } catch (error) {
        failures.set(side, error.message);
      }
    }
  }
  const measured = sides.filter((side) => !failures.has(side));
  for (const side of measured) details.get(side).latencyMs = summarizeLatencies(latencies.get(side));
  const summaries = new Map(measured.map((side) => [side, summarize(rates.get(side))]));
  return { row, summaries, details, failures, comparisons: compare(row, summaries) };
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
  if (!existsSync(join(root, "dist", "index.js"))) throw new Error("CrabKV is not built: run `npm run build` first");
  if (!flags.installed) installPeers();
  const folders = new Folders(flags["data-dir"]);
  const stop = () => {
    endSide();
    folders.removeAll();
    process.exit(1);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  try {
    const data = await measure(flags.rows, folders);
    if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(data, null, 2)}\n`);
    if (failuresOf(data.rows).length > 0) process.exitCode = 1;
    return data;
  } finally {
    folders.removeAll();
  }
}

const sources = flags["html-from"];
const data =
  sources.length === 0 ? await main() : joined(sources.map((path) => JSON.parse(readFileSync(path, "utf8"))));
writePage(flags.html, data);
console.log(`\n${relative(process.cwd(), flags.html)} is the same with charts`);
