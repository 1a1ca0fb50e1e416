// The report for people: plain text, one block a row and a summary at the end. Whoever is fastest is marked, also where
// that is a peer; in a row of latencies, whoever has the lowest.
import { durabilities, sidesOf } from "./rows.mjs";
import { better } from "./statistics.mjs";

// One-minute load averages: before the run nothing else should be running; at its end, only the benchmark.
const LOAD_MAX = 0.5;
const DISTURBED =
  "is more than this benchmark makes: other work disturbs the figures, and stores that hand work between " +
  "threads suffer from it most, so that ratios come out too high";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const ms = (value) => `${value.toFixed(2)} ms`;
const percentileNames = [
  ["p50", "p50"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "at most"],
];
const figureText = (row, value) => (row.unit === "ms" ? ms(value) : `${whole.format(value)}/s`);
const goalText = ({ atLeast, atMost, reached }) =>
  atLeast === undefined && atMost === undefined
    ? "no goal"
    : `${atMost === undefined ? `at least ${times(atLeast)}` : `at most ${times(atMost)}`}: ${reached ? "reached" : "NOT reached"}`;
const times = (ratio) => `${ratio.toFixed(2)}×`;

export const repetitionsText = (count) => (count === 1 ? "one repetition" : `${count} repetitions, interleaved`);
// One repetition has none.
const rangeText = (format, { min, max }) => (min === max ? "" : ` (${format(min)} to ${format(max)})`);

export function machineText(machine, settings) {
  const { median, min, max } = machine.fdatasyncMs;
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.kernel}; ${machine.fileSystem ?? "file system unknown"}`,
    `node ${machine.node}; crabkv commit ${machine.commit}`,
    `fdatasync of 4 KiB appended: ${ms(median)} (${ms(min)} to ${ms(max)})`,
    `${whole.format(settings.count)} keys, 16-byte keys, 100-byte values; ${repetitionsText(settings.repetitions)}`,
  ];
  if (settings.isQuick) lines.push("--quick: the goals are those of a run without it");
  return [...lines, ...warningsBefore(machine).map(warningText)].join("\n");
}

const warningText = (text) => `WARNING: ${text}`;

function warningsBefore({ fileSystem, load }) {
  const warnings = [];
  if (fileSystem === "tmpfs") warnings.push("the data is on tmpfs, where syncing costs nothing");
  if (load > LOAD_MAX) warnings.push(`before the run, load average ${load.toFixed(1)} ${DISTURBED}`);
  return warnings;
}

// A side has one busy thread and one or two that mostly wait.
const warningsAfter = ({ cores, loadAtEnd }) =>
  loadAtEnd > cores ? [`at the end, load average ${loadAtEnd.toFixed(1)} ${DISTURBED}`] : [];

/** The sides of --json's rows that have no figure, and why. */
export const failuresOf = (rows) =>
  rows.flatMap(({ name, sides }) =>
    sides
      .filter(({ failed }) => failed !== undefined)
      .map(({ label, failed: reason }) => ({ row: name, label, reason })),
  );

/** One row: every side with median, minimum and maximum, or why it has none, then the comparisons. */
export function rowText({ row, summaries, comparisons, details, failures }) {
  const sides = sidesOf(row);
  const faster = (a, b) => (a === undefined || better(row, summaries.get(b).median, summaries.get(a).median) ? b : a);
  const best = sides.filter((side) => summaries.has(side)).reduce(faster, undefined);
  const lines = [`\n${row.name}: ${row.title}`, `  durability: ${durabilities[row.durability]}`];
  for (const side of sides) {
    if (failures.has(side)) {
      lines.push(`  ${side.label.padEnd(42)}failed: ${failures.get(side)}`);
      continue;
    }
    const summary = summaries.get(side);
    const range = rangeText((value) => figureText(row, value), summary);
    const rate = `${figureText(row, summary.median).padStart(13)} ${range}`;
    const isFastest = side === best && sides.length > 1;
    const notes = (isFastest ? "  fastest" : "") + (summary.wide ? "  WARNING: wide spread" : "");
    lines.push(`  ${side.label.padEnd(42)}${rate}${notes}`.trimEnd());
    lines.push(...detailLines(row, side, details.get(side)));
  }
  if (row.reference !== undefined) {
    lines.push(`  ${row.reference.label.padEnd(42)}${figureText(row, row.reference.rate).padStart(13)}`);
  }
  for (const comparison of comparisons) lines.push(`  ${comparisonText(comparison)}`);
  return lines.join("\n");
}

function detailLines({ latencyOf }, { store }, { version, options, note, latencyMs, measures }) {
  const lines = [`${store} ${version} ${JSON.stringify(options)}`];
  if (latencyMs !== undefined) {
    const known = percentileNames.filter(([key]) => latencyMs[key] !== undefined);
    lines.push(
      `latency ${latencyOf === undefined ? "" : `${latencyOf} `}${known.map(([key, name]) => `${name} ${ms(latencyMs[key])}`).join(", ")}`,
    );
  }
  const measured = Object.entries(measures ?? {}).map(([name, value]) => `${name} ${value}`);
  const last = [...(note === undefined ? [] : [note]), ...measured].join("; ");
  if (last !== "") lines.push(`the last time: ${last}`);
  return lines.map((line) => `      ${line}`);
}

function comparisonText(comparison) {
  const { peer, ratio } = comparison;
  return `${times(ratio)} ${peer.label}${rangeText(times, comparison)}, ${goalText(comparison)}`;
}

export function summaryText(machine, results) {
  const lines = ["\nSummary"];
  for (const { row, summaries, comparisons } of results) {
    if (comparisons.length === 0 && summaries.has(row.ours)) {
      lines.push(`  ${row.name.padEnd(20)}${figureText(row, summaries.get(row.ours).median).padStart(13)}`);
    }
    for (const comparison of comparisons) {
      const { peer, ratio } = comparison;
      const rates = [row.ours, peer].map((side) => figureText(row, summaries.get(side).median).padStart(13));
      const goal = `${times(ratio).padStart(8)}  ${goalText(comparison)}`;
      lines.push(`  ${row.name.padEnd(20)}${rates.join(" ")}  ${peer.label.padEnd(42)}${goal}`);
    }
  }
  for (const { row, failures } of results) {
    for (const [side, reason] of failures) lines.push(`  FAILED: ${row.name}, ${side.label}: ${reason}`);
  }
  return [...lines, ...warningsAfter(machine).map(warningText)].join("\n");
}

/** The same as plain data, for --json and the page. `run` is { machine, settings, startedAt, leftOut, results }. */
export function reportData({ machine, settings, startedAt, leftOut, results }) {
  const rows = results.map(({ row, summaries, comparisons, details, failures }) => ({
    name: row.name,
    title: row.title,
    group: row.group,
    latencyOf: row.latencyOf,
    reference: row.reference,
    unit: row.unit ?? "operations/s",
    durability: durabilities[row.durability],
    sides: sidesOf(row).map((side) => ({
      label: side.label,
      store: side.store,
      ...(failures.has(side) ? { failed: failures.get(side) } : { ...details.get(side), ...summaries.get(side) }),
    })),
    comparisons: comparisons.map(({ peer, ...rest }) => ({ peer: peer.label, ...rest })),
  }));
  const warnings = [...warningsBefore(machine), ...warningsAfter(machine)];
  return { machine, settings, startedAt, warnings, leftOut, rows };
}
