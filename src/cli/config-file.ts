// The config file: one JSON object of settings by their names. It is checked as a whole, whichever command runs: a key that
// is misspelt would otherwise be a setting that silently is not set.
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { hasCode, UsageError } from "./outcome.js";
import type { Setting, SettingValue } from "./setting-kinds.js";
import { settingNames, settingTable } from "./setting-table.js";
import type { SettingName } from "./setting-table.js";

/** What is read in the working directory when no other is named. */
export const DEFAULT_CONFIG_FILE = "crabkv.config.json";

const CONFIG_BYTES_MAX = 1024 * 1024;

export interface ConfigFile {
  readonly path: string;
  readonly values: ReadonlyMap<SettingName, SettingValue>;
}

/** Undefined when no file was named, and there is none. */
export function readConfigFile(named: string | undefined): ConfigFile | undefined {
  const path = named ?? DEFAULT_CONFIG_FILE;
  const text = readText(path, named !== undefined);
  if (text === undefined) return undefined;
  const values = new Map<SettingName, SettingValue>();
  for (const [key, given] of Object.entries(parseObject(text, path))) {
    if (!isSettingName(key)) {
      throw new UsageError(`${path}: unknown key ${JSON.stringify(key)}; known are ${settingNames.join(", ")}`);
    }
    values.set(key, valueOf(settingTable[key], given, key, path));
  }
  return { path, values };
}

function isSettingName(key: string): key is SettingName {
  return Object.hasOwn(settingTable, key);
}

function valueOf(setting: Setting<SettingValue>, given: unknown, key: string, path: string): SettingValue {
  const isScalar = typeof given === "string" || typeof given === "number" || typeof given === "boolean";
  const value = isScalar ? setting.parse(String(given)) : undefined;
  if (value === undefined)
    throw new UsageError(`${path}: ${key} is ${JSON.stringify(given)}; it must be ${setting.allowed}`);
  return setting.relocate === undefined ? value : setting.relocate(value, dirname(path));
}

function readText(path: string, mustExist: boolean): string | undefined {
  try {
    const file = openSync(path, "r");
    try {
      const stats = fstatSync(file);
      if (stats.size > CONFIG_BYTES_MAX) {
        throw new UsageError(`${path} has ${stats.size} bytes; a config file has at most ${CONFIG_BYTES_MAX}`);
      }
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (!mustExist && hasCode(error, "ENOENT")) return undefined;
    const advice = "name one that can be read with --config or CRABKV_CONFIG, or neither for the defaults";
    throw new UsageError(`the config file cannot be read: ${(error as Error).message}`, { advice });
  }
}

function parseObject(text: string, path: string): object {
  const advice = 'it is one JSON object of settings, such as { "dataDir": "data", "sync": 100 }; see crabkv config';
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${(error as Error).message}`, { advice });
  }
  if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed;
  throw new UsageError(`${path} is not a JSON object`, { advice });
}
