// config: every setting, its value, and where that comes from.
import type { Command } from "commander";
import { DEFAULT_CONFIG_FILE } from "../config-file.js";
import { columns, printLine, say } from "../output.js";
import { settingNames } from "../setting-table.js";
import { addSettings, resolveSettings, unknownVariables } from "../settings.js";
import type { GlobalFlags } from "../settings.js";

export function addConfig(program: Command): void {
  const config = program.command("config").description("print every setting, and where its value comes from");
  addSettings(
    config,
    settingNames.filter((name) => name !== "dataDir"),
  );
  config.action(() => runConfig(config.optsWithGlobals()));
  config.addHelpText(
    "after",
    `
Flags go before the environment, the environment before the config file, the config file before the defaults. The config
file is one JSON object with the names that this command prints, such as { "dataDir": "db", "sync": 100 }; a path in it
counts from its directory. It is ${DEFAULT_CONFIG_FILE} in the working directory, or what --config or CRABKV_CONFIG names.`,
  );
}

function runConfig(flags: GlobalFlags): void {
  const { configPath, settings } = resolveSettings(flags);
  if (flags.json) {
    printLine(JSON.stringify({ configFile: configPath ?? null, settings: Object.fromEntries(settings) }));
  } else {
    const rows = [...settings].map(([name, { value, source, from }]) => [name, String(value), from ?? source]);
    printLine(columns([["setting", "value", "from"], ...rows]));
  }
  for (const name of unknownVariables()) say(`crabkv: ${name} is set, but is no setting`);
}
