// The report as a page: bench/report/index.html, one file with everything in it, made by every run and by `--html-from` from
// what `--json` wrote. Data in, text out; the charts are in html-charts.mjs.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { barChart, latencyChart, seriesCharts } from "./html-charts.mjs";
import { style } from "./html-style.mjs";
import { commas, escape, figure, milliseconds, times } from "./html-text.mjs";
import { failuresOf, repetitionsText } from "./report.mjs";

const goalText = ({ atLeast, atMost }) =>
  atLeast !== undefined ? `at least ${times(atLeast)}` : atMost !== undefined ? `at most ${times(atMost)}` : undefined;

function goal(comparison) {
  const { peer, ratio, reached } = comparison;
  const wanted = goalText(comparison);
  const verdict = wanted === undefined ? "" : ` (${wanted}: ${reached ? "reached" : "not reached"})`;
  const name = wanted === undefined ? "" : reached ? " reached" : " missed";
  return `<span class="goal${name}"><b>${times(ratio)}</b> ${escape(peer)}${verdict}</span>`;
}

function facts({ machine, settings, startedAt }) {
  const { median, min, max } = machine.fdatasyncMs;
  const entries = [
    ["Measured", startedAt === undefined ? "unknown" : `${startedAt.slice(0, 16).replace("T", " ")} UTC`],
    ["Commit", machine.commit],
    ["Machine", `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB`],
    ["System", `${machine.kernel}; ${machine.fileSystem ?? "file system unknown"}`],
    ["Node", machine.node],
    ["fdatasync of 4 KiB appended", `${milliseconds(median)} (${milliseconds(min)} to ${milliseconds(max)})`],
    ["Data", `${commas(settings.count)} keys of 16 bytes, values of 100 bytes, where a row says nothing else`],
    ["Repetitions", `${repetitionsText(settings.repetitions)}, each side in a process of its own`],
    ...(settings.isQuick ? [["Goals", "those of a run without --quick"]] : []),
  ];
  const items = entries.map(([name, text]) => `<div><dt>${name}</dt><dd>${escape(text)}</dd></div>`);
  return `<dl class="facts">${items.join("")}</dl>`;
}

const warnings = (data) => (data.warnings ?? []).map((text) => `<div class="warning">${escape(text)}</div>`).join("");

function leftOut({ leftOut: missing = [] }) {
  if (missing.length === 0) return "";
  const lines = missing.map(({ store, reason }) => `<b>${escape(store)}</b> was left out: ${escape(reason)}`);
  return `<div class="warning">${lines.join("<br>")}</div>`;
}

function failures({ rows }) {
  const lines = failuresOf(rows).map(
    ({ row, label, reason }) => `<a href="#${row}">${row}</a>, <b>${escape(label)}</b> failed: ${escape(reason)}`,
  );
  return lines.length === 0 ? "" : `<div class="warning">${lines.join("<br>")}</div>`;
}

function goalTable(rows) {
  const lines = rows.flatMap((row) => {
    const { name, unit, sides, comparisons } = row;
    return comparisons
      .filter((comparison) => goalText(comparison) !== undefined)
      .map((comparison) => {
        const theirs = sides.find(({ label }) => label === comparison.peer);
        return [
          `<td><a href="#${name}">${name}</a><br><span class="soft">${escape(row.title)}</span></td>`,
          `<td class="number">${figure(unit, sides[0].median)}</td><td class="number">${figure(unit, theirs.median)}</td>`,
          `<td>${escape(comparison.peer)}</td><td class="number">${times(comparison.ratio)}</td>`,
          `<td class="verdict ${comparison.reached ? "reached" : "missed"}"><b>${goalText(comparison)}</b>, ${comparison.reached ? "reached" : "not reached"}</td>`,
        ].join("");
      });
  });
  if (lines.length === 0) return "";
  return `<h2 id="goals">Goals</h2><p class="soft">Medians, and their ratio. What is not reached is listed like what is.</p>
<div class="card scroll"><table><tr><th>Row</th><th class="number">CrabKV</th><th class="number">Peer</th><th>Against</th><th class="number">Ratio</th><th>Goal</th></tr>
${lines.map((line) => `<tr>${line}</tr>`).join("\n")}</table></div>`;
}

