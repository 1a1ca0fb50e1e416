// backup: the store as of one moment, in another directory; again into the same one, what is new.
import { resolve } from "node:path";
import type { Command } from "commander";
import type { BackupReport } from "../../native.js";
import { openForWriting, withStore } from "../opening.js";
import type { CliStore } from "../opening.js";
import { FailureError, hasCode, messageOf, UsageError } from "../outcome.js";
import { withServerAdvice } from "../owner.js";
import { columns, formatBytes, formatCount, formatSeconds, printLine } from "../output.js";
import { startProgress } from "../progress.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";
import { untilSignal } from "../signals.js";

const LOOK_EVERY_MS = 100;
const SERVER_ADVICE =
  "a server has the store open: start it with --backup-dir, and SAVE or BGSAVE makes the backup while it serves; or end it first";
const MIB = 1024 * 1024;

export function addBackup(program: Command): void {
  const command = program
    .command("backup")
    .description("make a directory a backup of the store, or bring the backup that is there up to date")
    .argument("<directory>", "where the backup goes, or is; outside of the data directory")
    .addHelpText(
      "after",
      `
A file that nothing changes any more is shared with the store (a hard link) where that can be, and takes no space of its own until
the store is compacted; on another file system all is copied, and only there it survives the disk. Again into the same directory
takes what is new. Until the end, and after Ctrl-C, the directory has the backup of before, or none. crabkv restore makes a store of
a backup; crabkv verify, export, stats and get work on it as on a store.`,
    );
  command.action((directory: string) => runBackup(directory, settingsOf(command.optsWithGlobals())));
}

async function runBackup(directory: string, settings: GlobalSettings): Promise<void> {
  if (directory === "") throw new UsageError("the directory of the backup must have a name");
  const begin = performance.now();
  // Nobody else has the store open, so nobody else wants the disk.
  const opening = openForWriting({ ...settings, compaction: "manual", compactionIoShare: 1 }, false);
  const report = await untilSignal((signal) =>
    withStore(opening, (store) => backUp(store, directory, signal, !settings.json)),
  ).catch((error: unknown) => {
    throw withServerAdvice(error, settings.dataDir, SERVER_ADVICE);
  });
  const seconds = (performance.now() - begin) / 1000;
  const target = resolve(directory);
  if (settings.json) {
    printLine(JSON.stringify({ dataDir: settings.dataDir, target, ...report, seconds }));
    return;
  }
  const { files, linkedBytes, copiedBytes, skippedBytes } = report;
  const sizes = [`${formatBytes(linkedBytes)} linked`, `${formatBytes(copiedBytes)} copied`];
  if (skippedBytes > 0) sizes.push(`${formatBytes(skippedBytes)} there before`);
  const rows = [
    ["backup", target],
    ["version", String(report.version)],
    ["files", `${formatCount(files)}: ${sizes.join(", ")}`],
    ["took", formatSeconds(seconds)],
  ];
  printLine(columns(rows));
}

async function backUp(store: CliStore, directory: string, signal: AbortSignal, shows: boolean): Promise<BackupReport> {
  const progress = await startProgress("backing up", store.stats().logBytes, shows, "MiB");
  const look = setInterval(() => {
    const { backupBytesDone } = store.stats();
    progress.update(backupBytesDone, backupBytesDone / MIB);
  }, LOOK_EVERY_MS);
  try {
    return await store.backup(directory, { signal });
  } catch (error) {
    throw signal.aborted ? cancelled() : withAdvice(error);
  } finally {
    clearInterval(look);
    progress.stop();
  }
}

function cancelled(): FailureError {
  const advice = "run it again: it begins anew, but for what a backup that was there has";
  return new FailureError("the backup was cancelled; the one that was there, if any, is as it was", { advice });
}

function withAdvice(error: unknown): unknown {
  if (hasCode(error, "CRABKV_EXISTS")) {
    const advice = "name a directory that is not there yet, or has a backup of this store";
    return new FailureError(messageOf(error), { cause: error, advice });
  }
  // The core's word for a target that can't be.
  return hasCode(error, "CRABKV_INVALID_ARGUMENT") ? new UsageError(messageOf(error), { cause: error }) : error;
}
