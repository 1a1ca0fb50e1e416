// `crabkv cli`: a prompt for people on a terminal, and the same commands as a script.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { shown, splitWords, wordOf } from "../src/cli/prompt/words.js";
import { open } from "../src/index.js";
import { cleanEnv, cliPath, crabkv } from "./run-program.js";
import { crabkvOnTerminal } from "./terminal.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const containing = (text: string) => expect.stringContaining(text) as string;
const script = (cwd: string, lines: string[], args: string[] = [], env: Record<string, string> = {}) =>
  crabkv(["cli", ...args], { cwd, env, input: lines.map((line) => `${line}\n`).join("") });

test("a script runs line by line, quoted as in a shell, and answers on stdout", async () => {
  const cwd = temporaryDirectory();
  const lines = [
    "# a comment, and an empty line",
    "",
    'put demo "hello crab" --ttl 45',
    "get demo",
    "PUT user:1 'based \"rust\" dev'",
    "get user:1",
    "put user:2 a\\ b ttl=30",
    "keys user:",
    "scan user:1",
    "persist demo",
    "ttl demo",
    "expire user:1 60",
    "delete user:2",
  ];
  const { code, stdout, stderr } = await script(cwd, lines);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [put, got, put1, got1, put2, ...rest] = stdout.trimEnd().split("\n");
  expect([put, got, put1, got1, put2]).toEqual(["OK", "hello crab", "OK", 'based "rust" dev', "OK"]);
  expect(rest.slice(0, 2).sort()).toEqual(["user:1", "user:2"]);
  expect(rest.slice(2)).toEqual(['user:1 "based \\"rust\\" dev"', "OK", "none", "OK", "OK"]);
  const db = await openStore(join(cwd, "data"), { readOnly: true });
  expect(await db.ttl("user:1")).toBeGreaterThan(50_000);
  expect(await db.has("user:2")).toBe(false);
});

test("an error does not end a script; its exit code is the last failure's", async () => {
  const cwd = temporaryDirectory();
  const lines = [
    "frob",
    "put a",
    "get none",
    "put a 1",
    "expire a soon",
    'get "a',
    "keys a b",
    "put a b c d",
    "ttl none",
    "get a",
  ];
  const { code, stdout, stderr } = await script(cwd, lines);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "OK\n1\n" });
  for (const told of [
    "line 1: unknown command frob",
    "line 2: too few words: usage is put <key> <value>",
    "line 3: not found: none",
    "line 5: the time to live is soon; it must be a positive number of seconds",
    'line 6: nothing closes the "',
    "line 7: the limit is b; it must be an integer",
    "line 8: too many words: usage is put",
    "line 9: not found: none",
  ]) {
    expect(stderr).toContain(told);
  }
  expect((await script(cwd, ["get none", "exit", "frob"])).code).toBe(1);
  expect((await script(cwd, ["get none", "frob"])).code).toBe(2);
});

test("a line of a script that is not UTF-8 is refused, and the others run", async () => {
  const cwd = temporaryDirectory();
  const input = Buffer.from('put a \xff\nput \xfe 1\nput \xfd 2\nput c "\\xff"\n', "latin1");
  const { code, stdout, stderr } = await crabkv(["cli"], { cwd, input });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "OK\n" });
  for (const number of [1, 2, 3])
    expect(stderr).toContain(`line ${number}: the line is not UTF-8\nhint: bytes go in as \\xNN`);
  const db = await openStore(join(cwd, "data"), { readOnly: true, valueEncoding: "buffer" });
  expect(await collect(db.records())).toMatchObject([{ key: "c", value: Buffer.from([0xff]) }]);
});

test("a line too long to be read whole is refused, not cut", async () => {
  const cwd = temporaryDirectory();
  const input = `put a ${"v".repeat(129 * 1024 * 1024)}\n`;
  const { code, stdout, stderr } = await crabkv(["cli", "--value-bytes-max", "256MiB"], { cwd, input });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("line 1: the line is longer than 134217728 bytes");
});

