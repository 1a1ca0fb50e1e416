// How bench/report/index.html looks: the style sheet, for light and dark, and one colour for each store in all of its charts.

const stores = [
  ["crabkv", "#d9480f", "#ff8a5c"],
  ["lmdb", "#1c7ed6", "#66b2f5"],
  ["classic-level", "#2b8a3e", "#63c77a"],
  ["rocksdb-native", "#7048e8", "#a996f5"],
  ["better-sqlite3", "#0b7285", "#4dc0d1"],
  ["map", "#868e96", "#a3abb3"],
  ["redis", "#c2255c", "#f27ba4"],
  ["memcached", "#8f6a00", "#e0b63f"],
];

/** The class that gives a mark its store's colour. Sides of CrabKV after the first of a row are paler: they are variants of it. */
export function colourOf(store, nth = 0) {
  const family = store.startsWith("crabkv") ? "crabkv" : store;
  const known = stores.some(([name]) => name === family);
  return `c-${known ? family : "map"}${nth > 0 ? " variant" : ""}`;
}

const colours = (at) => stores.map((entry) => `--${entry[0]}:${entry[at]};`).join("");
const classes = stores.map(([name]) => `.c-${name}{--c:var(--${name})}`).join("");

const light = `--page:#f7f7f5;--card:#fff;--text:#1d1f21;--soft:#5c6166;--line:#e2e2de;--warn:#7a4d00;--warn-back:#fff3d6;--good:#2b8a3e;--bad:#c92a2a;${colours(1)}`;
const dark = `--page:#141618;--card:#1e2124;--text:#e8e9ea;--soft:#9ba1a7;--line:#33383d;--warn:#ffd27a;--warn-back:#3b2f12;--good:#63c77a;--bad:#ff8787;${colours(2)}`;

export const style = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
${classes}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 20px 80px}
h1{font-size:28px;margin:0 0 2px;letter-spacing:-.01em}
h2{font-size:20px;margin:44px 0 4px}
h3{font-size:15.5px;margin:0;line-height:1.35}
p{margin:6px 0}
code,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,"DejaVu Sans Mono",monospace}
.soft{color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:6px 18px;margin:16px 0 0;padding:10px 0;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
nav a,a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:3px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(230px,1fr));gap:10px 26px;margin:18px 0}
.facts dt{color:var(--soft);font-size:12.5px}
.facts dd{margin:0;font-weight:500}
.warning{background:var(--warn-back);color:var(--warn);border-radius:8px;padding:10px 14px;margin:10px 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,540px),1fr));gap:16px;margin-top:12px;align-items:start}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px 12px;min-width:0}
.card.wide{grid-column:1/-1}
.card p.soft{font-size:13px}
.verdict{white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:6px 36px;margin-top:4px}
.charts>*{min-width:0}
.card .name{color:var(--soft)}
.durability{font-size:12.5px;color:var(--soft);margin:0 0 6px}
.goal{display:inline-block;font-size:12.5px;margin:2px 14px 0 0}
.goal b{font-weight:600}
.reached b{color:var(--good)}
.missed b{color:var(--bad)}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--text);font:12.5px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg .soft{fill:var(--soft);font-size:11.5px}
svg .strong{font-weight:600}
.bar{fill:var(--c)}
.variant .bar,.variant.bar{fill-opacity:.45}
.spread{stroke:var(--text);stroke-opacity:.65;stroke-width:1.5;fill:none}
.run{fill:var(--card);stroke:var(--text);stroke-opacity:.55;stroke-width:1}
.grid{stroke:var(--line);stroke-width:1}
.course{stroke:var(--c);stroke-width:1.8;fill:none;stroke-linejoin:round;stroke-linecap:round}
.variant.course{stroke:var(--text);stroke-opacity:.7;stroke-dasharray:5 4}
.reach{stroke:var(--c);stroke-width:2;stroke-opacity:.35}
.mark{fill:var(--c)}
.swatch{fill:var(--c)}
details{margin-top:8px;font-size:13px}
summary{cursor:pointer;color:var(--soft)}
details table{margin-top:6px}
table{border-collapse:collapse;width:100%}
th{font-weight:500;color:var(--soft);font-size:12.5px;text-align:left}
th,td{padding:4px 12px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.options{overflow-wrap:anywhere}
.scroll{overflow-x:auto}
@media print{body{background:#fff}.card{break-inside:avoid}}
`;
