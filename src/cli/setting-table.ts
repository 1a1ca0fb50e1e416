// The one description of every setting: its flag, environment variable and default, what it may be, and what it means. The
// property's name is its key in the config file, and is the flag in camel case. Flags, the environment, the config file,
// `crabkv config` and the help are all derived from here; a new setting is an entry here, and its name in `addSettings`
// of the commands that take its flag.
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** What a setting can be told as, in JSON as on the command line. */
export type SettingValue = string | number;

export interface Setting<T extends SettingValue> {
  /** With its argument, as the help shows it. */
  readonly flag: string;
  readonly env: string;
  readonly fallback: T;
  readonly help: string;
  /** What it may be: the end of "must be …". */
  readonly allowed: string;
  /** Words that it may be, for completion. */
  readonly choices?: readonly string[];
  /** Undefined for what is not allowed. */
  parse(text: string): T | undefined;
  /** What it means in a config file in another directory. */
  relocate?(value: T, directory: string): T;
}

/** Ten thousand years: the date still has four digits more than anybody needs, and the sum of both is exact. */
const SECONDS_MAX = 315_360_000_000;

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

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
  addr: setting<string>({
    flag: "--addr <host:port>",
    env: "CRABKV_ADDR",
    fallback: "127.0.0.1:4000",
    help: "where the server listens",
    allowed: "host:port, such as 127.0.0.1:4000 or [::1]:4000",
    parse: (text) => (parseAddress(text) === undefined ? undefined : text),
  }),
  textStyle: setting<"value" | "bare" | "resp">({
    flag: "--text-style <style>",
    env: "CRABKV_TEXT_STYLE",
    fallback: "value",
    help: "how the server answers lines of text: VALUE x, x alone, or as Redis does",
    allowed: '"value", "bare" or "resp"',
    choices: ["value", "bare", "resp"],
    parse: (text) => (text === "value" || text === "bare" || text === "resp" ? text : undefined),
  }),
  passwordFile: path({
    flag: "--password-file <file>",
    env: "CRABKV_PASSWORD_FILE",
    fallback: "off",
    help: 'file with the password that clients of the server have to say, or "off"',
  }),
  insecure: choice({
    flag: "--insecure [choice]",
    env: "CRABKV_INSECURE",
    help: "let the server listen on an address that other machines reach without a password",
  }),
  enableDebug: choice({
    flag: "--enable-debug [choice]",
    env: "CRABKV_ENABLE_DEBUG",
    help: "let clients of the server use DEBUG",
  }),
  clientsMax: setting<number>({
    flag: "--clients-max <n>",
    env: "CRABKV_CLIENTS_MAX",
    fallback: 10_000,
    help: "most connections to the server at a time",
    allowed: "an integer from 1 to 1000000",
    parse: (text) => integerIn(text, 1, 1_000_000),
  }),
  authTimeout: seconds({
    flag: "--auth-timeout <seconds>",
    env: "CRABKV_AUTH_TIMEOUT_SECS",
    fallback: 10,
    help: "how long a client of the server has for its password",
  }),
  requestTimeout: seconds({
    flag: "--request-timeout <seconds>",
    env: "CRABKV_REQUEST_TIMEOUT_SECS",
    fallback: 30,
    help: "how long a client of the server has for a request that it began",
  }),
  drainTimeout: seconds({
    flag: "--drain-timeout <seconds>",
    env: "CRABKV_DRAIN_TIMEOUT_SECS",
    fallback: 10,
    help: "how long the server waits at its end for clients to take their replies",
  }),
  requestBytesMax: size({
    flag: "--request-bytes-max <size>",
    env: "CRABKV_REQUEST_BYTES_MAX",
    fallback: 64 * MIB,
    help: "largest request to the server",
    range: [64 * KIB, GIB],
    rangeText: "64KiB to 1GiB",
  }),
  replyBytesPause: size({
    flag: "--reply-bytes-pause <size>",
    env: "CRABKV_REPLY_BYTES_PAUSE",
    fallback: MIB,
    help: "replies that wait for a client before the server stops reading from it",
    range: [KIB, GIB],
    rangeText: "1KiB to 1GiB",
  }),
  replyBytesMax: size({
    flag: "--reply-bytes-max <size>",
    env: "CRABKV_REPLY_BYTES_MAX",
    fallback: 64 * MIB,
    help: "largest reply of the server",
    range: [KIB, 4 * GIB],
    rangeText: "1KiB to 4GiB",
  }),
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