function detailsTable({ unit, sides }) {
  const measured = sides.filter(({ failed }) => failed === undefined);
  if (measured.length === 0) return "";
  const lines = measured.map(
    ({ label, store, version, options, note, median, min, max }) =>
      `<tr><td>${escape(label)}<br><span class="soft">${escape(`${store} ${version}`)}</span></td><td class="number">${figure(unit, min)}<br><b>${figure(unit, median)}</b><br>${figure(unit, max)}</td><td class="options"><code>${escape(JSON.stringify(options))}</code>${note === undefined ? "" : `<br>${escape(note)}`}</td></tr>`,
  );
  return `<details><summary>Versions, options and notes</summary><table><tr><th>Side</th><th class="number">min, median, max</th><th>Options; note of the last repetition</th></tr>${lines.join("")}</table></details>`;
}

/** What a row measured beside its figure, as a table: a line for each measure of one or two sides, a line for each side of more. */
function measuresTable({ sides }) {
  const measured = sides.filter(({ measures }) => measures !== undefined);
  const names = [...new Set(measured.flatMap(({ measures }) => Object.keys(measures)))];
  if (names.length === 0) return "";
  const cell = ({ measures }, name) => `<td class="number">${escape(measures[name] ?? "–")}</td>`;
  const bySide = measured.length > 2;
  const headings = bySide ? names : measured.map(({ label }) => label);
  const lines = bySide
    ? measured.map((side) => [side.label, ...names.map((name) => cell(side, name))])
    : names.map((name) => [name, ...measured.map((side) => cell(side, name))]);
  const head = headings.map((text) => `<th class="number">${escape(text)}</th>`).join("");
  const body = lines.map(([first, ...cells]) => `<tr><td>${escape(first)}</td>${cells.join("")}</tr>`).join("");
  return `<div class="scroll"><table>${measured.length > 1 ? `<tr><th></th>${head}</tr>` : ""}${body}</table></div>`;
}

const failedSides = ({ sides }) =>
  sides
    .filter(({ failed }) => failed !== undefined)
    .map(
      ({ label, failed }) => `<p><span class="goal missed"><b>failed</b> ${escape(`${label}: ${failed}`)}</span></p>`,
    )
    .join("");

function card(row) {
  const latency = latencyChart(row);
  const course = seriesCharts(row);
  return `<section class="card${course === "" ? "" : " wide"}" id="${row.name}">
<h3>${escape(row.title)} <span class="name mono">${row.name}</span></h3>
<p class="durability">${escape(row.durability)}</p>
<div class="charts"><div>${barChart(row)}
${failedSides(row)}<p>${row.comparisons.map(goal).join("")}</p></div>
${latency === "" ? "" : `<div><p class="soft">Latency${row.latencyOf === undefined ? "" : ` ${escape(row.latencyOf)}`}, medians of the repetitions' percentiles</p>${latency}</div>`}</div>
${course}${measuresTable(row)}${detailsTable(row)}</section>`;
}

function groupsOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const group = row.group ?? "Rows";
    groups.set(group, [...(groups.get(group) ?? []), row]);
  }
  return [...groups];
}

const anchor = (group) => `group-${group.toLowerCase().replace(/[^a-z]+/g, "-")}`;

/** The page for what reportData() made. */
export function page(data) {
  const groups = groupsOf(data.rows);
  const goals = goalTable(data.rows);
  const links = groups.map(([group]) => `<a href="#${anchor(group)}">${escape(group)}</a>`);
  const sections = groups.map(
    ([group, rows]) =>
      `<h2 id="${anchor(group)}">${escape(group)}</h2><div class="cards">${rows.map(card).join("\n")}</div>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>CrabKV benchmarks</title><style>${style}</style></head><body><main>
<h1>CrabKV benchmarks</h1>
<p class="soft">A bar is a median; its whisker goes from the slowest to the fastest repetition, its dots are the repetitions. A peer that wins is shown winning.</p>
<nav>${goals === "" ? "" : '<a href="#goals">Goals</a>'}${links.join("")}</nav>
${facts(data)}${warnings(data)}${leftOut(data)}${failures(data)}
${goals}${sections.join("\n")}
</main></body></html>
`;
}

export function writePage(path, data) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, page(data));
}
