// Where the value of each setting comes from: flags over the environment over the config file over the defaults.
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { readConfigFile } from "./config-file.js";
import type { ConfigFile } from "./config-file.js";
import { UsageError } from "./outcome.js";
import { PASSWORD_VARIABLE } from "./password.js";
import { parseTtl } from "./setting-kinds.js";
import type { Setting, SettingValue } from "./setting-kinds.js";
import { flagOf, settingNames, settingTable, ttlMsOf } from "./setting-table.js";
import type { SettingName, Settings } from "./setting-table.js";

/** What every command can be told that is no setting. */
export interface GlobalFlags {
  readonly json: boolean;
  readonly config?: string;
}

export type GlobalSettings = Settings & GlobalFlags;

/** Of `put` and `import`: seconds in, milliseconds here; Infinity for "none". */
export interface TtlFlag {
  readonly ttl?: number;
}

export interface ResolvedSetting {
  readonly value: SettingValue;
  readonly source: "flag" | "env" | "file" | "default";
  /** The flag, the variable or the file. */
  readonly from: string | undefined;
}

export interface ResolvedSettings {
  readonly configPath: string | undefined;
  readonly settings: ReadonlyMap<SettingName, ResolvedSetting>;
}

/** The variables that are no settings: which files to read, and what nobody may see. */
const otherVariables: ReadonlySet<string> = new Set(["CRABKV_CONFIG", "CRABKV_ADDON", PASSWORD_VARIABLE]);

export function addGlobalOptions(program: Command): void {
  addSettings(program, ["dataDir"]);
  program
    .option("--config <file>", "settings in JSON (CRABKV_CONFIG; default crabkv.config.json, if there is one)")
    .option("--json", "answers and errors as JSON", false);
}

/** The flags of these settings. Every setting can be set in the other ways for every command. */
export function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const setting = settingTable[name] as Setting<SettingValue>;
    const option = new Option(setting.flag, `${setting.help} (${setting.env}; default ${setting.fallback})`);
    option.argParser((text) => checked(setting.parse(text), setting.allowed));
    // Where the value may be left out, the flag alone says yes.
    command.addOption(setting.flag.endsWith("]") ? option.preset("yes") : option);
  }
  return command;
}

export function addTtlFlag(command: Command): Command {
  const ttl = new Option(
    "--ttl <seconds>",
    'expire after so many seconds, or "none" (default CRABKV_DEFAULT_TTL_SECS)',
  );
  const parse = (text: string): number => ttlMsOf(checked(parseTtl(text), settingTable.defaultTtl.allowed));
  return command.addOption(ttl.argParser(parse));
}

function checked<T>(value: T | undefined, allowed: string): T {
  if (value === undefined) throw new InvalidArgumentError(`It must be ${allowed}.`);
  return value;
}

/** All settings, and the command's own flags. Throws a UsageError that names the variable, or the file and key. */
export function settingsOf<Flags extends GlobalFlags>(flags: Flags): Flags & Settings {
  const values: Partial<Record<SettingName, SettingValue>> = {};
  for (const [name, { value }] of resolveSettings(flags).settings) values[name] = value;
  return { ...flags, ...(values as Settings) };
}

export function resolveSettings(flags: GlobalFlags): ResolvedSettings {
  const file = readConfigFile(flags.config ?? process.env.CRABKV_CONFIG);
  const given = flags as Partial<Record<SettingName, SettingValue>>;
  const settings = new Map(settingNames.map((name) => [name, resolve(name, given[name], file)]));
  return { configPath: file?.path, settings };
}

function resolve(name: SettingName, flag: SettingValue | undefined, file: ConfigFile | undefined): ResolvedSetting {
  const setting = settingTable[name] as Setting<SettingValue>;
  if (flag !== undefined) return { value: flag, source: "flag", from: flagOf(name) };
  const { env } = setting;
  const text = process.env[env];
  if (text !== undefined) {
    const value = setting.parse(text);
    if (value === undefined) throw new UsageError(`${env} is ${JSON.stringify(text)}; it must be ${setting.allowed}`);
    return { value, source: "env", from: env };
  }
  const value = file?.values.get(name);
  if (value !== undefined) return { value, source: "file", from: file?.path };
  return { value: setting.fallback, source: "default", from: undefined };
}

/** Variables that look like settings and are none. */
export function unknownVariables(): string[] {
  const known = new Set<string>(settingNames.map((name) => settingTable[name].env));
  return Object.keys(process.env).filter(
    (name) => name.startsWith("CRABKV_") && !known.has(name) && !otherVariables.has(name),
  );
}
