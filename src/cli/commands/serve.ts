// serve: a store over TCP, TLS and Unix sockets, until a signal ends it.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { isLoopback } from "../../server/loopback.js";
import type { ListeningAddress, ServeOptions, Server, ServerAddress, TlsOptions } from "../../server/index.js";
import { storeOptionsOf } from "../opening.js";
import { FailureError, UsageError } from "../outcome.js";
import { printLine } from "../output.js";
import { passwordIn } from "../password.js";
import { ServeSignals } from "../serve-signals.js";
import { parseAddress } from "../setting-kinds.js";
import { flagOf, ttlMsOf } from "../setting-table.js";
import type { SettingName } from "../setting-table.js";
import { addSettings, settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

export function addServe(program: Command): void {
  const serve = program.command("serve").description("serve a store over TCP, RESP and text on one port");
  addSettings(serve, [
    "addr",
    "unixSocket",
    "unixSocketMode",
    "tlsCert",
    "tlsKey",
    "tlsCa",
    "tlsAddr",
    "httpAddr",
    "logLevel",
  ]);
  addSettings(serve, ["sync", "compression", "shards", "cache", "defaultTtl", "textStyle", "notifyKeyspaceEvents"]);
  addSettings(serve, ["backupDir"]);
  addSettings(serve, ["segmentBytes", "keyBytesMax", "valueBytesMax"]);
  addSettings(serve, ["compaction", "compactionDeadRatio", "compactionMinBytes", "compactionIoShare"]);
  addSettings(serve, ["passwordFile", "insecure", "enableDebug", "clientsMax"]);
  addSettings(serve, ["authTimeout", "authArgumentsMax", "authBytesMax", "requestTimeout", "drainTimeout"]);
  addSettings(serve, ["clientsBytesMax", "lineBytesMax", "requestBytesMax", "replyBytesPause", "replyBytesMax"]);
  serve.action(() => runServe(settingsOf(serve.optsWithGlobals())));
  serve.addHelpText(
    "after",
    `
While it runs, crabkv get, put, delete, cli, stats, compact, export and import on the same data directory go through it, by way
of a Unix socket in there that only this user can use.`,
  );
}

async function runServe(settings: GlobalSettings): Promise<void> {
  const options = serveOptionsOf(settings);
  const [{ serve }, { openLog }] = await Promise.all([import("../../server/index.js"), import("../log.js")]);
  const log = openLog(settings.logLevel);
  const signals = new ServeSignals(log, options.tls && ((): TlsOptions => tlsOf(settings)!));
  const server = await serve({ ...options, log }).catch((error: unknown) => {
    // The options have been checked one by one, so this is about how they go together.
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  });
  // Whoever reads that it serves may signal it.
  signals.serves(server);
  announce(server, settings);
  await server.ended;
}

function serveOptionsOf(settings: GlobalSettings): ServeOptions {
  const { dataDir, textStyle, clientsMax, clientsBytesMax, requestBytesMax, replyBytesPause, replyBytesMax } = settings;
  const address = parseAddress(settings.addr);
  const http = parseAddress(settings.httpAddr);
  const { addr, tlsAddr, unixSocket } = settings;
  if (addr === "off" && tlsAddr === "off" && unixSocket === "off") {
    throw new UsageError("--addr is off: set --unix-socket, or --tls-addr, to listen somewhere");
  }
  checkReach(settings);
  return {
    ...storeOptionsOf(settings),
    ...{ dataDir, textStyle, clientsMax, clientsBytesMax, requestBytesMax, replyBytesPause, replyBytesMax },
    ...{ tcp: settings.addr !== "off", host: address?.host, port: address?.port },
    tls: tlsOf(settings),
    unixSocket: settings.unixSocket === "off" ? undefined : settings.unixSocket,
    notifyKeyspaceEvents: settings.notifyKeyspaceEvents === "off" ? "" : settings.notifyKeyspaceEvents,
    backupDir: settings.backupDir === "off" ? undefined : settings.backupDir,
    unixSocketMode: Number.parseInt(settings.unixSocketMode, 8),
    password: passwordIn(settings.passwordFile),
    insecure: settings.insecure === "yes",
    enableDebug: settings.enableDebug === "yes",
    defaultTtlMs: ttlMsOf(settings.defaultTtl),
    authTimeoutMs: settings.authTimeout * 1000,
    requestTimeoutMs: settings.requestTimeout * 1000,
    drainMs: settings.drainTimeout * 1000,
    ...(http === undefined ? {} : { httpHost: http.host, httpPort: http.port }),
    ...{ lineBytesMax: settings.lineBytesMax, authBytesMax: settings.authBytesMax },
    authArgumentsMax: settings.authArgumentsMax,
  };
}

/** As the server checks it (server/endpoints.ts), in the words of the command line. */
function checkReach({ addr, tlsAddr, tlsCert, tlsCa, passwordFile, insecure }: GlobalSettings): void {
  if (passwordFile !== "off" || insecure === "yes") return;
  const plain = tlsCert === "off" || tlsAddr !== "off" ? [addr] : [];
  const tls = tlsCa !== "off" ? [] : tlsAddr !== "off" ? [tlsAddr] : [addr];
  for (const text of [...plain, ...tls]) {
    const host = parseAddress(text)?.host;
    if (host === undefined || isLoopback(host)) continue;
    throw new UsageError(
      `${host} can be reached by other machines: set --password-file, or --insecure to do without a password`,
    );
  }
}

function tlsOf(settings: GlobalSettings): TlsOptions | undefined {
  const { tlsCert, tlsKey, tlsCa, tlsAddr } = settings;
  if (tlsCert === "off") {
    const idle = (["tlsKey", "tlsCa", "tlsAddr"] as const).find((name) => settings[name] !== "off");
    if (idle !== undefined)
      throw new UsageError(`${flagOf(idle)} is set, and --tls-cert is not: TLS needs a certificate`);
    return undefined;
  }
  if (tlsKey === "off")
    throw new UsageError("--tls-cert is set, and --tls-key is not: TLS needs the certificate's key");
  return {
    cert: contentOf(tlsCert, "tlsCert"),
    key: contentOf(tlsKey, "tlsKey"),
    ca: tlsCa === "off" ? undefined : contentOf(tlsCa, "tlsCa"),
    ...(tlsAddr === "off" ? {} : parseAddress(tlsAddr)),
  };
}

function contentOf(file: string, name: SettingName): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new FailureError(`${flagOf(name)}: ${(cause as Error).message}`, { cause });
  }
}