test("a large value takes memory for its bytes, not for each character", async () => {
  const cwd = temporaryDirectory();
  const value = "v".repeat(16 * 1024 * 1024);
  const nodeOptions = ["--max-old-space-size=128"];
  const result = await crabkv(["cli"], { cwd, nodeOptions, input: `put a ${value}\nput b "${value}"\n` });
  expect(result).toMatchObject({ code: 0, stdout: "OK\nOK\n", stderr: "" });
  const db = await openStore(join(cwd, "data"), { readOnly: true });
  expect([await db.get("a"), await db.get("b")].map((found) => found === value)).toEqual([true, true]);
});

test("stats tells the hottest slots in words", async () => {
  const { stdout } = await script(temporaryDirectory(), ["put a 1", "get a", "stats"]);
  expect(stdout).toMatch(/^hottestSlots +slot \d+ shard \d+ operationsPerSecond [\d.]+$/m);
});

test("--json answers a line of JSON each, errors too", async () => {
  const cwd = temporaryDirectory();
  const { code, stdout, stderr } = await script(
    cwd,
    ["put a 1", 'put "\\xff" b', "get a", "scan", "keys x", "frob"],
    ["--json"],
  );
  const answers = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(code).toBe(2);
  expect(answers.slice(0, 3)).toEqual([
    { key: "a", stored: true },
    { key64: "/w==", stored: true },
    { key: "a", value: "1", version: 1 },
  ]);
  expect(answers).toHaveLength(5);
  expect(JSON.parse(stderr)).toMatchObject({ exitCode: 2, error: { message: "unknown command frob" } });
});

test("no value can look like another answer or command a terminal", async () => {
  const cwd = temporaryDirectory();
  const db = await open(join(cwd, "data"));
  await db.put("a", "x\nOK");
  await db.put("b", "\x1b[2J");
  await db.close();
  const { stdout } = await script(cwd, ["get a", "get b"], ["--read-only"]);
  expect(stdout).toBe('"x\\nOK"\n"\\x1b[2J"\n');
});

test("what is shown as a word is read as what it was, and is one line of printable text", () => {
  const data = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.uint8Array({ maxLength: 12 }));
  fc.assert(
    fc.property(fc.array(data, { minLength: 1, maxLength: 4 }), (all) => {
      const line = all.map(wordOf).join(" ");
      const { words, open: unclosed } = splitWords(line);
      expect(unclosed).toBe(undefined);
      expect(words.map((word) => Buffer.from(word.data as string))).toEqual(
        all.map((each) => Buffer.from(each as string)),
      );
      for (const each of all) expect(shown(each)).toMatch(/^[^\p{Cc}\u2028\u2029]+$/u);
    }),
    { seed: 11, numRuns: 500 },
  );
});

test("keys and scan stop at a hundred, and say so", async () => {
  const cwd = temporaryDirectory();
  const lines = Array.from({ length: 150 }, (_, i) => `put key:${i} v`);
  const { stdout, stderr } = await script(cwd, [...lines, "keys key:", "scan key: 120"]);
  expect(stdout.split("\n").filter((line) => line.startsWith("key:"))).toHaveLength(220);
  expect(stderr).toContain("there are more than 100");
  const asJson = await script(cwd, ["keys key:"], ["--json"]);
  expect(asJson.stdout.trimEnd().split("\n")).toHaveLength(100);
  expect(JSON.parse(asJson.stderr)).toEqual({ note: containing("there are more than 100") });
});

