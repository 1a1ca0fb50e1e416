// The command line as a person and a script meet it: what it prints where, and how it ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import { cliPath, crabkv } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const containing = (line: string) => expect.stringContaining(line) as string;

test("a value that was put is printed, and a deleted one is not found", async () => {
  const cwd = temporaryDirectory();
  expect(await crabkv(["put", "city", "Quito"], { cwd })).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await crabkv(["get", "city"], { cwd })).toMatchObject({ code: 0, stdout: "Quito\n", stderr: "" });
  expect(await crabkv(["get", "-n", "city"], { cwd })).toMatchObject({ code: 0, stdout: "Quito" });
  expect(await crabkv(["delete", "city"], { cwd })).toMatchObject({ code: 0, stdout: "" });
  expect(await crabkv(["get", "city"], { cwd })).toMatchObject({
    code: 1,
    stdout: "",
    stderr: 'crabkv: not found: "city"\n',
  });
  expect(await crabkv(["delete", "city"], { cwd })).toMatchObject({ code: 1, stdout: "" });
  expect(readdirSync(cwd)).toEqual(["data"]);
});

test("a command for one record loads no TLS, no client, no CSV and no progress bar", async () => {
  const cwd = temporaryDirectory();
  await crabkv(["put", "city", "Quito"], { cwd });
  const dataUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`;
  const tellsOfLoads = dataUrl(
    "export function load(url, context, next) { process._rawDebug(url); return next(url, context); }",
  );
  const registers = dataUrl(`import { register } from "node:module"; register(${JSON.stringify(tellsOfLoads)});`);
  const { code, stdout, stderr } = await crabkv(["get", "city"], { cwd, nodeOptions: ["--import", registers] });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "Quito\n" });
  expect(stderr).toContain("/node_modules/commander/");
  expect(stderr).not.toMatch(
    /node:tls|\/node_modules\/(redis-parser|cli-progress|csv-parse|csv-stringify|pino|prom-client)/,
  );
});

test("--json answers in JSON, and says when a key expires", async () => {
  const cwd = temporaryDirectory();
  const before = Date.now();
  const put = await crabkv(["put", "session", "ä", "--ttl", "90.5", "--json"], { cwd });
  expect(JSON.parse(put.stdout)).toEqual({ key: "session", stored: true });
  const got = JSON.parse((await crabkv(["get", "session", "--json"], { cwd })).stdout) as { expiresAtMs: number };
  expect(got).toMatchObject({ key: "session", found: true, value: "ä", version: 1 });
  expect(got.expiresAtMs - 90_500).toBeGreaterThanOrEqual(before);
  expect(got.expiresAtMs - 90_500).toBeLessThanOrEqual(Date.now() + 1);
  const none = await crabkv(["--json", "get", "other"], { cwd });
  expect(none).toMatchObject({ code: 1, stderr: "" });
  expect(JSON.parse(none.stdout)).toEqual({ key: "other", found: false });
  const deleted = await crabkv(["delete", "session", "--json"], { cwd });
  expect(JSON.parse(deleted.stdout)).toEqual({ key: "session", deleted: true });
});

test("the environment sets the directory and the time to live, and the command line goes before it", async () => {
  const cwd = temporaryDirectory();
  const env = { CRABKV_DATA_DIR: "elsewhere", CRABKV_DEFAULT_TTL_SECS: "60", CRABKV_SYNC: "" };
  await crabkv(["put", "a", "1"], { cwd, env });
  await crabkv(["put", "b", "2", "--ttl", "none"], { cwd, env });
  await crabkv(["put", "c", "3", "--data-dir", "here"], { cwd, env });
  const db = await openStore(join(cwd, "elsewhere"), { readOnly: true });
  expect(await db.ttl("a")).toBeGreaterThan(50_000);
  expect(await db.ttl("b")).toBe(Infinity);
  expect(await db.has("c")).toBe(false);
  expect(existsSync(join(cwd, "here"))).toBe(true);
});

test("bytes that are no text come out as base64, and -n prints them as they are", async () => {
  const cwd = temporaryDirectory();
  const db = await open(join(cwd, "data"), { valueEncoding: "buffer" });
  await db.put("bytes", Uint8Array.of(0xff, 0, 10));
  await db.close();
  expect(JSON.parse((await crabkv(["get", "bytes", "--json"], { cwd })).stdout)).toMatchObject({ value64: "/wAK" });
  const child = spawn(process.execPath, [cliPath, "get", "-n", "bytes"], { cwd });
  const [bytes] = (await once(child.stdout, "data")) as [Buffer];
  expect([...bytes]).toEqual([0xff, 0, 10]);
});

test("arguments that cannot be meant exit with 2 and say why", async () => {
  const cwd = temporaryDirectory();
  const cases: [string[], string][] = [
    [[], "Usage: crabkv"],
    [["frobnicate"], "unknown command 'frobnicate'"],
    [["put", "a"], "missing required argument 'value'"],
    [["put", "a", "b", "c"], "too many arguments"],
    [["put", "a", "b", "--ttl", "0"], "a positive number of seconds"],
    [["put", "a", "b", "--sync", "sometimes"], '"always", "os", or milliseconds'],
    [["put", "a", "b", "--compression", "zip"], 'must be "none" or "snappy"'],
    [["get", "a", "--frob"], "unknown option '--frob'"],
    [["put", "k".repeat(70_000), "v"], "key has 70000 bytes"],
  ];
  for (const [args, reason] of cases) {
    const result = await crabkv(args, { cwd });
    expect(result, args.join(" ")).toMatchObject({ code: 2, stdout: "", stderr: containing(reason) });
  }
  const asJson = await crabkv(["frobnicate", "--json"], { cwd });
  expect(JSON.parse(asJson.stderr)).toMatchObject({ exitCode: 2, error: { message: containing("frobnicate") } });
  const fromEnv = await crabkv(["put", "a", "b"], { cwd, env: { CRABKV_DEFAULT_TTL_SECS: "soon" } });
  expect(fromEnv).toMatchObject({ code: 2, stderr: containing("CRABKV_DEFAULT_TTL_SECS") });
});

test("help and version go to stdout and end well", async () => {
  const help = await crabkv(["help"]);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  for (const command of ["put", "get", "delete", "import", "export", "stats", "dump", "config", "help"]) {
    expect(help.stdout).toMatch(new RegExp(`^ {2}${command} `, "m"));
  }
  expect((await crabkv(["help", "import"])).stdout).toContain("--ttl <seconds>");
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(await crabkv(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` });
});

