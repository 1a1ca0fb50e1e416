// Settings: flags over the environment over the config file over the defaults, each checked wherever it comes from, and
// `crabkv config`, which says where each came from.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingNames, settingTable } from "../src/cli/setting-table.js";
import { resolveOpenOptions } from "../src/options.js";
import { crabkv } from "./run-program.js";
import type { ProgramOptions } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const containing = (text: string) => expect.stringContaining(text) as string;

interface ConfigAnswer {
  configFile: string | null;
  settings: Record<string, { value: unknown; source: string; from?: string }>;
}

async function configOf(args: string[], options: ProgramOptions): Promise<ConfigAnswer> {
  const result = await crabkv(["config", "--json", ...args], options);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(result.stdout) as ConfigAnswer;
}

/** A value other than the default of each setting. */
const others: Record<string, string> = {
  dataDir: "elsewhere",
  sync: "250",
  compression: "snappy",
  shards: "4",
  cache: "1000",
  defaultTtl: "1.5",
  writeBack: "100",
  segmentBytes: "1MiB",
  compaction: "manual",
  compactionDeadRatio: "0.5",
  compactionMinBytes: "0",
  compactionIoShare: "1",
  keyBytesMax: "128",
  valueBytesMax: "1KiB",
  addr: "[::1]:4001",
  unixSocket: "sock",
  unixSocketMode: "660",
  tlsCert: "cert.pem",
  tlsKey: "key.pem",
  tlsCa: "ca.pem",
  tlsAddr: "127.0.0.1:4002",
  httpAddr: ":9121",
  logLevel: "debug",
  textStyle: "bare",
  backupDir: "backups",
  notifyKeyspaceEvents: "KEA",
  passwordFile: "secret",
  insecure: "yes",
  enableDebug: "yes",
  clientsMax: "7",
  clientsBytesMax: "256MiB",
  authTimeout: "3",
  requestTimeout: "4",
  drainTimeout: "5",
  lineBytesMax: "128KiB",
  authArgumentsMax: "5",
  authBytesMax: "1KiB",
  requestBytesMax: "1MiB",
  replyBytesPause: "2KiB",
  replyBytesMax: "8MiB",
  history: "past",
};

test("every setting can be set by flag, variable and config file, and the flag goes first, the file last", async () => {
  expect(Object.keys(others)).toEqual(settingNames);
  const cwd = temporaryDirectory();
  const parsed = (name: (typeof settingNames)[number]) => settingTable[name].parse(others[name]!);
  const flags = settingNames.flatMap((name) => [settingTable[name].flag.split(" ")[0]!, others[name]!]);
  const env = Object.fromEntries(settingNames.map((name) => [settingTable[name].env, others[name]!]));
  writeFileSync(join(cwd, "all.json"), JSON.stringify(others));
  const byFlag = await configOf(flags, { cwd, env });
  const byEnv = await configOf(["--config", "all.json"], { cwd, env });
  const byFile = await configOf(["--config", "all.json"], { cwd });
  const byDefault = await configOf([], { cwd });
  for (const name of settingNames) {
    const { env: variable, flag, fallback } = settingTable[name];
    const value = parsed(name);
    expect(byFlag.settings[name]).toEqual({ value, source: "flag", from: flag.split(" ")[0] });
    expect(byEnv.settings[name]).toEqual({ value, source: "env", from: variable });
    expect(byFile.settings[name]).toEqual({ value, source: "file", from: "all.json" });
    if (name !== "history") expect(byDefault.settings[name]).toEqual({ value: fallback, source: "default" });
    // The flag's name is the setting's.
    expect(
      flag
        .slice(2)
        .split(" ")[0]!
        .replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    ).toBe(name);
  }
  expect(byDefault.configFile).toBe(null);
});

test("the defaults and bounds are the library's", () => {
  const { native } = resolveOpenOptions(undefined);
  for (const name of ["shards", "segmentBytes", "keyBytesMax", "valueBytesMax"] as const) {
    expect(settingTable[name].fallback).toBe(native[name]);
    for (const value of [0, 1, 4096, 4097, 64 * 1024, 2 ** 20, 2 ** 29, 2 ** 30, 2 ** 30 + 1]) {
      let accepted = true;
      try {
        resolveOpenOptions({ [name]: value });
      } catch {
        accepted = false;
      }
      expect(settingTable[name].parse(String(value)) !== undefined, `${name} ${value}`).toBe(accepted);
    }
  }
});

