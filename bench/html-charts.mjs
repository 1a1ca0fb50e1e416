// The charts of bench/report/index.html, as inline SVG: bars with minimum, median and maximum, percentiles of latency on a
// logarithmic scale, and courses over time. Each takes rows and sides as --json has them, and returns text.
import { colourOf } from "./html-style.mjs";
import { escape, figure, milliseconds, short } from "./html-text.mjs";

const WIDTH = 540;
const LABEL_HEIGHT = 17;
const BAR_HEIGHT = 13;
const ROW_HEIGHT = LABEL_HEIGHT + BAR_HEIGHT + 10;
const FIGURE_WIDTH = 88;
const LABEL_CHARACTERS = 28;

const svg = (width, height, label, content) =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">${content}</svg>`;

const round = (value) => Math.round(value * 10) / 10;
/** On an axis: without digits that say nothing. */
const tick = (value) => String(Number(value.toPrecision(3)));

/** Sides in their order, each with its colour: a store's second side is a variant of its first. */
function coloured(sides) {
  const seen = new Map();
  return sides.map((side) => {
    const nth = seen.get(side.store) ?? 0;
    seen.set(side.store, nth + 1);
    return { ...side, colour: colourOf(side.store, nth) };
  });
}

function bar(side, unit, y, scale) {
  const { label, colour, median, min, max, rates = [], wide } = side;
  const top = y + LABEL_HEIGHT;
  const middle = top + BAR_HEIGHT / 2;
  const spread = `M${round(scale(min))} ${middle}H${round(scale(max))}M${round(scale(min))} ${top + 2}v${BAR_HEIGHT - 4}M${round(scale(max))} ${top + 2}v${BAR_HEIGHT - 4}`;
  const runs = rates.map((rate) => `<circle class="run" cx="${round(scale(rate))}" cy="${middle}" r="2.2"/>`);
  const range = `${figure(unit, median)}, from ${figure(unit, min)} to ${figure(unit, max)}`;
  return [
    `<g class="${colour}"><title>${escape(`${label}: ${range}`)}</title>`,
    `<text x="0" y="${y + 12}">${escape(label)}${wide ? ' <tspan class="soft">(wide spread)</tspan>' : ""}</text>`,
    `<rect class="bar" x="0" y="${top}" width="${Math.max(1.5, round(scale(median)))}" height="${BAR_HEIGHT}" rx="2"/>`,
    rates.length > 1 ? `<path class="spread" d="${spread}"/>${runs.join("")}` : "",
    `<text class="strong" x="${WIDTH}" y="${middle + 4.5}" text-anchor="end">${figure(unit, median)}</text></g>`,
  ].join("");
}

// A figure from elsewhere, without repetitions.
const referenceSide = ({ label, rate }) => ({ store: "map", label, median: rate, min: rate, max: rate });

/** One bar a side, as long as its median; the whisker is from minimum to maximum, a dot is one repetition. */
export function barChart({ title, unit, sides: measured, reference }) {
  const all = [...measured, ...(reference === undefined ? [] : [referenceSide(reference)])];
  const sides = coloured(all).filter(({ failed }) => failed === undefined);
  if (sides.length === 0) return "";
  const most = Math.max(...sides.map(({ max }) => max), Number.MIN_VALUE);
  const scale = (value) => (value / most) * (WIDTH - FIGURE_WIDTH);
  const bars = sides.map((side, at) => bar(side, unit, at * ROW_HEIGHT, scale));
  return svg(WIDTH, sides.length * ROW_HEIGHT - 4, title, bars.join(""));
}

const percentiles = [
  ["p50", "p50"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "max"],
];

const decades = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at));

/** Percentiles of latency from left to right on a logarithmic axis: p50, p99, p99.9, and the longest. */
export function latencyChart({ title, sides }) {
  const shown = coloured(sides).filter(({ latencyMs }) => latencyMs !== undefined);
  const all = shown.flatMap(({ latencyMs }) => percentiles.map(([key]) => latencyMs[key]).filter((value) => value > 0));
  if (all.length === 0) return "";
  const from = Math.floor(Math.log10(Math.min(...all)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...all))));
  const left = 6;
  const x = (value) => round(left + ((Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)) * (WIDTH - 40));
  const rowHeight = 46;
  const height = shown.length * rowHeight + 20;
  const grid = decades(from, to).map(
    (value) =>
      `<path class="grid" d="M${x(value)} 0V${height - 18}"/><text class="soft" x="${x(value)}" y="${height - 4}" text-anchor="middle">${milliseconds(value)}</text>`,
  );
  const rows = shown.map((side, at) => latencyRow(side, at * rowHeight, x));
  return svg(WIDTH, height, `latency: ${title}`, grid.join("") + rows.join(""));
}

/** As much of a label as leaves room for the figures beside it. */
const clipped = (label) => (label.length <= LABEL_CHARACTERS ? label : `${label.slice(0, LABEL_CHARACTERS - 1)}…`);