test("only put and import make a store; looking for one leaves nothing behind", async () => {
  const cwd = temporaryDirectory();
  mkdirSync(join(cwd, "empty"));
  for (const command of [["get", "a"], ["delete", "a"], ["stats"], ["export"], ["dump", "1"]]) {
    for (const directory of ["absent", "empty"]) {
      const result = await crabkv([...command, "--data-dir", directory], { cwd });
      expect(result, command.join(" ")).toMatchObject({ code: 4, stdout: "", stderr: containing(directory) });
    }
  }
  expect(readdirSync(cwd)).toEqual(["empty"]);
  expect(readdirSync(join(cwd, "empty"))).toEqual([]);
});

test("stats counts keys and segments", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"));
  await db.putMany(Array.from({ length: 10 }, (_, i) => ({ key: `k${i}`, value: "v" })));
  await db.close();
  const stats = await crabkv(["stats", "--json"], { cwd });
  expect(stats.code).toBe(0);
  expect(JSON.parse(stats.stdout)).toMatchObject({ dataDir: "data", keys: 10, segments: 1, lastVersion: 10 });
  expect((await crabkv(["stats"], { cwd })).stdout).toMatch(/^keys +10$/m);
});

test("a store that another process has open is locked, and the message has its pid", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"));
  await db.put("a", "1");
  const result = await crabkv(["get", "a"], { cwd });
  expect(result).toMatchObject({ code: 4, stderr: containing(`process ${process.pid}`) });
  const asJson = await crabkv(["put", "a", "2", "--json"], { cwd });
  expect(JSON.parse(asJson.stderr)).toMatchObject({ exitCode: 4, error: { code: "CRABKV_LOCKED" } });
});

test("dump prints a segment's records, also of a store in use and page after page", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"));
  for (let i = 0; i < 600; i++) await db.put(`key:${i}`, `value ${i}`);
  const { code, stdout } = await crabkv(["dump", "1"], { cwd });
  expect(code).toBe(0);
  const puts = stdout.split("\n").filter((line) => line.includes("PUT"));
  expect(puts).toHaveLength(600);
  expect(puts[599]).toContain('"key:599" = "value 599"');
  expect((await crabkv(["dump", "00000001.log"], { cwd })).stdout).toBe(stdout);
  expect((await crabkv(["dump", join("data", "00000001.log")], { cwd })).stdout).toBe(stdout);
  const lines = (await crabkv(["dump", "1", "--json"], { cwd })).stdout.trimEnd().split("\n");
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ offset: expect.any(Number) as number });
});

test("corruption exits with 3, names file and offset, and dump shows what comes before it", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"));
  for (let i = 0; i < 20; i++) await db.put(`key:${i}`, "value");
  await db.close();
  const segment = join(cwd, "data", "00000001.log");
  const bytes = readFileSync(segment);
  const at = bytes.indexOf("key:10");
  bytes[at]! ^= 1;
  writeFileSync(segment, bytes);
  for (const command of [["stats"], ["get", "key:1"], ["put", "a", "b"]]) {
    const result = await crabkv(command, { cwd });
    expect(result, command.join(" ")).toMatchObject({ code: 3, stdout: "", stderr: containing("00000001.log") });
  }
  const dump = await crabkv(["dump", "1"], { cwd });
  expect(dump).toMatchObject({ code: 3, stderr: containing("00000001.log at offset") });
  expect(dump.stdout.split("\n").filter((line) => line.includes("PUT"))).toHaveLength(10);
});

test("a reader that goes away ends the program quietly", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"), { sync: "os" });
  await db.putMany(Array.from({ length: 20_000 }, (_, i) => ({ key: `key:${i}`, value: "v".repeat(100) })));
  await db.close();
  const child = spawn(process.execPath, [cliPath, "export"], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  await once(child.stdout, "data");
  child.stdout.destroy();
  expect(await once(child, "close")).toEqual([0, null]);
  expect(stderr).toBe("");
});
