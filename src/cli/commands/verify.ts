// verify: what of a store's files fails a check, and which keys that concerns.
import type { Command } from "commander";
import { verify } from "../../verify.js";
import type { VerifyReport } from "../../native.js";
import { faultForJson, printFaults, sayUnfinished } from "../faults.js";
import { EXIT_CORRUPTION } from "../outcome.js";
import { withServerAdvice } from "../owner.js";
import { formatBytes, formatCount, formatSeconds, printLine, say } from "../output.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

const SERVER_ADVICE =
  "a server has the store open: end it first; or let it make a backup (SAVE, with --backup-dir), and verify that";

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .description("read everything in the data directory and print what fails a check; changes nothing")
    .addHelpText("after", "\nThe store must not be open for writing. Exit code 3 when something is wrong.");
  command.action(() => runVerify(settingsOf(command.optsWithGlobals())));
}

async function runVerify({ dataDir, json }: GlobalSettings): Promise<void> {
  const begin = performance.now();
  const report = await verify(dataDir).catch((error: unknown) => {
    throw withServerAdvice(error, dataDir, SERVER_ADVICE);
  });
  const seconds = (performance.now() - begin) / 1000;
  if (json) printLine(JSON.stringify({ dataDir, ...report, faults: report.faults.map(faultForJson), seconds }));
  else printReport(report, seconds);
  if (report.faultCount > 0) process.exitCode = EXIT_CORRUPTION;
}

function printReport(report: VerifyReport, seconds: number): void {
  const { files, bytes, records, faultCount } = report;
  printFaults(report);
  sayUnfinished(report);
  const found =
    faultCount === 0 ? "all is well" : `${formatCount(faultCount)} ${faultCount === 1 ? "fault" : "faults"}`;
  say(
    `${found}: read ${formatCount(files)} files (${formatBytes(bytes)}), ${formatCount(records)} records are good, in ${formatSeconds(seconds)}`,
  );
}
