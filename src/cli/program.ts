// The command line as a whole: the commands, the options of all of them, and the help.
import { Command } from "commander";
import { addBackup } from "./commands/backup.js";
import { addCli } from "./commands/cli.js";
import { addCompact } from "./commands/compact.js";
import { addConfig } from "./commands/config.js";
import { addDoctor } from "./commands/doctor.js";
import { addExport } from "./commands/export.js";
import { addHelpCommands } from "./commands/help.js";
import { addImport } from "./commands/import.js";
import { addInspectionCommands } from "./commands/inspect.js";
import { addRebuild } from "./commands/rebuild.js";
import { addRecordCommands } from "./commands/records.js";
import { addRepair } from "./commands/repair.js";
import { addRestore } from "./commands/restore.js";
import { addServe } from "./commands/serve.js";
import { addVerify } from "./commands/verify.js";
import { usageProblem } from "./outcome.js";
import { addGlobalOptions } from "./settings.js";
import manifest from "../version.cjs";

export function buildProgram(): Command {
  const program = new Command("crabkv")
    .description("A durable key-value store.")
    .version(manifest.version)
    // Commands are made from this one, and take these over.
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError();
  addGlobalOptions(program);
  addRecordCommands(program);
  addImport(program);
  addExport(program);
  addInspectionCommands(program);
  addVerify(program);
  addRepair(program);
  addBackup(program);
  addRestore(program);
  addCompact(program);
  addConfig(program);
  addCli(program);
  addServe(program);
  addDoctor(program);
  addRebuild(program);
  addHelpCommands(program);
  program.addHelpText(
    "after",
    `
Data goes to standard output, messages and progress to standard error. A key or value that begins with a dash follows
"--": crabkv put -- -key -value

Settings come from flags, CRABKV_… variables, and a config file, in this order: see crabkv help config.

Exit codes: 0 done, 1 key not found, 2 usage, 3 corruption found, 4 any other failure; of crabkv cli
that a signal ends, 128 and its number.`,
  );
  for (const command of [program, ...program.commands]) explainUsage(command);
  return program;
}

function explainUsage(command: Command): void {
  const advice =
    command.parent === null ? "crabkv help lists the commands" : `crabkv help ${command.name()} explains it`;
  command.configureOutput({
    outputError: (text, write) => {
      const message = text.trim().replace(/^error: /, "");
      // The parser stops at the first thing that it does not understand, so it may not have seen --json.
      write(`${usageProblem(message, advice, process.argv.includes("--json"))}\n`);
    },
  });
}
