// What `npm run bench` is told on the command line.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { rows } from "./rows.mjs";

const here = import.meta.dirname;

const usage = `npm run bench -- --quick               about a minute: fewer rows and keys, one repetition
npm run bench -- --only get,put-os     rows whose names begin so
npm run bench -- --repetitions 3       of each side, 5 (quick: 1) by default
npm run bench -- --json out.json       the figures as data too
npm run bench -- --html out.html       where the page goes
npm run bench -- --html-from out.json  the page again from such data, without measuring; several make one page
npm run bench -- --installed           only peers that are installed already
npm run bench -- --data-dir path       where the stores live meanwhile; default bench/.data`;

const options = {
  help: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  only: { type: "string", default: "" },
  json: { type: "string" },
  html: { type: "string", default: join(here, "report", "index.html") },
  "html-from": { type: "string", multiple: true, default: [] },
  installed: { type: "boolean", default: false },
  "data-dir": { type: "string", default: join(here, ".data") },
  repetitions: { type: "string" },
};

/** Their values; `rows` are those to run, `repetitions` a number or undefined. Asked for help, or when one is wrong, it says so and ends the process. */
export function readFlags(args) {
  try {
    const { values } = parseArgs({ args, options });
    if (values.help) end(0, `${usage}\n\nRows: ${rows.map(({ name }) => name).join(" ")}`);
    return { ...values, rows: chosenRows(values), repetitions: repetitionsOf(values) };
  } catch (error) {
    return end(2, `${error.message}\n\n${usage}`);
  }
}

function chosenRows({ only, quick }) {
  const prefixes = only.split(",");
  const there = rows.filter(({ notQuick = false }) => !(quick && notQuick));
  for (const prefix of prefixes) {
    if (there.some(({ name }) => name.startsWith(prefix))) continue;
    throw new Error(`--only: no row${quick ? " of --quick" : ""} begins with ${prefix}`);
  }
  return there.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
}

function repetitionsOf({ repetitions }) {
  if (repetitions === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(repetitions)) throw new Error(`--repetitions is a number from 1 to 9999: ${repetitions}`);
  return Number(repetitions);
}

function end(code, text) {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}
