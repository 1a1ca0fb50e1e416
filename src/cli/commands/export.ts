// export: every record, oldest first, as of one moment, to a file or to standard output.
import { createWriteStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Command } from "commander";
import { writeJsonl } from "../jsonl.js";
import { openForReading } from "../opening.js";
import type { CliStore } from "../opening.js";
import { hasCode } from "../outcome.js";
import { withOwnerOrStore } from "../owner.js";
import { formatBytes, formatCount, formatSeconds, printLine, say, TextWriter } from "../output.js";
import { startProgress } from "../progress.js";
import type { FileRecord } from "../records.js";
import { RemoteStore } from "../remote/remote-store.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";
import { addFormatOption, formatOf } from "./import.js";
import type { Format } from "./import.js";

interface ExportSettings extends GlobalSettings {
  readonly format?: Format;
  readonly prefix?: string;
  readonly base64?: boolean;
}

const NOT_ONE_MOMENT =
  "crabkv: the server that has this store open is asked for its keys one by one: neither in order nor as of one moment";

export function addExport(program: Command): void {
  const command = program
    .command("export")
    .description("write every record, oldest first, so that import can read it")
    .argument("[file]", '"-" is standard output', "-")
    .option("--prefix <prefix>", "only keys that begin with this")
    .option("--base64", "all keys and values as base64; else only those that are not UTF-8, which CSV cannot hold");
  addFormatOption(command);
  command.addHelpText(
    "after",
    "\nWhere crabkv serve has the store open, it is asked for the records, while it goes on: no moment, and no order. For one\n" +
      "moment, export a backup that SAVE has made.",
  );
  command.action((file: string) => runExport(file, settingsOf(command.optsWithGlobals())));
}

async function runExport(file: string, settings: ExportSettings): Promise<void> {
  const begin = performance.now();
  const format = formatOf(file, settings.format);
  const { records, bytes } = await withOwnerOrStore(settings, openForReading, async (store) => {
    if (store instanceof RemoteStore) say(NOT_ONE_MOMENT);
    if (file === "-") return writeAll(store, process.stdout, format, settings, false);
    return writeFile(file, (target) => writeAll(store, target, format, settings, true));
  });
  const seconds = (performance.now() - begin) / 1000;
  if (settings.json && file !== "-") printLine(JSON.stringify({ exported: records, bytes, seconds }));
  if (!settings.json)
    say(`exported ${formatCount(records)} records (${formatBytes(bytes)}) in ${formatSeconds(seconds)}`);
}

async function writeAll(
  store: CliStore | RemoteStore,
  target: Writable,
  format: Format,
  { prefix, base64 = false, json }: ExportSettings,
  showProgress: boolean,
): Promise<{ records: number; bytes: number }> {
  const writer = new TextWriter(target);
  const isRemote = store instanceof RemoteStore;
  const total = prefix === undefined && !isRemote ? store.stats().keys : undefined;
  const progress = await startProgress("exporting", total, showProgress && !json);
  const csv = format === "csv" ? await import("../csv.js") : undefined;
  const write = csv === undefined ? writeJsonl : csv.writeCsv;
  let records = 0;
  try {
    if (csv !== undefined) await writer.write(csv.csvHeader(base64));
    const found = isRemote ? store.records({ prefix }) : store.records({ prefix, order: "log" });
    for await (const { key, value, expiresAtMs } of found) {
      const record: FileRecord = { key, value, expiresAtMs };
      const written = writer.write(write(record, base64));
      records++;
      if (written === undefined) continue;
      progress.update(records, records);
      await written;
    }
    await writer.flush();
  } finally {
    progress.stop();
  }
  return { records, bytes: writer.bytesWritten };
}

// Under another name until it is whole and synced: a file with the name asked for is never half an export.
async function writeFile<T>(file: string, write: (target: Writable) => Promise<T>): Promise<T> {
  const isReplaceable = await stat(file).then(
    (stats) => stats.isFile(),
    (error: unknown) => {
      if (hasCode(error, "ENOENT")) return true;
      throw error;
    },
  );
  // A pipe or a device is written to as it is.
  const temporary = isReplaceable ? `${file}.partial` : file;
  const target = createWriteStream(temporary);
  const ended = finished(target);
  try {
    const result = await Promise.race([write(target), ended.then(() => undefined as never)]);
    target.end();
    await ended;
    if (isReplaceable) await syncAndRename(temporary, file);
    return result;
  } catch (error) {
    target.destroy();
    await ended.catch(() => undefined);
    if (isReplaceable) await rm(temporary, { force: true });
    throw error;
  }
}

async function syncAndRename(temporary: string, file: string): Promise<void> {
  const handle = await open(temporary, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
