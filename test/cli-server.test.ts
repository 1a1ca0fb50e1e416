// The command line beside a server: commands on a directory that a server has open go through it, and the prompt is a client of
// any server.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connectTo } from "../src/cli/remote/connect.js";
import { RemoteStore } from "../src/cli/remote/remote-store.js";
import type { Server } from "../src/server/index.js";
import { crabkv } from "./run-program.js";
import type { ProgramOptions, ProgramResult } from "./run-program.js";
import { makeCertificates } from "./server/certificates.js";
import { startRedis } from "./server/redis-server.js";
import { serveProcess } from "./server/serve-process.js";
import { Client, request, temporaryServer } from "./server/serving.js";
import { openStore, temporaryDirectory } from "./temporary.js";
import { crabkvOnTerminal } from "./terminal.js";

const containing = (text: string) => expect.stringContaining(text) as string;
const jsonOf = ({ stdout }: ProgramResult): unknown => JSON.parse(stdout);

/** Some commands of the command line, and what they have to answer whoever has the store open. */
async function expectCommandsWork(cwd: string): Promise<void> {
  const options = { cwd };
  expect(await crabkv(["put", "a", "one two"], options)).toMatchObject({ code: 0, stderr: "", stdout: "" });
  expect(await crabkv(["get", "a"], options)).toMatchObject({ code: 0, stderr: "", stdout: "one two\n" });
  await crabkv(["put", "short", "x", "--ttl", "1000"], options);
  const short = jsonOf(await crabkv(["get", "short", "--json"], options)) as { expiresAtMs: number };
  expect(short).toMatchObject({ key: "short", found: true, value: "x" });
  expect(Math.abs(short.expiresAtMs - Date.now() - 1_000_000)).toBeLessThan(60_000);
  await crabkv(["put", "short", "y", "--ttl", "none"], options);
  expect(jsonOf(await crabkv(["get", "short", "--json"], options))).not.toHaveProperty("expiresAtMs");
  expect(await crabkv(["get", "none"], options)).toMatchObject({ code: 1, stderr: containing("not found") });
  expect(await crabkv(["delete", "short"], options)).toMatchObject({ code: 0, stderr: "" });
  expect(await crabkv(["delete", "short"], options)).toMatchObject({ code: 1 });
  const tooLarge = { code: 2, stderr: containing("70000 bytes") };
  expect(await crabkv(["put", "k".repeat(70_000), "v"], options)).toMatchObject(tooLarge);
  expect(jsonOf(await crabkv(["stats", "--json"], options))).toMatchObject({ dataDir: "data", keys: 1, segments: 1 });
  expect((await crabkv(["stats"], options)).stdout).toMatch(/^keys +1$/m);
  const report = jsonOf(await crabkv(["compact", "--json"], options));
  expect(report).toMatchObject({ dataDir: "data", compactions: 1, recordsKept: 1, segmentsIn: 1 });
  expect((await crabkv(["compact"], options)).stdout).toMatch(/^records +/m);
}

// Some thirty programs one after the other.
test("commands work the same with a server on the directory, without one, and after one was killed", async () => {
  const cwd = temporaryDirectory();
  const served = await serveProcess(cwd);
  const socket = join(cwd, "data", "SOCKET");
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(cwd, "data")).mode & 0o777).toBe(0o700);
  await expectCommandsWork(cwd);
  const client = new Client(served.port);
  client.say(request("GET", "a"));
  expect(await client.expectReply("$7\r\none two\r\n")).toBe("$7\r\none two\r\n");
  // What needs the files themselves says who has them.
  for (const words of [["verify"], ["backup", "to"]]) {
    const refused = await crabkv(words, { cwd });
    expect(refused).toMatchObject({ code: 4, stderr: containing("CRABKV_LOCKED") });
    expect(refused.stderr).toContain("a server has the store open");
    expect(refused.stderr).toContain("--backup-dir");
  }
  expect(await served.end()).toBe(0);
  expect(existsSync(socket)).toBe(false);
  await crabkv(["delete", "a"], { cwd });

  const alone = temporaryDirectory();
  await expectCommandsWork(alone);

  const dying = await serveProcess(cwd);
  expect(await dying.end("SIGKILL")).toBe("SIGKILL");
  expect(existsSync(socket)).toBe(true);
  expect(await crabkv(["put", "b", "2"], { cwd })).toMatchObject({ code: 0, stderr: "" });
  expect(await crabkv(["get", "b"], { cwd })).toMatchObject({ code: 0, stdout: "2\n" });
  const again = await serveProcess(cwd);
  expect((await crabkv(["get", "b"], { cwd })).stdout).toBe("2\n");
  expect(await again.end()).toBe(0);
  expect(existsSync(socket)).toBe(false);
}, 240_000);

