// import and export: what goes out comes in again as it was, bad input is refused with its line, and memory is bounded.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { csvHeader, readCsv, writeCsv } from "../src/cli/csv.js";
import { readJsonl, writeJsonl } from "../src/cli/jsonl.js";
import { textOf } from "../src/cli/records.js";
import { open } from "../src/index.js";
import { cliPath, crabkv } from "./run-program.js";
import { collect, openStore, temporaryDirectory } from "./temporary.js";

const containing = (text: string) => expect.stringContaining(text) as string;
const MIB = 1024 * 1024;
const buffers = { keyEncoding: "buffer", valueEncoding: "buffer" } as const;

const awkward = [
  { key: "", value: "" },
  { key: "newline", value: "a\nb\r\nc\r" },
  { key: 'quo"te', value: '"' },
  { key: "comma,", value: "," },
  { key: "separator", value: "a\u2028b\u2029c" },
  { key: "nul\0", value: "\0" },
  { key: "\ufeffbom", value: "\ufeff" },
  { key: "emoji", value: "🦀" },
  { key: " spaces ", value: "  " },
  { key: "number", value: "1e3" },
];

async function readAll(path: string) {
  const db = await open(path, { readOnly: true });
  try {
    return (await collect(db.records({ order: "log" }))).map(({ key, value, expiresAtMs }) => ({
      key,
      value,
      expiresAtMs,
    }));
  } finally {
    await db.close();
  }
}

test.each(["jsonl", "csv"])("what is exported as %s is imported as it was, deadlines too", async (format) => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"));
  await db.putMany(awkward);
  await db.put("expires", "later", { ttlMs: 1_000_000_000 });
  await db.close();
  const exported = await crabkv(["export", `out.${format}`], { cwd });
  expect(exported).toMatchObject({ code: 0, stdout: "", stderr: containing("exported 11 records") });
  expect(readdirSync(cwd).sort()).toEqual(["data", `out.${format}`]);
  const piped = await crabkv(["export", "--format", format], { cwd });
  expect(piped.stdout).toBe(readFileSync(join(cwd, `out.${format}`), "utf8"));

  const imported = await crabkv(["import", "--format", format, "--data-dir", "copy", "--json"], {
    cwd,
    input: piped.stdout,
  });
  expect(imported).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(imported.stdout)).toMatchObject({ imported: 11, expired: 0 });
  const [before, after] = [await readAll(join(cwd, "data")), await readAll(join(cwd, "copy"))];
  const deadlines = [before, after].map((records) => records.at(-1)!.expiresAtMs!);
  // A deadline goes in as the time left, which is counted in whole milliseconds.
  expect(Math.abs(deadlines[0]! - deadlines[1]!)).toBeLessThan(1000);
  expect(after.slice(0, -1)).toEqual(before.slice(0, -1));
});

test.each([
  ["jsonl", []],
  ["jsonl", ["--base64"]],
  ["csv", ["--base64"]],
])("bytes that are no text survive %s %j", async (format, flags) => {
  const cwd = temporaryDirectory();
  const records = fc.sample(
    fc.record({ key: fc.uint8Array({ maxLength: 8 }), value: fc.uint8Array({ maxLength: 20 }) }),
    { seed: 7, numRuns: 200 },
  );
  const db = await openStore(join(cwd, "data"), buffers);
  await db.putMany(records);
  const expected = await collect(db.entries({ order: "log" }));
  await db.close();
  expect(await crabkv(["export", "out", "--format", format, ...flags], { cwd })).toMatchObject({ code: 0 });
  const imported = await crabkv(["import", "out", "--format", format, "--data-dir", "copy"], { cwd });
  expect(imported).toMatchObject({ code: 0 });
  const copy = await openStore(join(cwd, "copy"), buffers);
  expect(await collect(copy.entries({ order: "log" }))).toEqual(expected);
});

test("CSV refuses bytes that are no text, and leaves no file", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"), buffers);
  await db.put(Uint8Array.of(0xff), Uint8Array.of(1));
  await db.close();
  const result = await crabkv(["export", "out.csv"], { cwd });
  expect(result).toMatchObject({ code: 4, stderr: containing("--base64") });
  expect(readdirSync(cwd)).toEqual(["data"]);
});

// Past what an import bounds by default: in JSON a control character is six bytes.
test.each([
  { format: "jsonl", read: readJsonl, write: writeJsonl, header: "", value: "\x01".repeat(23 * MIB) },
  { format: "csv", read: readCsv, write: writeCsv, header: csvHeader(false), value: "v".repeat(65 * MIB) },
])("a value that a raised bound allows is imported from the $format that it was exported to", async (each) => {
  const record = { key: "k", value: each.value, expiresAtMs: undefined };
  const file = Readable.from([Buffer.from(each.header + each.write(record, false))]);
  const [found] = (await collect(each.read(file, { keyBytesMax: 64 * 1024, valueBytesMax: 65 * MIB }))).flat();
  expect(textOf(found!.value) === each.value).toBe(true);
});

test("export takes a prefix", async () => {
  const cwd = temporaryDirectory();
  const db = await openStore(join(cwd, "data"));
  await db.putMany(["user:1", "user:2", "job:1"].map((key) => ({ key, value: "v" })));
  await db.close();
  const { stdout } = await crabkv(["export", "--prefix", "user:"], { cwd });
  expect(stdout).toBe('{"key":"user:1","value":"v"}\n{"key":"user:2","value":"v"}\n');
});