function announce(server: Server, settings: GlobalSettings): void {
  const { addresses } = server;
  if (settings.json) {
    const listening = addresses.find(({ transport }) => transport !== "unix") ?? addresses[0];
    const { httpAddress: http } = server;
    printLine(JSON.stringify({ listening, addresses, http, dataDir: settings.dataDir, pid: process.pid }));
    return;
  }
  const places = addresses.map(placeOf).join(", ");
  printLine(`crabkv is listening on ${places}, data in ${settings.dataDir}`);
  for (const address of addresses) printLine(howToTalkTo(address));
  const { httpAddress: http } = server;
  if (http !== undefined) printLine(`  HTTP       curl http://${hostAndPort(http)}/metrics    or /healthz, /readyz`);
  printLine(`  stop       Ctrl-C, or: kill ${process.pid}`);
}

function placeOf(address: ListeningAddress): string {
  if (address.transport === "unix") return address.path;
  const { transport, host, port } = address;
  return `${hostAndPort({ host, port })}${transport === "tls" ? " (TLS)" : ""}`;
}

function hostAndPort({ host, port }: ServerAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

const CLIENTS = "or any Redis client";
const VERBS = "then: PUT demo value ttl=45, GET demo, HELP";

function howToTalkTo(address: ListeningAddress): string {
  if (address.transport === "unix") {
    return `  text       nc -U ${address.path}    ${VERBS}\n  RESP       redis-cli -s ${address.path}    ${CLIENTS}`;
  }
  const { transport, host, port } = address;
  if (transport === "tls") return `  TLS        redis-cli --tls -h ${host} -p ${port}    ${CLIENTS}`;
  return `  text       nc ${host} ${port}                 ${VERBS}\n  RESP       redis-cli -h ${host} -p ${port}    ${CLIENTS}`;
}