test("export and import go through the server that has the store open, and nothing is lost on the way", async () => {
  const cwd = temporaryDirectory();
  const served = await serveProcess(cwd);
  const lines = Array.from({ length: 3000 }, (_, i) => JSON.stringify({ key: `k${i}`, value: `value ${i}` }));
  const expiresAtMs = Date.now() + 3_600_000;
  lines.push(
    JSON.stringify({
      key64: Buffer.from([0xff, 0, 1]).toString("base64"),
      value64: Buffer.from([0xfe]).toString("base64"),
    }),
    JSON.stringify({ key: "short", value: "x", expiresAtMs }),
    JSON.stringify({ key: "gone", value: "x", expiresAtMs: 1 }),
    JSON.stringify({ key: "large", value: "v".repeat(3_000_000) }),
  );
  writeFileSync(join(cwd, "in.jsonl"), `${lines.join("\n")}\n`);
  expect(jsonOf(await crabkv(["import", "in.jsonl", "--json"], { cwd }))).toMatchObject({ imported: 3003, expired: 1 });
  const out = await crabkv(["export", "out.jsonl"], { cwd });
  expect(out).toMatchObject({ code: 0, stderr: containing("exported 3,003 records") });
  expect(out.stderr).toContain("neither in order nor as of one moment");
  const sorted = (file: string): string[] => readFileSync(join(cwd, file), "utf8").trim().split("\n").sort();
  const parsed = (line: string): { key?: string; expiresAtMs?: number } => JSON.parse(line) as object;
  const exported = sorted("out.jsonl").filter((line) => parsed(line).key !== "short");
  expect(exported).toEqual(lines.filter((line) => !["short", "gone"].includes(parsed(line).key ?? "")).sort());
  const short = sorted("out.jsonl")
    .map(parsed)
    .find(({ key }) => key === "short");
  expect(Math.abs(short!.expiresAtMs! - expiresAtMs)).toBeLessThan(60_000);
  const some = await crabkv(["export", "--prefix", "k299"], { cwd });
  expect(some.stdout.trim().split("\n")).toHaveLength(11);
  // What the server refuses ends the import, and what was stored before is told.
  const tooLarge = JSON.stringify({ key: "k".repeat(70_000), value: "x" });
  const rest = JSON.stringify({ key: "after", value: "x" });
  const refused = await crabkv(["import"], { cwd, input: `${lines[0]!}\n${tooLarge}\n${rest}\n` });
  expect(refused).toMatchObject({ code: 4, stderr: containing("; 1 records were stored before that") });
  expect(await served.end()).toBe(0);
}, 120_000);

test("the owner needs no password and gets in when clients have taken all the room; clients do not", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "secret"), "secret\n");
  const served = await serveProcess(cwd, ["--password-file", "secret", "--clients-max", "1", "--default-ttl", "1000"]);
  const client = new Client(served.port);
  client.say(request("AUTH", "secret"));
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
  expect(await crabkv(["put", "a", "1"], { cwd })).toMatchObject({ code: 0, stderr: "" });
  // The server's time to live goes for what is put without, and can be refused.
  expect(jsonOf(await crabkv(["get", "a", "--json"], { cwd }))).toHaveProperty("expiresAtMs");
  await crabkv(["put", "a", "1", "--ttl", "none"], { cwd });
  expect(jsonOf(await crabkv(["get", "a", "--json"], { cwd }))).not.toHaveProperty("expiresAtMs");
  expect(await new Client(served.port).untilEnded()).toBe("-ERR max number of clients reached\r\n");
});