const good = '{"key":"a","value":"1"}\n\n{"key":"b","value":"2"}\n';
const badLines: [reason: string, line: string | Uint8Array][] = [
  ["not JSON", "{"],
  ["not a JSON object", "[1]"],
  ["has no value", '{"key":"c"}'],
  ["value must be a string", '{"key":"c","value":1}'],
  ['unknown field "ttl"', '{"key":"c","value":"3","ttl":1}'],
  ["has both value and value64", '{"key":"c","value":"3","value64":""}'],
  ["value64 must be base64", '{"key":"c","value64":"a"}'],
  ["expiresAtMs must be a positive integer", '{"key":"c","value":"3","expiresAtMs":1.5}'],
  ["key has a lone surrogate", '{"key":"\\ud800","value":"3"}'],
  ["key has 65537 bytes", `{"key":"${"k".repeat(65_537)}","value":"3"}`],
  ["not UTF-8", Buffer.from([0x22, 0xff])],
];

test.each(badLines)("a bad line of JSON Lines is named, and those before it are kept: %s", async (reason, line) => {
  const cwd = temporaryDirectory();
  const input = Buffer.concat([Buffer.from(good), Buffer.from(line), Buffer.from('\n{"key":"d","value":"4"}\n')]);
  const result = await crabkv(["import"], { cwd, input });
  expect(result).toMatchObject({ code: 4, stdout: "", stderr: containing(`standard input, line 4: ${reason}`) });
  expect(result.stderr).toContain("2 records were stored before that");
  expect((await readAll(join(cwd, "data"))).map(({ key }) => key)).toEqual(["a", "b"]);
});

test.each([
  ["line 1", "unknown column", "key,vaule\na,1\n"],
  ["line 1", "the header must have key or key64", "value\n1\n"],
  ["line 1", "a column comes twice", "key,value,key\n"],
  ["line 4", "expect 2, got 3", 'key,value\na,"1\n2"\nb,2,3\n'],
  ["line 2", "Closing Quote", 'key,value\na,"1"2\n'],
  ["line 3", "expiresAtMs must be", "key,value,expiresAtMs\na,1,\nb,2,soon\n"],
  ["line 2", "value64 must be base64", "key,value64\na,%\n"],
])("a bad line of CSV is named: %s, %s", async (line, reason, input) => {
  const cwd = temporaryDirectory();
  const result = await crabkv(["import", "--format", "csv"], { cwd, input });
  expect(result).toMatchObject({ code: 4, stderr: containing(reason) });
  expect(result.stderr).toContain(`standard input, ${line}: `);
});

test("a CSV of any column order, line ends and a byte order mark is understood", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "in.csv"), '\ufeffvalue,key\r\n"x, y",a\r\n\r\nz,b');
  expect(await crabkv(["import", "in.csv", "--ttl", "60"], { cwd })).toMatchObject({ code: 0 });
  const records = await readAll(join(cwd, "data"));
  expect(records.map(({ key, value }) => [key, value])).toEqual([
    ["a", "x, y"],
    ["b", "z"],
  ]);
  expect(records.every(({ expiresAtMs }) => expiresAtMs! > Date.now() + 30_000)).toBe(true);
});

test("records that have expired are skipped, and counted", async () => {
  const cwd = temporaryDirectory();
  const input = '{"key":"old","value":"1","expiresAtMs":1000}\n{"key":"new","value":"2"}\n';
  const result = await crabkv(["import", "-"], { cwd, input });
  expect(result).toMatchObject({ code: 0, stderr: containing("imported 1 records") });
  expect(result.stderr).toContain("1 were skipped");
  expect((await readAll(join(cwd, "data"))).map(({ key }) => key)).toEqual(["new"]);
});

test("a file that cannot be read makes no store", async () => {
  const cwd = temporaryDirectory();
  expect(await crabkv(["import", "none.jsonl"], { cwd })).toMatchObject({ code: 4, stderr: containing("none.jsonl") });
  expect(await crabkv(["import", "."], { cwd })).toMatchObject({ code: 4, stderr: containing("directory") });
  expect(existsSync(join(cwd, "data"))).toBe(false);
});

test.skipIf(process.platform !== "linux" || process.env.CRABKV_SANITIZER !== undefined)(
  "an import of 200 MB stays within 200 MB more than an empty one",
  async () => {
    const cwd = temporaryDirectory();
    const line = (i: number) => `{"key":"key:${i}","value":"${"v".repeat(1000)}"}\n`;
    const child = spawn(process.execPath, [cliPath, "import", "--sync", "os"], {
      cwd,
      stdio: ["pipe", "ignore", "pipe"],
    });
    const peakBytes = () => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
    };
    child.stdin.write(line(0));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const emptyBytes = peakBytes();
    let fullBytes = 0;
    for (let i = 1; i <= 200_000; i += 1000) {
      const piece = Array.from({ length: 1000 }, (_, j) => line(i + j)).join("");
      if (!child.stdin.write(piece)) await once(child.stdin, "drain");
      fullBytes = peakBytes();
    }
    child.stdin.end();
    expect(await once(child, "close")).toEqual([0, null]);
    expect(fullBytes - emptyBytes).toBeLessThan(200e6);
  },
);
