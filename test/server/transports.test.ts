// What feeds a session: TCP, TLS and Unix sockets give the same replies, and what cannot work is said at once.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { serve } from "../../src/server/index.js";
import { crabkv } from "../run-program.js";
import { temporaryDirectory } from "../temporary.js";
import { makeCertificates } from "./certificates.js";
import type { Certificates } from "./certificates.js";
import { Client, request, temporaryServer } from "./serving.js";

const run = promisify(execFile);

async function expectReplies(client: Client, said: string[][], replies: string): Promise<void> {
  client.say(Buffer.concat(said.map((words) => request(...words))));
  expect(await client.expectReply(replies)).toBe(replies);
}

/** A conversation whose replies are large and small, held back and not. */
async function converse(client: Client): Promise<void> {
  const value = "v".repeat(3_000_000);
  await expectReplies(client, [["SET", "k", value], ["PING"]], "+OK\r\n+PONG\r\n");
  const bulk = `$${value.length}\r\n${value}\r\n`;
  client.say(Buffer.concat([request("GET", "k"), request("GET", "k"), request("DEL", "k"), request("GET", "k")]));
  const replies = `${bulk}${bulk}:1\r\n$-1\r\n`;
  expect((await client.expectReply(replies)) === replies).toBe(true);
  client.say(Buffer.concat(Array.from({ length: 5000 }, (_, i) => request("SET", `n${i}`, "x"))));
  const oks = "+OK\r\n".repeat(5000);
  expect((await client.expectReply(oks)) === oks).toBe(true);
}

function tlsOptionsOf({ path }: Certificates, mutual = false) {
  const content = (name: string): Buffer => readFileSync(path(name));
  return { cert: content("server.pem"), key: content("server.key"), ...(mutual && { ca: content("ca.pem") }) };
}

function tlsClient(certificates: Certificates, port: number, options: ConnectionOptions = {}): TLSSocket {
  return connectTls({ host: "127.0.0.1", port, ca: readFileSync(certificates.path("ca.pem")), ...options });
}

test.each(["os", "always"] as const)(
  "TCP, TLS and a Unix socket, all at once, give the same replies (%s)",
  async (sync) => {
    const certificates = makeCertificates();
    const unixSocket = join(temporaryDirectory(), "sock");
    const server = await temporaryServer({ sync, unixSocket, tls: { ...tlsOptionsOf(certificates), port: 0 } });
    const [plain, secure, unix] = server.addresses;
    expect(server.addresses.map(({ transport }) => transport)).toEqual(["tcp", "tls", "unix"]);
    if (plain?.transport !== "tcp" || secure?.transport !== "tls" || unix?.transport !== "unix")
      throw new Error("order");
    expect(server.address).toEqual({ host: "127.0.0.1", port: plain.port });
    for (const where of [plain.port, unix.path, tlsClient(certificates, secure.port)])
      await converse(new Client(where));
    // A client that has said all that it will still gets its replies.
    for (const where of [plain.port, unix.path, tlsClient(certificates, secure.port)]) {
      const client = new Client(where);
      client.socket.end(request("PING"));
      expect(await client.untilEnded()).toBe("+PONG\r\n");
    }
  },
);

test("redis-cli talks TLS and Unix", async () => {
  const certificates = makeCertificates();
  const unixSocket = join(temporaryDirectory(), "sock");
  const server = await temporaryServer({ unixSocket, tls: tlsOptionsOf(certificates) });
  const { port } = server.address;
  const tls = ["--tls", "--cacert", certificates.path("ca.pem"), "-h", "localhost", "-p", String(port)];
  expect((await run("redis-cli", [...tls, "SET", "a", "1"])).stdout).toBe("OK\n");
  expect((await run("redis-cli", ["-s", unixSocket, "GET", "a"])).stdout).toBe("1\n");
  expect((await run("redis-cli", ["-s", unixSocket, "CLIENT", "LIST"])).stdout).toContain(`addr=${unixSocket}:0 `);
  expect((await run("redis-cli", [...tls, "CONFIG", "GET", "*port*"])).stdout).toBe(`port\n0\ntls-port\n${port}\n`);
});

test("a port that speaks TLS speaks nothing else", async () => {
  const certificates = makeCertificates();
  const server = await temporaryServer({ tls: tlsOptionsOf(certificates) });
  const plain = new Client(server.address.port);
  plain.say(request("PING"));
  expect(await plain.untilEnded()).not.toContain("PONG");
  await converse(new Client(tlsClient(certificates, server.address.port)));
});