test("a person has colours, completion, an interrupted line, and a history that the next prompt knows", async () => {
  const cwd = temporaryDirectory();
  const history = join(cwd, "state", "past");
  const env = { CRABKV_HISTORY: history };
  const db = await open(join(cwd, "data"));
  await db.put("user:reykjavik", "64");
  await db.put("user:two words", "2");
  await db.close();
  const first = crabkvOnTerminal(
    ["cli"],
    [
      // A tab counts only as the last of what comes at once: the rest is what somebody pasted.
      ["crabkv>", "get user:r\t"],
      ["eykjavik", "\n"],
      ["64", "get user:t\t"],
      ["wo\\ words", "\n"],
      ["\x1b[32m2", "frob"],
      ["frob", "\x03"],
      ["^C", "\x03"],
      ["exit or ctrl-D", "del\t"],
      ["delete ", "nothing\n"],
      ["not found: nothing", 'get "user:tw\t'],
      ['o words"', "\n"],
      ["\x1b[32m2", "\x04"],
    ],
    { cwd, env },
  );
  expect(first.output).toContain("\x1b[32m64\x1b[0m");
  expect(first.output).not.toContain("unknown command");
  expect(first.code).toBe(0);
  expect(statSync(history).mode & 0o777).toBe(0o600);
  expect(readFileSync(history, "utf8")).toContain("get user:reykjavik");

  writeFileSync(history, `${"old\n".repeat(1500)}get user:reykjavik\n`, { mode: 0o644 });
  const second = crabkvOnTerminal(
    ["cli"],
    [
      ["crabkv>", "\x1b[A\n"],
      ["64", "exit\n"],
    ],
    { cwd, env: { ...env, NO_COLOR: "1" } },
  );
  expect(second).toMatchObject({ code: 0 });
  expect(second.output).not.toContain("\x1b[32m");
  expect(readFileSync(history, "utf8").split("\n").length).toBeLessThanOrEqual(1003);
  expect(statSync(history).mode & 0o777).toBe(0o600);
});

test("a history that cannot be kept is told once, and the prompt goes on", () => {
  const cwd = temporaryDirectory();
  const result = crabkvOnTerminal(
    ["cli", "--history", cwd],
    [
      ["crabkv>", "put a 1\n"],
      ["OK", "get a\n"],
      ["\x1b[32m1", "quit\n"],
    ],
    { cwd },
  );
  expect(result.code).toBe(0);
  expect(result.output.split("the history is not kept")).toHaveLength(2);
  const off = crabkvOnTerminal(["cli", "--history", "off"], [["crabkv>", "exit\n"]], { cwd });
  expect(off.code).toBe(0);
  expect(existsSync(join(cwd, "off"))).toBe(false);
});

test("a terminated prompt closes its store, with what a write-back buffer held", async () => {
  const cwd = temporaryDirectory();
  const args = [cliPath, "cli", "--write-back", "3600000"];
  const child = spawn(process.execPath, args, { cwd, env: cleanEnv(), stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.write("put a 1\n");
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect(await once(child, "close")).toEqual([143, null]);
  const db = await openStore(join(cwd, "data"), { readOnly: true });
  expect(await db.get("a")).toBe("1");
  expect(db.stats().cleanOpen).toBe(true);
});

test("a script whose reader goes away stops, and keeps what it has acknowledged", async () => {
  const cwd = temporaryDirectory();
  const args = [cliPath, "cli", "--write-back", "3600000"];
  const child = spawn(process.execPath, args, { cwd, env: cleanEnv(), stdio: "pipe" });
  child.stdin.on("error", () => undefined);
  child.stdin.write(Array.from({ length: 20_000 }, (_, i) => `put key:${i} v\n`).join(""));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [seen] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  child.stdout.destroy();
  expect(await once(child, "close")).toEqual([4, null]);
  expect(stderr).toBe("crabkv: nobody reads the answers any more\n");
  const { keys, cleanOpen } = (await openStore(join(cwd, "data"), { readOnly: true })).stats();
  expect(keys).toBeGreaterThanOrEqual(seen.split("OK\n").length - 1);
  expect(keys).toBeLessThan(20_000);
  expect(cleanOpen).toBe(true);
});

test("a prompt on a store that is in use says who has it", async () => {
  const cwd = temporaryDirectory();
  await openStore(join(cwd, "data"));
  const result = await script(cwd, ["keys"]);
  expect(result).toMatchObject({ code: 4, stdout: "", stderr: containing(`process ${process.pid}`) });
});