test("the prompt goes through the server as well, and --read-only holds there", async () => {
  const cwd = temporaryDirectory();
  await serveProcess(cwd);
  const options = { cwd, input: "put a 1\nget a\n" };
  expect(await crabkv(["cli"], options)).toMatchObject({ code: 0, stdout: "OK\n1\n", stderr: "" });
  const readOnly = await crabkv(["cli", "--read-only"], options);
  expect(readOnly).toMatchObject({ code: 2, stdout: "1\n", stderr: containing("--read-only changes nothing") });
});

test.runIf(process.platform === "linux")("a data directory with a long name has a socket, too", async () => {
  const cwd = join(temporaryDirectory(), "d".repeat(150));
  mkdirSync(cwd);
  const served = await serveProcess(cwd);
  expect(await crabkv(["put", "a", "1"], { cwd })).toMatchObject({ code: 0, stderr: "" });
  expect(await crabkv(["get", "a"], { cwd })).toMatchObject({ code: 0, stdout: "1\n" });
  await served.end();
  expect(existsSync(join(cwd, "data", "SOCKET"))).toBe(false);
});

test("the socket goes before the lock when the store of a server is closed, and there is none on a store from outside", async () => {
  const dataDir = join(temporaryDirectory(), "data");
  const server = await temporaryServer({ dataDir });
  const socket = join(dataDir, "SOCKET");
  expect(existsSync(socket)).toBe(true);
  // A second server of the process, on the same store, leaves it to the first.
  const warnings: string[] = [];
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_: object, text: string) => warnings.push(text),
    error: () => undefined,
  };
  const second = await temporaryServer({ dataDir, log });
  expect(warnings).toEqual([containing("cannot reach this server")]);
  await second.close();
  expect(existsSync(socket)).toBe(true);
  const client = new Client(server.address.port);
  client.say(request("MULTI"));
  expect(await client.expectReply("+OK\r\n")).toBe("+OK\r\n");
  await server.store.close();
  expect(existsSync(socket)).toBe(false);
  // And the server can still be closed: its port and its clients go.
  await server.close();
  expect(await client.untilEnded()).toBe("");
  const store = await openStore(dataDir);
  await temporaryServer({ store });
  expect(existsSync(socket)).toBe(false);
});

const script = [
  "put user:1 'x y' --ttl 100",
  'put user:2 "\\x00\\xff"',
  "put other 3",
  "put 'user[*' 4",
  "get user:1",
  "get user:2",
  "get none",
  "ttl other",
  "ttl none",
  "expire other 50",
  "persist other",
  "persist other",
  "persist none",
  "expire other none",
  "expire none 5",
  "keys 'user['",
  "scan oth",
  "delete user:1",
  "delete user:1",
].join("\n");

const answers = [
  ...["OK", "OK", "OK", "OK", "x y", '"\\x00\\xff"', "none", "OK", "OK"],
  ...["it had no time to live", "OK", "user[*", "other 3", "OK"],
];

async function expectScriptWorks(args: readonly string[], options: ProgramOptions = {}): Promise<void> {
  const result = await crabkv(["cli", ...args], { ...options, input: script });
  expect(result.stdout.trimEnd().split("\n"), result.stderr).toEqual(answers);
  expect(result.code).toBe(1);
  expect(result.stderr.match(/not found/g)).toHaveLength(5);
}

test("the prompt answers the same of a store of its own, of CrabKV's server and of Redis", async () => {
  const cwd = temporaryDirectory();
  await expectScriptWorks([], { cwd });
  const server = await temporaryServer();
  await expectScriptWorks(["--addr", `127.0.0.1:${server.address.port}`]);
  expect(await server.store.get("user[*")).toBe("4");
  const redis = `127.0.0.1:${await startRedis()}`;
  await expectScriptWorks(["--addr", redis]);
  const compacted = await crabkv(["cli", "--addr", redis], { input: "compact\nstats\n" });
  expect(compacted).toMatchObject({ code: 0, stderr: "", stdout: containing("redis_version") });
});

