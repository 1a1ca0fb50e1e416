// The kinds of settings that there are, and how their text is read.
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

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

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

export function setting<T extends SettingValue>(description: Setting<T>): Setting<T> {
  return description;
}

/** Yes or no; the flag alone says yes. */
export function choice(description: Pick<Setting<string>, "flag" | "env" | "help">): Setting<"yes" | "no"> {
  const parse = (text: string): "yes" | "no" | undefined => (text === "yes" || text === "no" ? text : undefined);
  return { ...description, fallback: "no", allowed: '"yes" or "no"', choices: ["yes", "no"], parse };
}

/** A time, in whole seconds up to an hour. */
export function seconds(description: Pick<Setting<number>, "flag" | "env" | "fallback" | "help">): Setting<number> {
  return { ...description, allowed: "seconds from 1 to 3600", parse: (text) => integerIn(text, 1, 3600) };
}

/** A part of a whole, of which the library knows whole percents. */
export function share({
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

export function path(description: Pick<Setting<string>, "flag" | "env" | "fallback" | "help">): Setting<string> {
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

export function size({ range: [min, max], rangeText, ...description }: SizeDescription): Setting<number> {
  const parse = (text: string): number | undefined => {
    const [, digits = "", unit = ""] = /^(\d{1,12})([KMG]iB)?$/.exec(text) ?? [];
    const bytes = digits === "" ? NaN : Number(digits) * unitBytes[unit]!;
    return bytes >= min && bytes <= max ? bytes : undefined;
  };
  return { ...description, allowed: `bytes, or a number with KiB, MiB or GiB, from ${rangeText}`, parse };
}

export function integerIn(text: string, min: number, max: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : undefined;
}
