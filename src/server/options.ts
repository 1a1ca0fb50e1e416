// What serve() can be told: checks it and fills in defaults.
import { describe } from "../errors.js";
import type { OpenOptions } from "../options.js";
import { checkKnown, flag, integer, resolveTtl } from "../options.js";
import { resolveEndpoints, text } from "./endpoints.js";
import type { Endpoint, EndpointOptions, TlsOptions } from "./endpoints.js";
import { areKeyspaceEventFlags } from "./keyspace-events.js";
import { sessionOf, Store } from "../store.js";

/**
 * How commands that come as lines of text are answered: `"value"` says VALUE and NOT_FOUND, `"bare"` the value alone and nil,
 * `"resp"` what Redis answers to inline commands.
 */
export type TextStyle = "value" | "bare" | "resp";

/** What an own log gets, a line a call: pino's loggers are such. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const storeOptionNames = [
  "sync",
  "compression",
  "shards",
  "cache",
  "compaction",
  "rebalance",
  "segmentBytes",
  "keyBytesMax",
  "valueBytesMax",
  "batchBytesMax",
] as const satisfies readonly (keyof OpenOptions)[];

/** Options of the store that a server opens, as {@link OpenOptions} has them. */
type StoreOptions = Pick<OpenOptions, (typeof storeOptionNames)[number]>;

/** Options of {@link serve}. Unknown ones are a `TypeError`. */
export interface ServeOptions<K = string, V = string> extends StoreOptions {
  /** A store that is open already: it is served, and stays open when the server closes. Then the other store options do not apply. */
  readonly store?: Store<K, V> | undefined;
  /**
   * Directory of the store that the server opens and closes. Default `"data"`. The `crabkv` commands work on it through a
   * Unix socket in it, which only its owner can use, and without a password.
   */
  readonly dataDir?: string | undefined;
  /** Address to listen on. Default `"127.0.0.1"`. One that other machines reach needs `password`, `tls.ca` or `insecure`. */
  readonly host?: string | undefined;
  /** Port, 0 for any that is free. Default 4000. */
  readonly port?: number | undefined;
  /** Whether to listen on `host` and `port` at all. Default true; false needs `tls.port` or `unixSocket`. */
  readonly tcp?: boolean | undefined;
  /** Certificate and key, to speak TLS. Default: none. */
  readonly tls?: TlsOptions | undefined;
  /** Path of a Unix socket to listen on, too. One that a dead server left is replaced. Default: none. */
  readonly unixSocket?: string | undefined;
  /** Its mode. Default 0o600: only this user may connect. */
  readonly unixSocketMode?: number | undefined;
  /** Where SAVE and BGSAVE put the backup of the store, see `Store.backup`. Default: nowhere, and they are refused. */
  readonly backupDir?: string | undefined;
  /** Default `"value"`. */
  readonly textStyle?: TextStyle | undefined;
  /** What is published when keys change, by Redis' letters such as `"KEA"`; CONFIG SET can change it. Default `""`: nothing. */
  readonly notifyKeyspaceEvents?: string | undefined;
  /** Milliseconds until a key that is put without a time to live expires. Default: never. */
  readonly defaultTtlMs?: number | undefined;
  /** What clients have to say first (AUTH). Default: nothing. */
  readonly password?: string | undefined;
  /** Listen on an address that other machines reach, without knowing who they are. Default false: that is a `RangeError`. */
  readonly insecure?: boolean | undefined;
  /** Whether clients may use DEBUG. Default false. */
  readonly enableDebug?: boolean | undefined;
  /** Milliseconds that a client has for its password before its connection is cut. Default 10,000. */
  readonly authTimeoutMs?: number | undefined;
  /** Milliseconds that a client has to send the rest of a request that it began. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Most connections at a time, or fewer if the process may not open so many files. Default 10,000. */
  readonly clientsMax?: number | undefined;
  /**
   * Most bytes that all connections together may hold: requests that are not done with, replies that wait, MULTI, WATCH and subscriptions.
   * Beyond it those that hold the most are closed. Default 1 GiB; not less than 1 MiB.
   */
  readonly clientsBytesMax?: number | undefined;
  /** Most bytes of one unfinished request. Default 64 MiB. */
  readonly requestBytesMax?: number | undefined;
  /** Replies that wait for a client before it is not read from any more. Default 1 MiB. */
  readonly replyBytesPause?: number | undefined;
  /**
   * Most bytes of one reply, and of the values that a command or transaction works with: beyond it the command is answered with an
   * error. A client that is sent so much without reading is cut off. Default 64 MiB; at least what the largest value needs.
   */
  readonly replyBytesMax?: number | undefined;
  /**
   * Port for HTTP on `httpHost`: `/metrics` for Prometheus, `/healthz`, and `/readyz`, which is 503 while the server opens or drains. It
   * tells figures, and no keys or values. Times of commands are taken only with it. Default: none.
   */
  readonly httpPort?: number | undefined;
  /** Default `"127.0.0.1"`. */
  readonly httpHost?: string | undefined;
  /** Most bytes of a line of the text protocol, and of a length in RESP. Default 64 KiB. */
  readonly lineBytesMax?: number | undefined;
  /** Most words of a request before the password. Default 10. */
  readonly authArgumentsMax?: number | undefined;
  /** Most bytes of such a word. Default 16 KiB. */
  readonly authBytesMax?: number | undefined;
  /** How long `close()` waits for clients to take their replies, in milliseconds. Default 10,000. */
  readonly drainMs?: number | undefined;
  /** Told of what happens to the server. Default: nobody is. */
  readonly log?: ServerLog | undefined;
}

