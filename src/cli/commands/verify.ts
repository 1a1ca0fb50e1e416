// verify: what of a store's files fails a check, and which keys that concerns.
import type { Command } from "commander";
import { verify } from "../../verify.js";
import type { Fault, VerifyReport } from "../../native.js";
import { EXIT_CORRUPTION } from "../outcome.js";
import { formatBytes, formatCount, formatSeconds, printLine, say } from "../output.js";
import { fieldsOf, textOf } from "../records.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .description("read everything in the data directory and print what fails a check; changes nothing")
    .addHelpText("after", "\nThe store must not be open. Exit code 3 when something is wrong.");
  command.action(() => runVerify(settingsOf(command.optsWithGlobals())));
}

async function runVerify({ dataDir, json }: GlobalSettings): Promise<void> {
  const begin = performance.now();
  const report = await verify(dataDir);
  const seconds = (performance.now() - begin) / 1000;
  if (json) printLine(JSON.stringify({ dataDir, ...reportForJson(report), seconds }));
  else printReport(report, seconds);
  if (report.faultCount > 0) process.exitCode = EXIT_CORRUPTION;
}

function reportForJson(report: VerifyReport): object {
  return { ...report, faults: report.faults.map(faultForJson) };
}

function faultForJson(fault: Fault): object {
  return { ...fault, keys: fault.keys.map((key) => fieldsOf("key", key)) };
}

function printReport(report: VerifyReport, seconds: number): void {
  for (const fault of report.faults) printFault(fault);
  const { files, bytes, records, faultCount, unfinished } = report;
  const more = faultCount - report.faults.length;
  if (more > 0) printLine(`and ${formatCount(more)} more`);
  if (unfinished !== undefined) {
    say(`${unfinished.file} at offset ${unfinished.offset}: an unfinished write, which opening cuts off; no fault`);
  }
  const found =
    faultCount === 0 ? "all is well" : `${formatCount(faultCount)} ${faultCount === 1 ? "fault" : "faults"}`;
  say(
    `${found}: read ${formatCount(files)} files (${formatBytes(bytes)}), ${formatCount(records)} records are good, in ${formatSeconds(seconds)}`,
  );
}

function printFault({ file, offset, what, keys, keyCount }: Fault): void {
  printLine(`${file} at offset ${offset}: ${what}`);
  for (const key of keys) printLine(`  key ${shown(key)}`);
  if (keyCount > keys.length) printLine(`  and ${formatCount(keyCount - keys.length)} more keys`);
}

function shown(key: Uint8Array): string {
  const text = textOf(key);
  return text === undefined ? `base64 ${Buffer.from(key).toString("base64")}` : JSON.stringify(text);
}
