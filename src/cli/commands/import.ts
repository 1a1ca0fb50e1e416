// import: records from a file or from standard input, as a stream. Memory stays bounded however long the input is: the store's
// write stream takes records as fast as the log does, and the input is read no faster.
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Option } from "commander";
import type { Command } from "commander";
import type { PutRecord } from "../../batch.js";
import { readJsonl } from "../jsonl.js";
import { openForWriting } from "../opening.js";
import type { CliStore, Data } from "../opening.js";
import { adviceOf, FailureError, messageOf } from "../outcome.js";
import { withOwnerOrStore } from "../owner.js";
import { formatBytes, formatCount, formatSeconds, printLine, say } from "../output.js";
import { startProgress } from "../progress.js";
import type { Progress } from "../progress.js";
import { InputError } from "../records.js";
import type { FileRecord } from "../records.js";
import { addSettings, addTtlFlag, settingsOf } from "../settings.js";
import type { GlobalSettings, TtlFlag } from "../settings.js";

interface ImportSettings extends GlobalSettings, TtlFlag {
  readonly format?: Format;
}

export type Format = "jsonl" | "csv";

const READ_BYTES = 256 * 1024;

export function addImport(program: Command): void {
  const command = program
    .command("import")
    .description("store the records of a file; a new store is made when there is none")
    .argument("[file]", 'JSON Lines or CSV; "-" is standard input', "-");
  addFormatOption(command);
  addSettings(command, ["compaction", "compactionDeadRatio", "compactionMinBytes", "compactionIoShare"]);
  addTtlFlag(addSettings(command, ["sync", "compression", "shards", "segmentBytes", "keyBytesMax", "valueBytesMax"]))
    .action((file: string) => runImport(file, settingsOf(command.optsWithGlobals())))
    .addHelpText(
      "after",
      `
JSON Lines: {"key": "a", "value": "1", "expiresAtMs": 1800000000000} on each line; expiresAtMs is optional, key64 and
value64 are base64. CSV: the same names in a header line. Records that have expired are skipped. Each record is a put of
its own: on bad input, those before it are kept. --ttl is for records without expiresAtMs. Where crabkv serve has the store
open, the records go through the server, with its settings.`,
    );
}

export function addFormatOption(command: Command): void {
  const format = new Option("--format <format>", "jsonl or csv; default: csv for a name that ends in .csv, else jsonl");
  command.addOption(format.choices(["jsonl", "csv"]));
}

export function formatOf(file: string, format: Format | undefined): Format {
  return format ?? (file.toLowerCase().endsWith(".csv") ? "csv" : "jsonl");
}

/** How far an import is. */
class Tally {
  bytes = 0;
  /** Given to the store. */
  records = 0;
  /** Skipped, because they were expired. */
  expired = 0;
  /** How many the store has acknowledged. */
  stored = (): number => 0;
  /** Why it ended before the input did. */
  inputError: InputError | undefined;
}

async function runImport(file: string, settings: ImportSettings): Promise<void> {
  const { input, inputBytes } = await openInput(file);
  const begin = performance.now();
  const tally = new Tally();
  const progress = await startProgress("importing", inputBytes, !settings.json);
  const format = formatOf(file, settings.format);
  try {
    const read = format === "csv" ? (await import("../csv.js")).readCsv : readJsonl;
    const opening = (own: ImportSettings): Promise<CliStore> => openForWriting(own, true);
    await withOwnerOrStore(settings, opening, async (store) => {
      const batches = read(counted(input, tally, progress), settings);
      const stream = store.createWriteStream();
      tally.stored = () => stream.committed;
      await pipeline(puts(batches, settings.ttl, tally), stream);
    });
    if (tally.inputError !== undefined) throw tally.inputError;
  } catch (cause) {
    const where = cause instanceof InputError ? `${file === "-" ? "standard input" : file}, ` : "";
    const stored = `${formatCount(tally.stored())} records were stored before that`;
    const advice =
      cause instanceof InputError ? "correct that, then import all of it again, or the rest" : adviceOf(cause);
    throw new FailureError(`${where}${messageOf(cause)}; ${stored}`, { cause, ...(advice && { advice }) });
  } finally {
    progress.stop();
    input.destroy();
  }
  report(tally, (performance.now() - begin) / 1000, settings.json);
}

function report({ bytes, records, expired }: Tally, seconds: number, json: boolean): void {
  if (json) {
    printLine(JSON.stringify({ imported: records, expired, bytes, seconds }));
    return;
  }
  const skipped = expired === 0 ? "" : `; ${formatCount(expired)} were skipped, having expired`;
  say(`imported ${formatCount(records)} records (${formatBytes(bytes)}) in ${formatSeconds(seconds)}${skipped}`);
}

async function openInput(file: string): Promise<{ input: Readable; inputBytes: number | undefined }> {
  if (file === "-") return { input: process.stdin, inputBytes: undefined };
  const input = createReadStream(file, { highWaterMark: READ_BYTES });
  // A file that cannot be read must not make a store.
  await once(input, "ready");
  const stats = await stat(file);
  if (stats.isDirectory())
    throw new FailureError(`${file} is a directory`, { advice: 'name a file, or "-" for standard input' });
  return { input, inputBytes: stats.isFile() ? stats.size : undefined };
}

async function* counted(
  input: AsyncIterable<unknown>,
  tally: Tally,
  progress: Progress,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of input as AsyncIterable<Buffer>) {
    tally.bytes += chunk.length;
    progress.update(tally.bytes, tally.records);
    yield chunk;
  }
}

// Ends without an error at bad input: what came before it is good, and is to be stored.
async function* puts(
  batches: AsyncIterable<FileRecord[]>,
  ttlMs: number | undefined,
  tally: Tally,
): AsyncGenerator<PutRecord<Data, Data>, void, undefined> {
  try {
    for await (const batch of batches) {
      for (const { key, value, expiresAtMs } of batch) {
        const leftMs = expiresAtMs === undefined ? ttlMs : expiresAtMs - Date.now();
        if (leftMs !== undefined && leftMs <= 0) {
          tally.expired++;
        } else {
          tally.records++;
          yield { key, value, ttlMs: leftMs };
        }
      }
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    tally.inputError = error;
  }
}