test("with an authority only clients come in whose certificate it has signed, and they need no password", async () => {
  const certificates = makeCertificates();
  const { path } = certificates;
  const server = await temporaryServer({ host: "0.0.0.0", tls: tlsOptionsOf(certificates, true) });
  const { port } = server.address;
  const pair = (name: string): ConnectionOptions => ({
    cert: readFileSync(path(`${name}.pem`)),
    key: readFileSync(path(`${name}.key`)),
  });
  for (const options of [{}, pair("other")]) {
    const stranger = new Client(tlsClient(certificates, port, options));
    stranger.say(request("PING"));
    expect(await stranger.untilEnded()).toBe("");
  }
  await converse(new Client(tlsClient(certificates, port, pair("client"))));
  expect(server.connections.size).toBeLessThanOrEqual(1);
});

test("with a password, TLS and Unix clients have to say it, too", async () => {
  const certificates = makeCertificates();
  const unixSocket = join(temporaryDirectory(), "sock");
  const server = await temporaryServer({ password: "secret", unixSocket, tls: tlsOptionsOf(certificates, true) });
  const signed = {
    cert: readFileSync(certificates.path("client.pem")),
    key: readFileSync(certificates.path("client.key")),
  };
  for (const where of [unixSocket, tlsClient(certificates, server.address.port, signed)]) {
    const client = new Client(where);
    await expectReplies(
      client,
      [["PING"], ["AUTH", "secret"], ["PING"]],
      "-NOAUTH Authentication required.\r\n+OK\r\n+PONG\r\n",
    );
  }
});

test("who does not finish the handshake is cut off, and takes no more room than clients may", async () => {
  const certificates = makeCertificates();
  const server = await temporaryServer({ clientsMax: 3, authTimeoutMs: 500, tls: tlsOptionsOf(certificates) });
  const silent = Array.from({ length: 6 }, () => new Client(server.address.port));
  // The last three are refused at once, the others in their time.
  await Promise.all(silent.map((client) => client.untilEnded()));
  const late = await temporaryServer({ tls: tlsOptionsOf(certificates) });
  const waiting = new Client(late.address.port);
  await once(waiting.socket, "connect");
  const since = performance.now();
  await late.close();
  expect(performance.now() - since).toBeLessThan(5000);
  await converse(new Client(tlsClient(certificates, server.address.port)));
});

test("a Unix socket has its mode, goes with the server, and replaces one that a dead server left", async () => {
  const unixSocket = join(temporaryDirectory(), "sock");
  const first = await temporaryServer({ unixSocket });
  expect(statSync(unixSocket).mode & 0o777).toBe(0o600);
  const dataDir = join(temporaryDirectory(), "data");
  await expect(serve({ dataDir, port: 0, unixSocket })).rejects.toMatchObject({
    code: "EADDRINUSE",
    message: `a server listens at ${unixSocket} already`,
  });
  await first.close();
  expect(existsSync(unixSocket)).toBe(false);
  // As a killed process leaves it: the file, and nobody behind it.
  const child = spawn(process.execPath, ["-e", `require("net").createServer().listen(${JSON.stringify(unixSocket)})`]);
  while (!existsSync(unixSocket)) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(unixSocket)).toBe(true);
  await temporaryServer({ unixSocket, unixSocketMode: 0o660, tcp: false });
  expect(statSync(unixSocket).mode & 0o777).toBe(0o660);
  await converse(new Client(unixSocket));
});

