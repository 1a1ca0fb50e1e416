// serve: a store over TCP, until a signal ends it.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { isLoopback } from "../../server/loopback.js";
import type { ServeOptions, Server } from "../../server/index.js";
import { openForWriting } from "../opening.js";
import { UsageError } from "../outcome.js";
import { printLine, say } from "../output.js";
import { parseAddress, ttlMsOf } from "../setting-table.js";
import { addSettings, settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

export function addServe(program: Command): void {
  const serve = program.command("serve").description("serve a store over TCP, RESP and text on one port");
  addSettings(serve, ["addr", "sync", "compression", "shards", "cache", "defaultTtl", "textStyle"]);
  addSettings(serve, ["segmentBytes", "keyBytesMax", "valueBytesMax"]);
  addSettings(serve, ["compaction", "compactionDeadRatio", "compactionMinBytes", "compactionIoShare"]);
  addSettings(serve, [
    "passwordFile",
    "insecure",
    "enableDebug",
    "clientsMax",
    "authTimeout",
    "requestTimeout",
    "drainTimeout",
  ]);
  addSettings(serve, ["requestBytesMax", "replyBytesPause", "replyBytesMax"]);
  serve.action(() => runServe(settingsOf(serve.optsWithGlobals())));
}

async function runServe(settings: GlobalSettings): Promise<void> {
  const { serve } = await import("../../server/index.js");
  const options = serveOptionsOf(settings);
  // What clients put is in the log before they are answered: there is nothing to buffer.
  const store = await openForWriting({ ...settings, writeBack: "off" }, true);
  try {
    const server = await serve({ ...options, store });
    announce(server, settings);
    await untilEnded(server);
  } finally {
    await store.close();
  }
}

function serveOptionsOf(settings: GlobalSettings): ServeOptions {
  const { textStyle, clientsMax, requestBytesMax, replyBytesPause, replyBytesMax } = settings;
  const { host, port } = parseAddress(settings.addr)!;
  const password = passwordIn(settings.passwordFile);
  const insecure = settings.insecure === "yes";
  if (password === undefined && !insecure && !isLoopback(host)) {
    throw new UsageError(
      `${host} can be reached by other machines: set --password-file, or --insecure to do without a password`,
    );
  }
  return {
    ...{ host, port, textStyle, password, insecure, clientsMax, requestBytesMax, replyBytesPause, replyBytesMax },
    enableDebug: settings.enableDebug === "yes",
    defaultTtlMs: ttlMsOf(settings.defaultTtl),
    authTimeoutMs: settings.authTimeout * 1000,
    requestTimeoutMs: settings.requestTimeout * 1000,
    drainMs: settings.drainTimeout * 1000,
  };
}

/** The file's first line. */
function passwordIn(file: string): string | undefined {
  if (file === "off") return undefined;
  const [password] = readFileSync(file, "utf8").split(/\r?\n/, 1);
  if (password === undefined || password === "") throw new UsageError(`${file} has no password on its first line`);
  return password;
}

function announce(server: Server, settings: GlobalSettings): void {
  const { host, port } = server.address;
  if (settings.json) {
    printLine(JSON.stringify({ listening: { host, port }, dataDir: settings.dataDir, pid: process.pid }));
    return;
  }
  const address = host.includes(":") ? `[${host}]` : host;
  printLine(`crabkv is listening on ${address}:${port}, data in ${settings.dataDir}`);
  say(`
  text       nc ${host} ${port}                 then: PUT demo value ttl=45, GET demo, HELP
  RESP       redis-cli -h ${host} -p ${port}    or any Redis client
  stop       Ctrl-C, or: kill ${process.pid}`);
}

/** The first signal drains: what was accepted is answered and synced. The second one ends the process at once. */
function untilEnded(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0;
    const end = (signal: NodeJS.Signals): void => {
      if (++signals > 1) process.exit(4);
      say(`crabkv: ${signal}: finishing what was begun; once more ends at once`);
      server.close().catch(() => undefined);
    };
    server.ended.then(resolve, reject);
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
  });
}
