// Every way to fail that a person can meet: the exit code, what is said, and what to do about it, for people and as JSON.
import { spawnSync } from "node:child_process";
import type { StdioOptions } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { open } from "../src/index.js";
import { mountReadOnly, mountSmall, whyNoMounts } from "./mounts.js";
import { cleanEnv, cliPath, crabkv } from "./run-program.js";
import { openStore, temporaryDirectory } from "./temporary.js";

const containing = (text: string) => expect.stringContaining(text) as string;
const noMounts = whyNoMounts();

let cwd = "";

// One directory for all: none of them changes anything.
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "crabkv-"));
  const good = await open(join(cwd, "good"));
  await good.put("a", "1");
  await good.close();
  const db = await open(join(cwd, "corrupt"));
  for (let i = 0; i < 20; i++) await db.put(`key:${i}`, "value");
  await db.close();
  const segment = join(cwd, "corrupt", "00000001.log");
  const bytes = readFileSync(segment);
  bytes[bytes.indexOf("key:10")]! ^= 1;
  writeFileSync(segment, bytes);
  const bytesStore = await open(join(cwd, "bytes"), { keyEncoding: "buffer" });
  await bytesStore.put(Uint8Array.of(0xff), "v");
  await bytesStore.close();
  mkdirSync(join(cwd, "foreign"));
  writeFileSync(join(cwd, "foreign", "MANIFEST"), "of another program");
  writeFileSync(join(cwd, "file"), "");
  writeFileSync(join(cwd, "bad.jsonl"), '{"key":"a"}\n');
  writeFileSync(join(cwd, "bad.csv"), "kee,value\n");
  symlinkSync("loop", join(cwd, "loop"));
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

interface Failure {
  readonly args: string;
  readonly code: 1 | 2 | 3 | 4;
  /** Part of the message. */
  readonly says: string;
  /** Part of what to do; undefined for a key that is not there, which is an answer. */
  readonly advises: string | undefined;
}

const failures: Failure[] = [
  { args: "get none --data-dir bytes", code: 1, says: 'not found: "none"', advises: undefined },
  { args: "delete none --data-dir bytes", code: 1, says: 'not found: "none"', advises: undefined },

  { args: "frob", code: 2, says: "unknown command 'frob'", advises: "crabkv help" },
  { args: "put a", code: 2, says: "missing required argument 'value'", advises: "crabkv help put" },
  { args: "get a b", code: 2, says: "too many arguments", advises: "crabkv help get" },
  { args: "stats --frob", code: 2, says: "unknown option '--frob'", advises: "crabkv help stats" },
  { args: "put a b --ttl -1", code: 2, says: "positive number of seconds", advises: "crabkv help put" },
  { args: "import --ttl soon", code: 2, says: "positive number of seconds", advises: "crabkv help import" },
  { args: "put a b --sync 0", code: 2, says: "milliseconds from 1 to 60000", advises: "crabkv help put" },
  { args: "import --shards 5000", code: 2, says: "from 1 to 4096", advises: "crabkv help import" },
  { args: "cli --cache many", code: 2, says: "from 0 to 16777216", advises: "crabkv help cli" },
  { args: "serve --compaction never", code: 2, says: '"auto" or "manual"', advises: "crabkv help serve" },
  { args: "compact --compaction-io-share 0", code: 2, says: "from 0.01 to 1", advises: "crabkv help compact" },
  { args: "compact now", code: 2, says: "too many arguments", advises: "crabkv help compact" },
  { args: "export --format xml", code: 2, says: "jsonl, csv", advises: "crabkv help export" },
  { args: "completion tcsh", code: 2, says: "bash, zsh, fish", advises: "crabkv help completion" },
  { args: "help frob", code: 2, says: "unknown command 'frob'", advises: "crabkv help" },
  { args: "config --config none.json", code: 2, says: "none.json", advises: "--config" },
  { args: "config --config bad.csv", code: 2, says: "bad.csv is not JSON", advises: "JSON object" },
  { args: "put \ufffd b", code: 2, says: "key is not UTF-8", advises: "crabkv cli" },
  {
    args: `put a ${"v".repeat(2000)} --value-bytes-max 1KiB --data-dir bytes`,
    code: 2,
    says: "2000 bytes",
    advises: "--value-bytes-max",
  },

  { args: "get key:1 --data-dir corrupt", code: 3, says: "corrupt/00000001.log", advises: "crabkv verify" },
  { args: "put a b --data-dir corrupt", code: 3, says: "corrupt/00000001.log", advises: "crabkv verify" },
  { args: "export --data-dir corrupt", code: 3, says: "corrupt/00000001.log", advises: "crabkv verify" },
  { args: "cli --data-dir corrupt", code: 3, says: "corrupt/00000001.log", advises: "crabkv verify" },
  { args: "compact --data-dir corrupt", code: 3, says: "corrupt/00000001.log", advises: "crabkv verify" },
  { args: "dump 1 --data-dir corrupt", code: 3, says: "00000001.log at offset", advises: "crabkv repair" },

  { args: "get a", code: 4, says: "no store in data", advises: "crabkv put" },
  { args: "verify", code: 4, says: "no store in data", advises: "--data-dir" },
  { args: "verify --data-dir foreign", code: 4, says: "foreign/MANIFEST", advises: "--data-dir" },
  { args: "delete a", code: 4, says: "no store in data", advises: "crabkv put" },
  { args: "compact", code: 4, says: "no store in data", advises: "--data-dir" },
  { args: "stats", code: 4, says: "no store in data", advises: "--data-dir" },
  { args: "export", code: 4, says: "no store in data", advises: "CRABKV_DATA_DIR" },
  { args: "cli --read-only", code: 4, says: "no store in data", advises: "crabkv put" },
  { args: "get a --data-dir foreign", code: 4, says: "foreign/MANIFEST", advises: "--data-dir" },
  { args: "put a b --data-dir file", code: 4, says: "file is a file", advises: "check the path" },
  { args: "put a b --data-dir loop", code: 4, says: "loop", advises: "check that the data directory" },
  { args: `put a b --data-dir ${"d".repeat(300)}`, code: 4, says: "name too long", advises: "a shorter name" },
  { args: "import none.csv", code: 4, says: "none.csv", advises: "check the name" },
  { args: "import .", code: 4, says: ". is a directory", advises: "name a file" },
  {
    args: "import bad.jsonl --data-dir bytes",
    code: 4,
    says: "bad.jsonl, line 1: has no value",
    advises: "correct that",
  },
  { args: "import bad.csv --data-dir bytes", code: 4, says: 'unknown column "kee"', advises: "correct that" },
  { args: "export none/out.jsonl --data-dir bytes", code: 4, says: "none/out.jsonl", advises: "check the name" },
  { args: "export . --data-dir bytes", code: 4, says: "EISDIR", advises: "not a directory" },
  { args: "export --format csv --data-dir bytes", code: 4, says: "not UTF-8", advises: "--base64" },
  { args: "dump 99 --data-dir bytes", code: 4, says: "00000099.log", advises: "check the name" },
];

