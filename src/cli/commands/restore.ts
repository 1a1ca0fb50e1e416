// restore: a store, in the data directory, of a backup.
import type { Command } from "commander";
import { restore } from "../../backup.js";
import { FailureError, hasCode, messageOf, UsageError } from "../outcome.js";
import { columns, formatBytes, formatCount, formatSeconds, printLine } from "../output.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";
import { untilSignal } from "../signals.js";

export function addRestore(program: Command): void {
  const command = program
    .command("restore")
    .description("make the data directory a store as a backup has it")
    .argument("<backup-directory>", "what crabkv backup made; it stays as it is")
    .addHelpText(
      "after",
      `
The data directory must not exist, or be empty: crabkv restore ./backup --data-dir ./restored. Everything is copied and checked; when
something in the backup is damaged, nothing is left of the new store, and the exit code is 3 (crabkv verify tells all that is wrong
with a backup, and crabkv repair makes a store of what is good).`,
    );
  command.action((backup: string) => runRestore(backup, settingsOf(command.optsWithGlobals())));
}

async function runRestore(backup: string, { dataDir, json }: GlobalSettings): Promise<void> {
  if (backup === "") throw new UsageError("the backup must have a name");
  const begin = performance.now();
  const report = await untilSignal((signal) =>
    restore(backup, dataDir, { signal }).catch((error: unknown) => {
      throw signal.aborted
        ? new FailureError("the restoration was cancelled; nothing is left of it")
        : withAdvice(error);
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  if (json) {
    printLine(JSON.stringify({ dataDir, backup, ...report, seconds }));
    return;
  }
  const rows = [
    ["store", dataDir],
    ["as of", `${new Date(report.backupTimeMs).toISOString()}, version ${report.version}`],
    ["copied", `${formatCount(report.files)} files (${formatBytes(report.bytes)})`],
    ["checked", `${formatCount(report.records)} records`],
    ["took", formatSeconds(seconds)],
  ];
  printLine(columns(rows));
}

function withAdvice(error: unknown): unknown {
  if (hasCode(error, "CRABKV_EXISTS")) {
    const advice = "name a data directory that is not there yet, with --data-dir";
    return new FailureError(messageOf(error), { cause: error, advice });
  }
  if (hasCode(error, "CRABKV_CORRUPTION")) {
    const advice =
      "crabkv verify --data-dir <backup> tells all that is wrong; crabkv repair makes a store of what is good";
    return new FailureError(messageOf(error), { cause: error, advice });
  }
  if (hasCode(error, "CRABKV_MISSING") || hasCode(error, "CRABKV_FORMAT")) {
    const advice = "name a directory that crabkv backup has made";
    return new FailureError(messageOf(error), { cause: error, advice });
  }
  return hasCode(error, "CRABKV_INVALID_ARGUMENT") ? new UsageError(messageOf(error), { cause: error }) : error;
}
