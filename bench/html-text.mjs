// Figures and text as bench/report/index.html shows them.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escape = (text) => String(text).replace(/[&<>"]/g, (character) => entities[character]);

/** Three digits that matter: 1.23 M, 45.6 k, 789, 0.123. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const [scaled, suffix] = value >= 1e6 ? [value / 1e6, " M"] : value >= 1e4 ? [value / 1e3, " k"] : [value, ""];
  if (scaled >= 1000) return whole.format(scaled) + suffix;
  if (scaled >= 1) return scaled.toPrecision(3) + suffix;
  return scaled === 0 ? "0" : scaled.toFixed(3);
}

const isTime = (unit) => unit === "ms";
export const figure = (unit, value) => (isTime(unit) ? `${short(value)} ms` : `${short(value)}/s`);
export const milliseconds = (value) => (value < 1 ? `${short(value * 1000)} µs` : `${short(value)} ms`);
export const times = (ratio) => `${ratio.toFixed(2)}×`;
export const commas = (value) => whole.format(value);
