// Signals to `crabkv serve`: while the store opens, and SIGHUP, which makes it read its certificate again.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, onTestFinished, test, vi } from "vitest";
import { cleanEnv, cliPath } from "../run-program.js";
import { temporaryDirectory } from "../temporary.js";
import { makeCertificates } from "./certificates.js";
import type { Certificates } from "./certificates.js";
import { serveProcess } from "./serve-process.js";
import { Client, request, temporaryServer } from "./serving.js";

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s while the store opens ends the server at once, and with 0",
  async (signal) => {
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, "data"));
    // Reading a pipe that nobody writes to: an opening that takes as long as one likes.
    execFileSync("mkfifo", [join(cwd, "data", "MANIFEST")]);
    const child = spawn(process.execPath, [cliPath, "serve", "--addr", "127.0.0.1:0"], {
      cwd,
      env: cleanEnv(),
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // Its lock is there when it opens.
    await vi.waitFor(() => readFileSync(join(cwd, "data", "LOCK")), { timeout: 20_000 });
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(stderr).toContain("ends before the store is open");
  },
);

/** What a new client is shown. */
async function nameShown(port: number, { path }: Certificates): Promise<string> {
  const ca = ["ca.pem", "other.pem"].map((name) => readFileSync(path(name)));
  const socket = connect({ host: "127.0.0.1", port, ca, checkServerIdentity: () => undefined });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN as string;
}

test("SIGHUP reads the certificate again, for new clients; one that is no good leaves the old", async () => {
  const certificates = makeCertificates();
  const { path } = certificates;
  const cwd = temporaryDirectory();
  const [cert, key] = [join(cwd, "cert.pem"), join(cwd, "key.pem")];
  const install = (name: string): void => {
    copyFileSync(path(`${name}.pem`), cert);
    copyFileSync(path(`${name}.key`), key);
  };
  install("server");
  const served = await serveProcess(cwd, ["--tls-cert", cert, "--tls-key", key]);
  const before = new Client(connect({ host: "127.0.0.1", port: served.port, ca: readFileSync(path("ca.pem")) }));
  before.say(request("PING"));
  expect(await before.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  expect(await nameShown(served.port, certificates)).toBe("server");
  install("other");
  served.child.kill("SIGHUP");
  await vi.waitFor(async () => expect(await nameShown(served.port, certificates)).toBe("other"));
  const failures = (): number => served.stderr().split("the new certificate cannot be used").length - 1;
  for (const [i, broken] of ["no certificate", readFileSync(path("server.pem"))].entries()) {
    writeFileSync(cert, broken); // the second is one that is not that key's
    served.child.kill("SIGHUP");
    await vi.waitFor(() => expect(failures()).toBe(i + 1));
    expect(await nameShown(served.port, certificates)).toBe("other");
  }
  expect(served.stderr()).toContain("tls.key is not the key of tls.cert");
  before.say(request("PING"));
  expect(await before.expectReply("+PONG\r\n")).toBe("+PONG\r\n");
  expect(await served.end("SIGTERM")).toBe(0);
});

test("without TLS, SIGHUP drains as SIGTERM does", async () => {
  const served = await serveProcess(temporaryDirectory());
  expect(await served.end("SIGHUP")).toBe(0);
});

test("setTls takes what serve takes as a certificate, and says what is wrong", async () => {
  const { path } = makeCertificates();
  const content = (name: string): Buffer => readFileSync(path(name));
  const tls = { cert: content("server.pem"), key: content("server.key") };
  const server = await temporaryServer({ tls });
  expect(() => server.setTls({ ...tls, key: content("other.key") })).toThrow("tls.key is not the key of tls.cert");
  expect(() => server.setTls({ ...tls, ca: content("ca.pem") })).toThrow(RangeError);
  expect(() => server.setTls(undefined as never)).toThrow(TypeError);
  server.setTls(tls);
  const plain = await temporaryServer();
  expect(() => plain.setTls(tls)).toThrow("the server does not speak TLS");
});
