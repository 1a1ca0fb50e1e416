// rebuild: a binary of this machine's own, from the sources in the package.
import type { Command } from "commander";
import { formatSeconds, printLine } from "../output.js";
import { rebuild } from "../rebuild.js";
import type { GlobalFlags } from "../settings.js";

export function addRebuild(program: Command): void {
  const command = program
    .command("rebuild")
    .description("build the native binary from the package's sources, where no prebuilt one fits")
    .addHelpText("after", "\nNeeds python3, make and a C++17 compiler, and takes a minute or a few.");
  command.action(() => runRebuild(command.optsWithGlobals()));
}

function runRebuild({ json }: GlobalFlags): void {
  const begin = performance.now();
  const binary = rebuild();
  const seconds = (performance.now() - begin) / 1000;
  printLine(json ? JSON.stringify({ binary, seconds }) : `built ${binary} in ${formatSeconds(seconds)}`);
}