test("what is no socket is not replaced, and a failed start leaves nothing open", async () => {
  const directory = temporaryDirectory();
  const [file, dataDir] = [join(directory, "file"), join(directory, "data")];
  writeFileSync(file, "mine");
  const refused = serve({ dataDir, port: 0, unixSocket: file });
  await expect(refused).rejects.toMatchObject({ code: "EADDRINUSE", message: `${file} is there, and is no socket` });
  expect(readFileSync(file, "utf8")).toBe("mine");
  // The port and the store are free again.
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  await expect(serve({ dataDir, port, unixSocket: join(directory, "s") })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
  expect(existsSync(join(directory, "s"))).toBe(false);
  await temporaryServer({ dataDir, unixSocket: join(directory, "s") });
});

test.runIf(process.platform === "linux")("a path that Node would cut silently works, or is refused", async () => {
  const directory = join(temporaryDirectory(), "d".repeat(200));
  mkdirSync(directory);
  const unixSocket = join(directory, "sock");
  const server = await temporaryServer({ unixSocket, tcp: false });
  expect(existsSync(unixSocket)).toBe(true);
  expect(() => server.address).toThrow("Unix socket only");
  const short = join(temporaryDirectory(), "link");
  symlinkSync(directory, short);
  await converse(new Client(join(short, "sock")));
  await server.close();
  expect(existsSync(unixSocket)).toBe(false);
  const dataDir = join(temporaryDirectory(), "data");
  await expect(serve({ dataDir, unixSocket: join(directory, "n".repeat(120)), tcp: false })).rejects.toThrow(
    "the path of a Unix socket has at most 107 bytes",
  );
});

test("options that cannot work are errors that name them", async () => {
  const certificates = makeCertificates();
  const good = tlsOptionsOf(certificates);
  const other = readFileSync(certificates.path("other.key"));
  const dataDir = join(temporaryDirectory(), "data");
  const wrong: [object, string][] = [
    [{ tls: { ...good, cert: "nonsense" } }, "tls.cert must be a certificate in PEM"],
    [{ tls: { ...good, key: "nonsense" } }, "tls.key must be a private key in PEM that is not encrypted"],
    [{ tls: { ...good, key: other } }, "tls.key is not the key of tls.cert"],
    [{ tls: { ...good, ca: "" } }, "tls.ca must be a certificate in PEM"],
    [{ tls: { cert: good.cert } }, "tls.key must be text in PEM"],
    [{ tls: { ...good, passphrase: "x" } }, "passphrase"],
    [{ tls: { ...good, host: "::1" } }, "tls.host must come with tls.port"],
    [{ tls: { ...good, port: -1 } }, "tls.port"],
    [{ tls: good, host: "0.0.0.0" }, "host 0.0.0.0 can be reached by other machines"],
    [{ tls: { ...good, host: "0.0.0.0", port: 0 } }, "host 0.0.0.0 can be reached by other machines"],
    [{ tcp: false }, "tcp is false: set tls.port or unixSocket"],
    [{ tcp: "no" }, "tcp must be a boolean"],
    [{ unixSocket: "" }, "unixSocket must be a string that is not empty"],
    [{ unixSocket: "a\0b" }, "unixSocket must be a path without a NUL"],
    [{ unixSocketMode: 0o1000 }, "unixSocketMode"],
    [{ log: {} }, "log must have the methods"],
  ];
  for (const [options, message] of wrong)
    await expect(serve({ dataDir, ...options }), message).rejects.toThrow(message);
  expect(existsSync(dataDir)).toBe(false);
});

test("crabkv serve has the flags, and says what is wrong with them", async () => {
  const certificates = makeCertificates();
  const cwd = certificates.directory;
  writeFileSync(join(cwd, "text"), "nonsense");
  const failures: [string[], number, string][] = [
    [["--addr", "off"], 2, "--addr is off: set --unix-socket, or --tls-addr"],
    [["--tls-cert", "server.pem"], 2, "--tls-key is not"],
    [["--tls-ca", "ca.pem"], 2, "--tls-ca is set, and --tls-cert is not"],
    [["--tls-cert", "none.pem", "--tls-key", "server.key"], 4, "--tls-cert: ENOENT"],
    [["--tls-cert", "text", "--tls-key", "server.key"], 2, "tls.cert must be a certificate"],
    [["--tls-cert", "server.pem", "--tls-key", "other.key"], 2, "tls.key is not the key of tls.cert"],
    [["--tls-cert", "server.pem", "--tls-key", "server.key", "--addr", "0.0.0.0:0"], 2, "--password-file"],
    [["--unix-socket", "s", "--unix-socket-mode", "9"], 2, "a mode in octal"],
    [["--addr", "off", "--unix-socket", "text"], 4, "is no socket"],
  ];
  for (const [args, code, message] of failures) {
    const result = await crabkv(["serve", ...args], { cwd });
    expect(result, message).toMatchObject({ code, stderr: expect.stringContaining(message) as string });
  }
});

test("what a directory forbids is an error, not a wider mode", async () => {
  if (process.getuid?.() === 0) return; // who may do everything
  const directory = temporaryDirectory();
  chmodSync(directory, 0o500);
  const dataDir = join(temporaryDirectory(), "data");
  await expect(serve({ dataDir, port: 0, unixSocket: join(directory, "s") })).rejects.toMatchObject({ code: "EACCES" });
});