test.each(failures)("$code: crabkv $args", async ({ args, code, says, advises }) => {
  const argv = args.split(" ");
  const forPeople = await crabkv(argv, { cwd });
  expect(forPeople).toMatchObject({ code, stderr: containing(says) });
  expect(forPeople.stderr).not.toContain("    at ");
  expect(forPeople.stderr.startsWith("crabkv: ")).toBe(true);
  if (advises !== undefined) expect(forPeople.stderr).toContain(advises);
  const asJson = await crabkv([...argv, "--json"], { cwd });
  expect(asJson.code).toBe(code);
  if (code === 1) {
    expect(asJson.stderr).toBe("");
    return;
  }
  const answer = JSON.parse(asJson.stderr) as { error: { message: string; advice?: string }; exitCode: number };
  expect(answer).toMatchObject({ exitCode: code, error: { message: containing(says) } });
  expect(`${answer.error.message} ${answer.error.advice}`).toContain(advises);
});

test.each(["get a", "put a b", "compact", "stats", "export", "verify", "repair new", "cli", "import bad.csv"])(
  "4: a store that is in use says by whom, and what works beside it: crabkv %s",
  async (args) => {
    const directory = join(temporaryDirectory(), "data");
    await openStore(directory);
    const result = await crabkv([...args.split(" "), "--data-dir", directory], { cwd });
    expect(result).toMatchObject({ code: 4, stderr: containing(`process ${process.pid}`) });
    expect(result.stderr).toContain("hint: end that process");
  },
);

test.skipIf(process.platform !== "linux")("4: output that cannot be written is a failure, told in a line", () => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  for (const args of ["get a --data-dir good", "export --data-dir good", "export /dev/full --data-dir good"]) {
    const stdio: StdioOptions = ["ignore", full, "pipe"];
    const settings = { cwd, env: cleanEnv(), stdio, encoding: "utf8" } as const;
    const { status, stderr } = spawnSync(process.execPath, [cliPath, ...args.split(" ")], settings);
    expect({ status, stderr }, args).toEqual({ status: 4, stderr: containing("ENOSPC") });
    expect(stderr).toContain("hint: make space");
    expect(stderr).not.toContain("    at ");
  }
});

test.skipIf(noMounts !== undefined)("4: a full disk and a read-only one say so", async () => {
  const directory = temporaryDirectory();
  mountSmall(directory, 1 << 20);
  const input = Array.from({ length: 40 }, (_, i) => `{"key":"${i}","value":"${"v".repeat(60_000)}"}\n`).join("");
  const full = await crabkv(["import", "--data-dir", join(directory, "data")], { cwd, input });
  expect(full).toMatchObject({ code: 4, stderr: containing("records were stored before that") });
  expect(full.stderr).toContain("hint: make space");

  const readOnly = temporaryDirectory();
  mountReadOnly(readOnly);
  const refused = await crabkv(["put", "a", "b", "--data-dir", join(readOnly, "data")], { cwd });
  expect(refused).toMatchObject({ code: 4, stderr: containing("read-only; choose another place") });
});
