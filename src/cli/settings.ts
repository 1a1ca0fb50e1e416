// What every command can be told, on the command line or in the environment, and how it opens the store.
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import type { Encoding } from "../encodings.js";
import { open } from "../open.js";
import type { Sync } from "../options.js";
import type { Store } from "../store.js";

/** A key or a value: bytes where they are not text. */
export type Data = string | Uint8Array;
export type CliStore = Store<Data, Data>;

export interface GlobalSettings {
  readonly dataDir: string;
  readonly json: boolean;
}

export interface WriteSettings extends GlobalSettings {
  readonly sync: Sync;
  readonly compression?: "none" | "snappy";
}

/** Of `put` and `import`: seconds in, milliseconds here; Infinity for "none". */
export interface TtlSettings {
  readonly ttl?: number;
}

export function addGlobalOptions(program: Command): void {
  program
    .addOption(new Option("--data-dir <path>", "directory of the store").env("CRABKV_DATA_DIR").default("data"))
    .option("--json", "answers and errors as JSON", false);
}

export function addSyncOption(command: Command): Command {
  const sync = new Option(
    "--sync <mode>",
    "acknowledge after fdatasync (always), or sync every so many ms, or never (os)",
  );
  return command.addOption(sync.env("CRABKV_SYNC").default("always").argParser(parseSync));
}

export function addCompressionOption(command: Command): Command {
  const compression = new Option("--compression <codec>", "compress values where that makes them smaller");
  return command.addOption(compression.env("CRABKV_COMPRESSION").choices(["none", "snappy"]));
}

export function addTtlOption(command: Command): Command {
  const ttl = new Option("--ttl <seconds>", 'expire after so many seconds, or "none"');
  return command.addOption(ttl.env("CRABKV_DEFAULT_TTL_SECS").argParser(parseTtl));
}

function parseSync(text: string): Sync {
  if (text === "always" || text === "os") return text;
  const everyMs = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (everyMs >= 1 && everyMs <= 60_000) return { everyMs };
  throw new InvalidArgumentError('It is "always", "os", or milliseconds from 1 to 60000.');
}

// Ten thousand years: the date still has four digits more than anybody needs, and the sum of both is exact.
const TTL_MS_MAX = 315_360_000_000_000;

function parseTtl(text: string): number {
  if (text === "none") return Infinity;
  const ttlMs = /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1000) : 0;
  if (ttlMs >= 1 && ttlMs <= TTL_MS_MAX) return ttlMs;
  throw new InvalidArgumentError('It is a positive number of seconds, or "none".');
}

// Text goes into the store as it is, and what comes out is bytes: only the reader knows whether they are text.
const encoding: Encoding<Data> = { encode: (data) => data, decode: (bytes) => bytes };
const encodings = { keyEncoding: encoding, valueEncoding: encoding };

/** For commands that change nothing: works on a read-only directory, and beside other readers. */
export function openForReading({ dataDir }: GlobalSettings): Promise<CliStore> {
  return open(dataDir, { readOnly: true, ...encodings });
}

export function openForWriting(settings: WriteSettings, createIfMissing: boolean): Promise<CliStore> {
  const { dataDir, sync, compression } = settings;
  return open(dataDir, { sync, compression, createIfMissing, ...encodings });
}

/** Runs `work` and closes the store, also when it fails; the work's error goes first. */
export async function withStore<T>(opening: Promise<CliStore>, work: (store: CliStore) => Promise<T>): Promise<T> {
  const store = await opening;
  let result: T;
  try {
    result = await work(store);
  } catch (error) {
    await store.close().catch(() => undefined);
    throw error;
  }
  await store.close();
  return result;
}