test("the defaults of compaction are the library's", () => {
  const { compaction, compactionDeadRatio, compactionMinBytes, compactionIoShare } = settingTable;
  const given = {
    auto: compaction.fallback === "auto",
    deadRatio: compactionDeadRatio.fallback,
    minBytes: compactionMinBytes.fallback,
    ioShare: compactionIoShare.fallback,
  };
  expect(resolveOpenOptions({ compaction: given }).native).toEqual(resolveOpenOptions(undefined).native);
  for (const text of ["0", "0.009", "1.5", "half", "1e-1", "-0.5", ""]) {
    expect(compactionIoShare.parse(text), text).toBe(undefined);
  }
  expect(compactionDeadRatio.parse("1")).toBe(undefined);
});

test("crabkv.config.json of the working directory is read without being named, and paths in it are beside it", async () => {
  const cwd = temporaryDirectory();
  mkdirSync(join(cwd, "etc"));
  writeFileSync(join(cwd, "crabkv.config.json"), '{ "dataDir": "db", "defaultTtl": 60, "sync": "os" }');
  writeFileSync(join(cwd, "etc", "other.json"), '{ "dataDir": "db" }');
  expect(await crabkv(["put", "a", "1"], { cwd })).toMatchObject({ code: 0, stderr: "" });
  const env = { CRABKV_CONFIG: join("etc", "other.json") };
  expect(await crabkv(["put", "b", "2"], { cwd, env })).toMatchObject({ code: 0, stderr: "" });
  const db = await openStore(join(cwd, "db"), { readOnly: true });
  expect(await db.ttl("a")).toBeGreaterThan(50_000);
  expect(existsSync(join(cwd, "etc", "db", "LOCK"))).toBe(true);
});

test("config prints a table for people, and names variables that are no settings", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "crabkv.config.json"), '{ "shards": 32 }');
  const env = { CRABKV_SYNC: "os", CRABKV_SINK: "os" };
  const { code, stdout, stderr } = await crabkv(["config", "--cache", "5"], { cwd, env });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^shards +32 +crabkv\.config\.json$/m);
  expect(stdout).toMatch(/^sync +os +CRABKV_SYNC$/m);
  expect(stdout).toMatch(/^cache +5 +--cache$/m);
  expect(stdout).toMatch(/^compression +none +default$/m);
  expect(stderr).toContain("CRABKV_SINK is set, but is no setting");
});

test.each([
  ["{", "crabkv.config.json is not JSON"],
  ["[]", "crabkv.config.json is not a JSON object"],
  ['{ "shard": 3 }', 'crabkv.config.json: unknown key "shard"; known are dataDir, sync,'],
  ['{ "__proto__": 3 }', 'unknown key "__proto__"'],
  ['{ "shards": 0 }', "crabkv.config.json: shards is 0; it must be an integer from 1 to 4096"],
  ['{ "sync": { "everyMs": 1 } }', 'it must be "always", "os", or milliseconds from 1 to 60000'],
  ['{ "dataDir": null }', "dataDir is null; it must be a path"],
  ['{ "segmentBytes": "1MB" }', 'segmentBytes is "1MB"; it must be bytes, or a number with KiB, MiB or GiB'],
])("a config file that cannot be meant stops every command: %s", async (text, reason) => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "crabkv.config.json"), text);
  for (const command of [["get", "a"], ["config"]]) {
    expect(await crabkv(command, { cwd })).toMatchObject({ code: 2, stdout: "", stderr: containing(reason) });
  }
});

test("a config file that is named must be there", async () => {
  const cwd = temporaryDirectory();
  const result = await crabkv(["config", "--config", "none.json"], { cwd });
  expect(result).toMatchObject({ code: 2, stdout: "", stderr: containing("none.json") });
  const asJson = await crabkv(["stats", "--json"], { cwd, env: { CRABKV_CONFIG: "." } });
  expect(asJson).toMatchObject({ code: 2, stdout: "" });
  expect(JSON.parse(asJson.stderr)).toMatchObject({ exitCode: 2, error: { advice: containing("--config") } });
});

test("import takes values up to --value-bytes-max, and no larger ones", async () => {
  const cwd = temporaryDirectory();
  const input = `{"key":"a","value":"${"v".repeat(2000)}"}\n`;
  const small = await crabkv(["import", "--value-bytes-max", "1KiB"], { cwd, input });
  expect(small).toMatchObject({ code: 4, stderr: containing("value has 2000 bytes; the most is 1024") });
  expect(small.stderr).toContain("--value-bytes-max");
  expect(await crabkv(["import", "--value-bytes-max", "2000"], { cwd, input })).toMatchObject({ code: 0 });
});
