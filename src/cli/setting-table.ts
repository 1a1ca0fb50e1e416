// The one description of every setting: its flag, environment variable and default, what it may be, and what it means. The
// property's name is its key in the config file, and is the flag in camel case. Flags, the environment, the config file,
// `crabkv config` and the help are all derived from here; a new setting is an entry here or in server-settings.ts, and its
// name in `addSettings` of the commands that take its flag.
import { homedir } from "node:os";
import { join } from "node:path";
import { serverSettings } from "./server-settings.js";
import { GIB, integerIn, KIB, MIB, parseTtl, path, setting, share, size } from "./setting-kinds.js";
import type { Setting } from "./setting-kinds.js";

/** The bounds are the library's (options.ts), which checks again. */
export const settingTable = {
  dataDir: path({
    flag: "--data-dir <path>",
    env: "CRABKV_DATA_DIR",
    fallback: "data",
    help: "directory of the store",
  }),
  sync: setting<"always" | "os" | number>({
    flag: "--sync <mode>",
    env: "CRABKV_SYNC",
    fallback: "always",
    help: "acknowledge after fdatasync (always), or sync every so many ms, or never (os)",
    allowed: '"always", "os", or milliseconds from 1 to 60000',
    choices: ["always", "os"],
    parse: (text) => (text === "always" || text === "os" ? text : integerIn(text, 1, 60_000)),
  }),
  compression: setting<"none" | "snappy">({
    flag: "--compression <codec>",
    env: "CRABKV_COMPRESSION",
    fallback: "none",
    help: "compress values where that makes them smaller",
    allowed: '"none" or "snappy"',
    choices: ["none", "snappy"],
    parse: (text) => (text === "none" || text === "snappy" ? text : undefined),
  }),
  shards: setting<number>({
    flag: "--shards <n>",
    env: "CRABKV_SHARDS",
    fallback: 16,
    help: "latches over the index; any number at any open",
    allowed: "an integer from 1 to 4096",
    parse: (text) => integerIn(text, 1, 4096),
  }),
  cache: setting<number>({
    flag: "--cache <entries>",
    env: "CRABKV_CACHE_CAPACITY",
    fallback: 0,
    help: "keep so many recently read values in memory; 0 for none",
    allowed: "an integer from 0 to 16777216",
    parse: (text) => integerIn(text, 0, 16 * MIB),
  }),
  defaultTtl: setting<"none" | number>({
    flag: "--default-ttl <seconds>",
    env: "CRABKV_DEFAULT_TTL_SECS",
    fallback: "none",
    help: "seconds until what is put without a time to live expires",
    allowed: 'a positive number of seconds, or "none"',
    parse: parseTtl,
  }),
  writeBack: setting<"off" | number>({
    flag: "--write-back <ms>",
    env: "CRABKV_WRITE_BACK",
    fallback: "off",
    help: "keep puts in memory and write them so often; a killed process loses those since",
    allowed: '"off", or milliseconds from 1 to 3600000',
    parse: (text) => (text === "off" ? text : integerIn(text, 1, 3_600_000)),
  }),
  segmentBytes: size({
    flag: "--segment-bytes <size>",
    env: "CRABKV_SEGMENT_BYTES",
    fallback: 64 * MIB,
    help: "size at which a new segment of the log begins",
    range: [64 * KIB, GIB],
    rangeText: "64KiB to 1GiB",
  }),
  compaction: setting<"auto" | "manual">({
    flag: "--compaction <when>",
    env: "CRABKV_COMPACTION",
    fallback: "auto",
    help: "give dead space back by itself, or only when told to (manual)",
    allowed: '"auto" or "manual"',
    choices: ["auto", "manual"],
    parse: (text) => (text === "auto" || text === "manual" ? text : undefined),
  }),
  compactionDeadRatio: share({
    flag: "--compaction-dead-ratio <share>",
    env: "CRABKV_COMPACTION_DEAD_RATIO",
    fallback: 0.33,
    help: "share of the log that is dead from which on it is compacted",
    range: [0.01, 0.99],
  }),
  compactionMinBytes: size({
    flag: "--compaction-min-bytes <size>",
    env: "CRABKV_COMPACTION_MIN_BYTES",
    fallback: MIB,
    help: "size below which a log is left alone",
    range: [0, 1024 * GIB],
    rangeText: "0 to 1024GiB",
  }),
  compactionIoShare: share({
    flag: "--compaction-io-share <share>",
    env: "CRABKV_COMPACTION_IO_SHARE",
    fallback: 0.5,
    help: "share of the time that compaction may take; less disturbs less, 1 is fastest",
    range: [0.01, 1],
  }),
  keyBytesMax: size({
    flag: "--key-bytes-max <size>",
    env: "CRABKV_KEY_BYTES_MAX",
    fallback: 64 * KIB,
    help: "longest key",
    range: [1, MIB],
    rangeText: "1 to 1MiB",
  }),
  valueBytesMax: size({
    flag: "--value-bytes-max <size>",
    env: "CRABKV_VALUE_BYTES_MAX",
    fallback: 16 * MIB,
    help: "largest value",
    range: [1, 512 * MIB],
    rangeText: "1 to 512MiB",
  }),
  ...serverSettings,
  history: path({
    flag: "--history <file>",
    env: "CRABKV_HISTORY",
    fallback: historyFile(),
    help: 'where the prompt keeps its history, or "off"',
  }),
} as const;

export type SettingName = keyof typeof settingTable;

/** The value of every setting. */
export type Settings = {
  readonly [N in SettingName]: (typeof settingTable)[N] extends Setting<infer T> ? T : never;
};

export const settingNames = Object.keys(settingTable) as readonly SettingName[];

/** "--sync" of "--sync <mode>". */
export function flagOf(name: SettingName): string {
  return settingTable[name].flag.split(" ")[0]!;
}

/** Milliseconds, as the library takes them. */
export function ttlMsOf(ttl: "none" | number): number {
  return ttl === "none" ? Infinity : Math.round(ttl * 1000);
}

function historyFile(): string {
  const state = process.env.XDG_STATE_HOME;
  return state === undefined || state === "" ? join(homedir(), ".crabkv_history") : join(state, "crabkv", "history");
}
