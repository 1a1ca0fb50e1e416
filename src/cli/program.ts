// The command line as a whole: the commands, the options of all of them, and the help.
import { createRequire } from "node:module";
import { Command } from "commander";
import { addExport } from "./commands/export.js";
import { addImport } from "./commands/import.js";
import { addInspectionCommands } from "./commands/inspect.js";
import { addRecordCommands } from "./commands/records.js";
import { usageAsJson } from "./outcome.js";
import { addGlobalOptions } from "./settings.js";

// dist/cli and src/cli are both two folders below the package.
const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

export function buildProgram(): Command {
  const program = new Command("crabkv")
    .description("A durable key-value store.")
    .version(version)
    // Commands are made from this one, and take these over.
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${usageMessage(text)}\n`) })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError();
  addGlobalOptions(program);
  addRecordCommands(program);
  addImport(program);
  addExport(program);
  addInspectionCommands(program);
  program.helpCommand("help [command]", "explain a command");
  program.addHelpText(
    "after",
    `
Data goes to standard output, messages and progress to standard error. A key or value that begins with a dash follows
"--": crabkv put -- -key -value

Exit codes: 0 done, 1 key not found, 2 usage, 3 corruption found, 4 any other failure.`,
  );
  return program;
}

// The parser stops at the first thing that it does not understand, so it may not have seen --json.
function usageMessage(text: string): string {
  const message = text.trim().replace(/^error: /, "");
  return process.argv.includes("--json") ? usageAsJson(message) : `crabkv: ${message}`;
}
