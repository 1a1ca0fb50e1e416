// The settings of `crabkv serve` that are not the store's; see setting-table.ts.
import { choice, GIB, integerIn, KIB, MIB, parseAddress, path, seconds, setting, size } from "./setting-kinds.js";

const ADDRESS = 'host:port, such as 127.0.0.1:4000 or [::1]:4000, or "off"';

function addressOrOff(text: string): string | undefined {
  return text === "off" || parseAddress(text) !== undefined ? text : undefined;
}

export type LogLevel = (typeof logLevels)[number];
const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

/** The bounds are the server's (server/options.ts), which checks again. */
export const serverSettings = {
  addr: setting<string>({
    flag: "--addr <host:port>",
    env: "CRABKV_ADDR",
    fallback: "127.0.0.1:4000",
    help: 'where the server listens, or "off"',
    allowed: ADDRESS,
    parse: addressOrOff,
  }),
  unixSocket: path({
    flag: "--unix-socket <path>",
    env: "CRABKV_UNIX_SOCKET",
    fallback: "off",
    help: 'Unix socket on which the server listens, too, or "off"',
  }),
  unixSocketMode: setting<string>({
    flag: "--unix-socket-mode <mode>",
    env: "CRABKV_UNIX_SOCKET_MODE",
    fallback: "0600",
    help: "who may connect to that socket",
    allowed: "a mode in octal, such as 0600 or 0660",
    parse: (text) => (/^0?[0-7]{3}$/.test(text) ? text : undefined),
  }),
  tlsCert: path({
    flag: "--tls-cert <file>",
    env: "CRABKV_TLS_CERT",
    fallback: "off",
    help: 'certificate in PEM, with which the server speaks TLS, or "off"',
  }),
  tlsKey: path({
    flag: "--tls-key <file>",
    env: "CRABKV_TLS_KEY",
    fallback: "off",
    help: "its key in PEM",
  }),
  tlsCa: path({
    flag: "--tls-ca <file>",
    env: "CRABKV_TLS_CA",
    fallback: "off",
    help: "authorities in PEM, one of which has to have signed the certificate that a client shows",
  }),
  tlsAddr: setting<string>({
    flag: "--tls-addr <host:port>",
    env: "CRABKV_TLS_ADDR",
    fallback: "off",
    help: "where the server speaks TLS; without, it does at --addr, and nothing else",
    allowed: ADDRESS,
    parse: addressOrOff,
  }),
  httpAddr: setting<string>({
    flag: "--http-addr <host:port>",
    env: "CRABKV_HTTP_ADDR",
    fallback: "off",
    help: "where the server answers HTTP: /metrics for Prometheus, /healthz, /readyz",
    allowed: ADDRESS,
    parse: addressOrOff,
  }),
  logLevel: setting<LogLevel>({
    flag: "--log-level <level>",
    env: "CRABKV_LOG_LEVEL",
    fallback: "info",
    help: "the least that the server's log, JSON on standard error, tells",
    allowed: '"debug", "info", "warn", "error" or "silent"',
    choices: logLevels,
    parse: (text) => logLevels.find((level) => level === text),
  }),
  textStyle: setting<"value" | "bare" | "resp">({
    flag: "--text-style <style>",
    env: "CRABKV_TEXT_STYLE",
    fallback: "value",
    help: "how the server answers lines of text: VALUE x, x alone, or as Redis does",
    allowed: '"value", "bare" or "resp"',
    choices: ["value", "bare", "resp"],
    parse: (text) => (text === "value" || text === "bare" || text === "resp" ? text : undefined),
  }),
  backupDir: path({
    flag: "--backup-dir <path>",
    env: "CRABKV_BACKUP_DIR",
    fallback: "off",
    help: 'where SAVE and BGSAVE put the backup of the store, or "off"',
  }),
  notifyKeyspaceEvents: setting<string>({
    flag: "--notify-keyspace-events <letters>",
    env: "CRABKV_NOTIFY_KEYSPACE_EVENTS",
    fallback: "off",
    help: 'what the server publishes when keys change, by Redis\' letters such as KEA, or "off"',
    allowed: 'letters of Ag$lshzxeKEtmdn, or "off"',
    parse: (text) => (text === "off" || /^[Ag$lshzxeKEtmdn]+$/.test(text) ? text : undefined),
  }),
  passwordFile: path({
    flag: "--password-file <file>",
    env: "CRABKV_PASSWORD_FILE",
    fallback: "off",
    help: 'file with the password that clients of the server have to say, or "off"',
  }),
  insecure: choice({
    flag: "--insecure [choice]",
    env: "CRABKV_INSECURE",
    help: "let the server listen on an address that other machines reach without a password",
  }),
  enableDebug: choice({
    flag: "--enable-debug [choice]",
    env: "CRABKV_ENABLE_DEBUG",
    help: "let clients of the server use DEBUG",
  }),
  clientsMax: setting<number>({
    flag: "--clients-max <n>",
    env: "CRABKV_CLIENTS_MAX",
    fallback: 10_000,
    help: "most connections to the server at a time",
    allowed: "an integer from 1 to 1000000",
    parse: (text) => integerIn(text, 1, 1_000_000),
  }),
  clientsBytesMax: size({
    flag: "--clients-bytes-max <size>",
    env: "CRABKV_CLIENTS_BYTES_MAX",
    fallback: GIB,
    help: "what all connections to the server together may hold in memory; those that hold the most are closed",
    range: [MIB, 1024 * GIB],
    rangeText: "1MiB to 1024GiB",
  }),
  authTimeout: seconds({
    flag: "--auth-timeout <seconds>",
    env: "CRABKV_AUTH_TIMEOUT_SECS",
    fallback: 10,
    help: "how long a client of the server has for its password",
  }),
  requestTimeout: seconds({
    flag: "--request-timeout <seconds>",
    env: "CRABKV_REQUEST_TIMEOUT_SECS",
    fallback: 30,
    help: "how long a client of the server has for a request that it began",
  }),
  drainTimeout: seconds({
    flag: "--drain-timeout <seconds>",
    env: "CRABKV_DRAIN_TIMEOUT_SECS",
    fallback: 10,
    help: "how long the server waits at its end for clients to take their replies",
  }),
  lineBytesMax: size({
    flag: "--line-bytes-max <size>",
    env: "CRABKV_LINE_BYTES_MAX",
    fallback: 64 * KIB,
    help: "longest line of text to the server",
    range: [64, MIB],
    rangeText: "64 to 1MiB",
  }),
  authArgumentsMax: setting<number>({
    flag: "--auth-arguments-max <n>",
    env: "CRABKV_AUTH_ARGUMENTS_MAX",
    fallback: 10,
    help: "most words of a request before the password",
    allowed: "an integer from 3 to 1024",
    parse: (text) => integerIn(text, 3, 1024),
  }),
  authBytesMax: size({
    flag: "--auth-bytes-max <size>",
    env: "CRABKV_AUTH_BYTES_MAX",
    fallback: 16 * KIB,
    help: "longest word of such a request",
    range: [64, MIB],
    rangeText: "64 to 1MiB",
  }),
  requestBytesMax: size({
    flag: "--request-bytes-max <size>",
    env: "CRABKV_REQUEST_BYTES_MAX",
    fallback: 64 * MIB,
    help: "largest request to the server",
    range: [64 * KIB, GIB],
    rangeText: "64KiB to 1GiB",
  }),
  replyBytesPause: size({
    flag: "--reply-bytes-pause <size>",
    env: "CRABKV_REPLY_BYTES_PAUSE",
    fallback: MIB,
    help: "replies that wait for a client before the server stops reading from it",
    range: [KIB, GIB],
    rangeText: "1KiB to 1GiB",
  }),
  replyBytesMax: size({
    flag: "--reply-bytes-max <size>",
    env: "CRABKV_REPLY_BYTES_MAX",
    fallback: 64 * MIB,
    help: "largest reply of the server",
    range: [KIB, 4 * GIB],
    rangeText: "1KiB to 4GiB",
  }),
} as const;