function latencyRow({ label, colour, latencyMs }, top, x) {
  const marks = percentiles.filter(([key]) => latencyMs[key] > 0);
  const y = top + 24;
  let free = -Infinity;
  const points = marks.map(([key, name]) => {
    const at = x(latencyMs[key]);
    // A name that would run into the one before it is left to the tooltip and the table.
    const text = at > free ? `<text class="soft" x="${at}" y="${y + 16}" text-anchor="middle">${name}</text>` : "";
    if (text !== "") free = at + 30;
    return `<circle class="mark" cx="${at}" cy="${y}" r="4"><title>${name}: ${milliseconds(latencyMs[key])}</title></circle>${text}`;
  });
  const ends = [marks[0][0], marks.at(-1)[0]].map((key) => latencyMs[key]);
  return `<g class="${colour}"><text x="0" y="${top + 13}">${escape(clipped(label))} <tspan class="soft">${marks.map(([key, name]) => `${name} ${milliseconds(latencyMs[key])}`).join(" · ")}</tspan></text><path class="reach" d="M${x(ends[0])} ${y}H${x(ends[1])}"/>${points.join("")}</g>`;
}

const COURSE_WIDTH = 1100;
const COURSE_HEIGHT = 170;
const AXIS_WIDTH = 62;

/** A round number at or above `value`: 1, 2 or 5 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 2, 5, 10].map((by) => by * power).find((candidate) => candidate >= value);
}

function axis(values, text, y) {
  return values.map(
    (value) =>
      `<path class="grid" d="M${AXIS_WIDTH} ${y(value)}H${COURSE_WIDTH}"/><text class="soft" x="${AXIS_WIDTH - 8}" y="${y(value) + 4}" text-anchor="end">${text(value)}</text>`,
  );
}

function timeAxis(seconds, x, bottom) {
  const step = roundUp(seconds / 10);
  const marks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => at * step);
  return marks.map(
    (at) => `<text class="soft" x="${x(at)}" y="${bottom + 16}" text-anchor="middle">${tick(at)} s</text>`,
  );
}

/**
 * Lines over time. `lines` are {colour, label, values}, one value for each `windowMs`; `log` for a logarithmic axis, as
 * stalls are a hundred times the usual.
 */
function courseChart({ title, lines, windowMs, text, log = false }) {
  const all = lines.flatMap(({ values }) => values).filter((value) => value > 0);
  const most = log ? 10 ** Math.ceil(Math.log10(Math.max(...all))) : roundUp(Math.max(...all));
  const least = log ? 10 ** Math.floor(Math.log10(Math.min(...all))) : 0;
  const part = (value) => (log ? Math.log10(Math.max(value, least) / least) / Math.log10(most / least) : value / most);
  const bottom = COURSE_HEIGHT - 22;
  const y = (value) => round(bottom - part(value) * (bottom - 8));
  const longest = Math.max(...lines.map(({ values }) => values.length));
  const x = (seconds) =>
    round(AXIS_WIDTH + ((seconds * 1000) / windowMs / Math.max(1, longest - 1)) * (COURSE_WIDTH - AXIS_WIDTH - 12));
  const marks = log ? decades(Math.log10(least), Math.log10(most)) : [0, most / 2, most];
  const paths = lines.map(({ colour, label, values }) => {
    // On a logarithmic axis there is no zero: nothing was measured in that window, and the line has a gap.
    const missing = (at) => log && !(values[at] > 0);
    const points = values.map((value, at) =>
      missing(at) ? "" : `${at === 0 || missing(at - 1) ? "M" : "L"}${x((at * windowMs) / 1000)} ${y(value)}h0`,
    );
    return `<path class="course ${colour}" d="${points.join("")}"><title>${escape(label)}</title></path>`;
  });
  const content = [...axis(marks, text, y), ...timeAxis(((longest - 1) * windowMs) / 1000, x, bottom), ...paths];
  return svg(COURSE_WIDTH, COURSE_HEIGHT, title, content.join(""));
}

function legend(sides) {
  let x = 0;
  const entries = sides.map(({ label, colour }) => {
    const entry = `<path class="course ${colour}" d="M${x} 8h26"/><text x="${x + 33}" y="12">${escape(label)}</text>`;
    x += 60 + label.length * 7.2;
    return entry;
  });
  return svg(COURSE_WIDTH, 18, "legend", entries.join(""));
}

/** The course of a row that puts at a steady pace: what was acknowledged, and the longest wait, in each window. */
export function seriesCharts({ sides }) {
  const shown = coloured(sides).filter(({ series }) => series?.puts.length > 2);
  if (shown.length === 0) return "";
  const { windowMs } = shown[0].series;
  // The last window is cut short by the end.
  const lines = (valueOf) =>
    shown.map(({ label, colour, series }) => ({ label, colour, values: series.puts.slice(0, -1).map(valueOf) }));
  const rate = lines(({ acknowledged }) => (acknowledged * 1000) / windowMs);
  const worst = lines(({ worstMs }) => worstMs);
  return [
    legend(shown),
    `<p class="soft">Puts acknowledged a second</p>`,
    courseChart({ title: "puts acknowledged a second", lines: rate, windowMs, text: short }),
    `<p class="soft">The longest that a put waited in each ${windowMs} ms, from when it was due</p>`,
    courseChart({ title: "longest wait", lines: worst, windowMs, text: milliseconds, log: true }),
  ].join("");
}
