// doctor: what this machine is like for a store, and what to do about what is odd. It works where the addon does not load.
import type { Command } from "commander";
import type { Examination } from "../doctor/examination.js";
import { examine } from "../doctor/examination.js";
import { odditiesOf } from "../doctor/oddities.js";
import type { Oddity } from "../doctor/oddities.js";
import { EXIT_FAILURE } from "../outcome.js";
import { columns, formatBytes, formatCount, formatSeconds, printLine } from "../output.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description("look at the binary, the machine and the data directory's file system, and tell what is odd")
    .addHelpText(
      "after",
      "\nTimes syncs with a small file, which it removes. Exit code 4 when a store cannot work here.",
    );
  command.action(() => runDoctor(settingsOf(command.optsWithGlobals())));
}

function runDoctor({ dataDir, json }: GlobalSettings): void {
  const examination = examine(dataDir);
  const oddities = odditiesOf(examination);
  if (json) printLine(JSON.stringify({ dataDir, ...examination, oddities }));
  else printLine([columns(rowsOf(examination)), ...oddities.map(textOf), closing(oddities)].join("\n"));
  if (oddities.some(({ problem }) => problem)) process.exitCode = EXIT_FAILURE;
}

function rowsOf({ platform, versions, binary, failedBinaries, fileSystem, sync, limits }: Examination): string[][] {
  const { system, processor, kernel, libc } = platform;
  const tried = failedBinaries.map(({ path, message }) => ["tried", `${path}: ${message}`]);
  return [
    ["crabkv", versions.crabkv],
    ["node", `${versions.node} (V8 ${versions.v8}, Node-API ${versions.napi})`],
    ["platform", [`${system}-${processor}`, `kernel ${kernel}`, libc].filter((part) => part !== undefined).join(", ")],
    ["binary", binary === undefined ? "none" : `${binary.path} (${binary.origin})`],
    ...(binary === undefined ? tried : []),
    ["directory", fileSystem.directory],
    ["file system", `${fileSystem.type ?? "unknown"}${on(fileSystem.mountPoint)}`],
    ["mounted", fileSystem.mountOptions.join(",")],
    ["free", `${formatBytes(fileSystem.freeBytes)} of ${formatBytes(fileSystem.totalBytes)}`],
    ["a sync takes", sync === undefined ? "-" : syncText(sync)],
    ["open files", limits.openFiles === undefined ? "no limit known" : `at most ${formatCount(limits.openFiles)}`],
    ["memory", memoryText(limits)],
    ["processors", String(limits.processors)],
  ];
}

const on = (mountPoint: string | undefined): string => (mountPoint === undefined ? "" : ` at ${mountPoint}`);

function syncText({ medianMs, minMs, maxMs, syncs }: NonNullable<Examination["sync"]>): string {
  const [median, min, max] = [medianMs, minMs, maxMs].map((ms) => formatSeconds(ms / 1000));
  return `${median} (median of ${syncs}; ${min} to ${max})`;
}

function memoryText({ memoryBytes, memoryLimitBytes }: Examination["limits"]): string {
  const all = formatBytes(memoryBytes);
  return memoryLimitBytes === undefined ? all : `at most ${formatBytes(memoryLimitBytes)}, of ${all}`;
}

const textOf = ({ problem, what, advice }: Oddity): string =>
  `${problem ? "problem" : "odd"}: ${what}\n  hint: ${advice}`;

function closing(oddities: readonly Oddity[]): string {
  return oddities.length === 0 ? "nothing is odd" : `${oddities.length} odd`;
}
