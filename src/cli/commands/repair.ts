// repair: a new store of what checks out in a damaged one, and what was lost.
import { resolve } from "node:path";
import type { Command } from "commander";
import { repair } from "../../repair.js";
import type { KeptVersion, RepairFault, RepairReport } from "../../repair.js";
import { faultForJson, printFaults, sayUnfinished } from "../faults.js";
import { EXIT_CORRUPTION, FailureError, hasCode, UsageError } from "../outcome.js";
import { formatBytes, formatCount, formatSeconds, printLine, say } from "../output.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";
import { untilSignal } from "../signals.js";

export function addRepair(program: Command): void {
  const command = program
    .command("repair")
    .description("make a new store of all that checks out in the data directory, which stays as it is")
    .argument("<target-directory>", "where the new store goes; must not exist, or be empty")
    .addHelpText(
      "after",
      `
The store must not be open for writing. The new one has the newest good version of each key; where a newer one is damaged, that is the last
good version before it. What is wrong with the original goes to standard output, as crabkv verify prints it. Exit code 3 when
something was lost, or may have been.`,
    );
  command.action((target: string) => runRepair(target, settingsOf(command.optsWithGlobals())));
}

async function runRepair(target: string, { dataDir, json }: GlobalSettings): Promise<void> {
  if (target === "") throw new UsageError("the target directory must have a name");
  const begin = performance.now();
  const report = await untilSignal((signal) => repair(dataDir, target, { signal })).catch((error: unknown) => {
    throw withAdvice(error);
  });
  const seconds = (performance.now() - begin) / 1000;
  if (json) {
    const faults = report.faults.map(faultForJson);
    printLine(JSON.stringify({ dataDir, target: resolve(target), ...report, faults, seconds }));
  } else {
    printReport(report, target, seconds);
  }
  if (report.dataLost) process.exitCode = EXIT_CORRUPTION;
}

function withAdvice(error: unknown): unknown {
  const message = error instanceof Error ? error.message : "";
  if (hasCode(error, "CRABKV_EXISTS")) {
    return new FailureError(message, { cause: error, advice: "name a directory that is not there yet" });
  }
  // The core's word for a target that can't be.
  return hasCode(error, "CRABKV_INVALID_ARGUMENT") ? new UsageError(message, { cause: error }) : error;
}

function printReport(report: RepairReport, target: string, seconds: number): void {
  const { dataLost, keys, keptBytes, expired, faultCount, records } = report;
  printFaults(report, noteOf);
  sayUnfinished(report);
  if (expired > 0) say(`${formatCount(expired)} keys had expired, and were left out`);
  const lost = dataLost ? "something was lost" : "nothing was lost";
  const faults = `${formatCount(faultCount)} ${faultCount === 1 ? "fault" : "faults"}`;
  say(
    `${lost} (${faults}): ${target} has ${formatCount(keys)} keys (${formatBytes(keptBytes)}) of ${formatCount(records)} good records, in ${formatSeconds(seconds)}`,
  );
}

const notes: Readonly<Record<KeptVersion, string>> = {
  none: ": not in the new store",
  older: ": an older version was kept",
  newer: ": nothing lost, a newer version was kept",
  unknown: ": too long to tell what was kept",
};

function noteOf(fault: RepairFault, n: number): string {
  return notes[fault.kept[n]!];
}