/** The options, checked. */
export interface ResolvedServeOptions {
  readonly store: Store<string, string> | undefined;
  readonly dataDir: string;
  readonly open: StoreOptions;
  /** At least one. */
  readonly endpoints: readonly Endpoint[];
  readonly backupDir: string | undefined;
  readonly textStyle: TextStyle;
  readonly notifyKeyspaceEvents: string;
  /** 0: never. */
  readonly defaultTtlMs: number;
  readonly password: string | undefined;
  readonly enableDebug: boolean;
  readonly authTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly clientsMax: number;
  readonly clientsBytesMax: number;
  readonly requestBytesMax: number;
  readonly replyBytesPause: number;
  readonly replyBytesMax: number;
  readonly drainMs: number;
  readonly http: { readonly host: string; readonly port: number } | undefined;
  readonly lineBytesMax: number;
  readonly authArgumentsMax: number;
  readonly authBytesMax: number;
  readonly log: ServerLog | undefined;
}

const optionNames: ReadonlySet<string> = new Set<keyof ServeOptions>([
  ...storeOptionNames,
  "store",
  "dataDir",
  "host",
  "port",
  "tcp",
  "tls",
  "unixSocket",
  "unixSocketMode",
  "backupDir",
  "textStyle",
  "notifyKeyspaceEvents",
  "defaultTtlMs",
  "password",
  "insecure",
  "enableDebug",
  "authTimeoutMs",
  "requestTimeoutMs",
  "clientsMax",
  "clientsBytesMax",
  "requestBytesMax",
  "replyBytesPause",
  "replyBytesMax",
  "drainMs",
  "httpPort",
  "httpHost",
  "lineBytesMax",
  "authArgumentsMax",
  "authBytesMax",
  "log",
]);

const MIB = 1024 * 1024;

/** Checks all of the options of serve(). Throws a TypeError or a RangeError that names the option. */
export function resolveServeOptions(given: unknown): ResolvedServeOptions {
  const options = checkKnown(given, optionNames, "options") as ServeOptions;
  const { store } = options;
  if (store !== undefined && !(store instanceof Store)) {
    throw new TypeError(`store must be an open store, not ${describe(store)}`);
  }
  if (store !== undefined && sessionOf(store).writeBack !== undefined) {
    throw new TypeError("store must be one without writeBack: clients would not see what waits in the buffer");
  }
  const insecure = flag(options.insecure, "insecure", false);
  const password = text(options.password, "password");
  return {
    store,
    dataDir: text(options.dataDir, "dataDir") ?? "data",
    open: Object.fromEntries(storeOptionNames.map((name) => [name, options[name]])),
    endpoints: resolveEndpoints({ ...(options as EndpointOptions), password, insecure }),
    backupDir: text(options.backupDir, "backupDir"),
    textStyle: textStyle(options.textStyle),
    notifyKeyspaceEvents: eventFlags(options.notifyKeyspaceEvents),
    defaultTtlMs: resolveTtl(options.defaultTtlMs, "defaultTtlMs", 0),
    password,
    enableDebug: flag(options.enableDebug, "enableDebug", false),
    authTimeoutMs: integer(options.authTimeoutMs, "authTimeoutMs", 10_000, 1, 3_600_000),
    requestTimeoutMs: integer(options.requestTimeoutMs, "requestTimeoutMs", 30_000, 1, 3_600_000),
    clientsMax: integer(options.clientsMax, "clientsMax", 10_000, 1, 1_000_000),
    clientsBytesMax: integer(options.clientsBytesMax, "clientsBytesMax", 1024 * MIB, MIB, Number.MAX_SAFE_INTEGER),
    requestBytesMax: integer(options.requestBytesMax, "requestBytesMax", 64 * MIB, 64 * 1024, 1024 * MIB),
    replyBytesPause: integer(options.replyBytesPause, "replyBytesPause", MIB, 1024, 1024 * MIB),
    replyBytesMax: integer(options.replyBytesMax, "replyBytesMax", 64 * MIB, 1024, 4096 * MIB),
    drainMs: integer(options.drainMs, "drainMs", 10_000, 0, 3_600_000),
    http: httpOf(options),
    lineBytesMax: integer(options.lineBytesMax, "lineBytesMax", 64 * 1024, 64, MIB),
    authArgumentsMax: integer(options.authArgumentsMax, "authArgumentsMax", 10, 3, 1024),
    authBytesMax: integer(options.authBytesMax, "authBytesMax", 16 * 1024, 64, MIB),
    log: logOf(options.log),
  };
}

function httpOf({ httpHost, httpPort }: ServeOptions): { readonly host: string; readonly port: number } | undefined {
  const host = text(httpHost, "httpHost") ?? "127.0.0.1";
  if (httpPort !== undefined) return { host, port: integer(httpPort, "httpPort", 0, 0, 65_535) };
  if (httpHost !== undefined) throw new TypeError("httpHost must come with httpPort");
  return undefined;
}

function logOf(value: unknown): ServerLog | undefined {
  const methods = value as Partial<Record<keyof ServerLog, unknown>> | null | undefined;
  if (
    methods === undefined ||
    [methods?.debug, methods?.info, methods?.warn, methods?.error].every((each) => typeof each === "function")
  )
    return value as ServerLog | undefined;
  throw new TypeError(
    `log must have the methods debug, info, warn and error, as a logger of pino, not ${describe(value)}`,
  );
}

function eventFlags(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string" && areKeyspaceEventFlags(value)) return value;
  throw new TypeError(`notifyKeyspaceEvents must be letters of Ag$lshzxeKEtmdn, not ${describe(value)}`);
}

function textStyle(value: unknown): TextStyle {
  if (value === undefined) return "value";
  if (value === "value" || value === "bare" || value === "resp") return value;
  throw new TypeError(`textStyle must be "value", "bare" or "resp", not ${describe(value)}`);
}