/** Seconds to live. A fraction counts, down to a millisecond. */
export function parseTtl(text: string): "none" | number | undefined {
  if (text === "none") return text;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  return seconds >= 0.001 && seconds <= SECONDS_MAX ? seconds : undefined;
}

/** Of "host:port", "[address]:port" or ":port". */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const found = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (found === null || Number(found[3]) > 65_535) return undefined;
  const host = found[1] ?? found[2]!;
  return { host: host === "" ? "127.0.0.1" : host, port: Number(found[3]) };
}

/** Milliseconds, as the library takes them. */
export function ttlMsOf(ttl: "none" | number): number {
  return ttl === "none" ? Infinity : Math.round(ttl * 1000);
}

function setting<T extends SettingValue>(description: Setting<T>): Setting<T> {
  return description;
}

/** Yes or no; the flag alone says yes. */
function choice(description: Pick<Setting<string>, "flag" | "env" | "help">): Setting<"yes" | "no"> {
  const parse = (text: string): "yes" | "no" | undefined => (text === "yes" || text === "no" ? text : undefined);
  return { ...description, fallback: "no", allowed: '"yes" or "no"', choices: ["yes", "no"], parse };
}

/** A time, in whole seconds up to an hour. */
function seconds(description: Pick<Setting<number>, "flag" | "env" | "fallback" | "help">): Setting<number> {
  return { ...description, allowed: "seconds from 1 to 3600", parse: (text) => integerIn(text, 1, 3600) };
}

/** A part of a whole, of which the library knows whole percents. */
function share({
  range: [min, max],
  ...description
}: Pick<Setting<number>, "flag" | "env" | "fallback" | "help"> & {
  readonly range: readonly [min: number, max: number];
}): Setting<number> {
  const parse = (text: string): number | undefined => {
    const value = /^\d(\.\d{1,15})?$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : undefined;
  };
  return { ...description, allowed: `a number from ${min} to ${max}`, parse };
}

function path(description: Pick<Setting<string>, "flag" | "env" | "fallback" | "help">): Setting<string> {
  const parse = (text: string): string | undefined => (text === "" ? undefined : text);
  const relocate = (value: string, directory: string): string =>
    value === "off" || isAbsolute(value) ? value : join(directory, value);
  return { ...description, allowed: "a path", parse, relocate };
}

interface SizeDescription extends Pick<Setting<number>, "flag" | "env" | "fallback" | "help"> {
  readonly range: readonly [min: number, max: number];
  readonly rangeText: string;
}

const unitBytes: Readonly<Record<string, number>> = { "": 1, KiB: KIB, MiB: MIB, GiB: GIB };

function size({ range: [min, max], rangeText, ...description }: SizeDescription): Setting<number> {
  const parse = (text: string): number | undefined => {
    const [, digits = "", unit = ""] = /^(\d{1,12})([KMG]iB)?$/.exec(text) ?? [];
    const bytes = digits === "" ? NaN : Number(digits) * unitBytes[unit]!;
    return bytes >= min && bytes <= max ? bytes : undefined;
  };
  return { ...description, allowed: `bytes, or a number with KiB, MiB or GiB, from ${rangeText}`, parse };
}

function integerIn(text: string, min: number, max: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : undefined;
}

function historyFile(): string {
  const state = process.env.XDG_STATE_HOME;
  return state === undefined || state === "" ? join(homedir(), ".crabkv_history") : join(state, "crabkv", "history");
}