test("a prompt walks through thousands of keys of a server, each told once", async () => {
  const server = await temporaryServer();
  await server.store.putMany(Array.from({ length: 3000 }, (_, i) => ({ key: `k${i}`, value: String(i) })));
  await server.store.put("other", "x");
  const result = await crabkv(["cli", "--addr", `:${server.address.port}`], { input: "keys k 5000\nscan k 5000\n" });
  const lines = result.stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(6000);
  expect(new Set(lines).size).toBe(6000);
  const few = await crabkv(["cli", "--addr", `:${server.address.port}`], { input: "keys k 2\n" });
  expect(few).toMatchObject({ code: 0, stderr: containing("there are more than 2") });
});

test("the prompt reaches servers by TLS and Unix sockets, and says a password", async () => {
  const certificates = makeCertificates();
  const cwd = certificates.directory;
  writeFileSync(join(cwd, "secret"), "correct horse\n");
  const tls = ["--tls-cert", "server.pem", "--tls-key", "server.key", "--tls-ca", "ca.pem"];
  const served = await serveProcess(cwd, [...tls, "--unix-socket", "sock", "--password-file", "secret"]);
  const input = "put a 1\nget a\n";
  const done = { code: 0, stdout: "OK\n1\n", stderr: "" };
  const env = { CRABKV_PASSWORD: "correct horse" };
  const secure = ["cli", "--addr", `localhost:${served.port}`, "--tls-ca", "ca.pem"];
  const shown = ["--tls-cert", "client.pem", "--tls-key", "client.key"];
  expect(await crabkv([...secure, ...shown], { cwd, input, env })).toMatchObject(done);
  expect(await crabkv(["cli", "--addr", "unix:sock"], { cwd, input, env })).toMatchObject(done);
  expect(await crabkv(["cli", "--addr", "unix:sock", "--password-file", "secret"], { cwd, input })).toMatchObject(done);
  const failures: [string[], object, string][] = [
    [["cli", "--addr", "unix:sock"], {}, "NOAUTH Authentication required"],
    [["cli", "--addr", "unix:sock"], { CRABKV_PASSWORD: "wrong" }, "WRONGPASS"],
    [secure, env, "localhost"],
    [["cli", "--addr", `localhost:${served.port}`, "--tls"], env, "cannot be reached: self"],
    [["cli", "--addr", "unix:nobody"], {}, "unix:nobody cannot be reached"],
  ];
  for (const [args, variables, message] of failures) {
    const result = await crabkv(args, { cwd, input, env: variables as Record<string, string> });
    expect(result, message).toMatchObject({ code: 4, stdout: "", stderr: containing(message) });
  }
  const misuses = [["--addr", "nowhere"], ["--addr", "unix:"], ["--tls"], ["--addr", ":1", "--tls-cert", "ca.pem"]];
  for (const args of misuses) expect(await crabkv(["cli", ...args], { cwd })).toMatchObject({ code: 2 });
});

test("at a terminal the password is asked for, and is not shown", async () => {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "secret"), "correct horse\n");
  await serveProcess(cwd, ["--unix-socket", "sock", "--password-file", "secret"]);
  const { code, output } = crabkvOnTerminal(
    ["cli", "--addr", "unix:sock", "--history", "off"],
    [
      ["password: ", "correct horse\r"],
      ["crabkv>", "put a 1\r"],
      ["OK", "get a\r"],
      ["1", "exit\r"],
    ],
    { cwd },
  );
  expect(code).toBe(0);
  expect(output).toContain("OK");
  expect(output).not.toContain("horse");
});

test("a client goes on with a server that was restarted", async () => {
  const unixSocket = join(temporaryDirectory(), "sock");
  const dataDir = join(temporaryDirectory(), "data");
  const start = (): Promise<Server> => temporaryServer({ dataDir, unixSocket, tcp: false });
  const first = await start();
  const place = { name: "it", path: unixSocket };
  const remote = new RemoteStore(() => connectTo(place), { defaultTtlMs: Infinity, readOnly: false });
  await remote.put("a", "1", { ttlMs: undefined });
  await first.close();
  await expect(remote.getEntry("a")).rejects.toThrow(/has closed the connection|cannot be reached/);
  await start();
  expect(await remote.getEntry("a")).toEqual({ value: Buffer.from("1") });
  remote.close();
});
