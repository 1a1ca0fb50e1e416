// Where a server listens, from options: checks them.
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { describe } from "../errors.js";
import { checkKnown, flag, integer } from "../options.js";
import { isLoopback } from "./loopback.js";

/** How a server speaks TLS. */
export interface TlsOptions {
  /** The server's certificate in PEM, and behind it those that lead to its authority. */
  readonly cert: string | Uint8Array;
  /** The certificate's key in PEM, not encrypted. */
  readonly key: string | Uint8Array;
  /** Authorities in PEM: clients must show a certificate that one of them signed. Default: clients need none. */
  readonly ca?: string | Uint8Array | undefined;
  /** A port for TLS beside the plain one, 0 for any that is free. Default: the server's `port` speaks TLS, and nothing else. */
  readonly port?: number | undefined;
  /** Address for that port. Default: the server's `host`. */
  readonly host?: string | undefined;
}

/** The options that say where to listen; see ServeOptions. */
export interface EndpointOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly tcp?: boolean | undefined;
  readonly tls?: TlsOptions | undefined;
  readonly unixSocket?: string | undefined;
  readonly unixSocketMode?: number | undefined;
  readonly password?: string | undefined;
  readonly insecure?: boolean | undefined;
}

export interface TlsCredentials {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
}

export type Endpoint =
  | { readonly transport: "tcp"; readonly host: string; readonly port: number }
  | { readonly transport: "tls"; readonly host: string; readonly port: number; readonly tls: TlsCredentials }
  | { readonly transport: "unix"; readonly path: string; readonly mode: number };

const tlsNames: ReadonlySet<string> = new Set<keyof TlsOptions>(["cert", "key", "ca", "port", "host"]);

/** Throws a TypeError or a RangeError that names the option. */
export function resolveEndpoints(options: EndpointOptions): readonly Endpoint[] {
  const host = text(options.host, "host") ?? "127.0.0.1";
  const port = integer(options.port, "port", 4000, 0, 65_535);
  const endpoints: Endpoint[] = [];
  const own = tlsEndpoint(options.tls, host, port);
  if (flag(options.tcp, "tcp", true)) {
    // A certificate without a port of its own is for the one that there is: who asks for TLS does not mean to do without.
    endpoints.push(own?.onPort === false ? own.endpoint : { transport: "tcp", host, port });
  }
  if (own?.onPort === true) endpoints.push(own.endpoint);
  const path = text(options.unixSocket, "unixSocket");
  if (path?.includes("\0") === true) throw new TypeError("unixSocket must be a path without a NUL");
  const mode = integer(options.unixSocketMode, "unixSocketMode", 0o600, 0, 0o777);
  if (path !== undefined) endpoints.push({ transport: "unix", path, mode });
  if (endpoints.length === 0) throw new RangeError("tcp is false: set tls.port or unixSocket, to listen somewhere");
  checkReach(endpoints, options);
  return endpoints;
}

function checkReach(endpoints: readonly Endpoint[], { password, insecure }: EndpointOptions): void {
  if (password !== undefined || insecure === true) return;
  for (const endpoint of endpoints) {
    // Client certificates say who somebody is, as a password would; on a Unix socket its mode decides.
    if (endpoint.transport === "unix" || (endpoint.transport === "tls" && endpoint.tls.ca !== undefined)) continue;
    if (isLoopback(endpoint.host)) continue;
    throw new RangeError(
      `host ${endpoint.host} can be reached by other machines: set a password, or insecure to do without`,
    );
  }
}

/** New credentials in place of old ones, checked as those were. */
export function renewedCredentials(given: unknown, before: TlsCredentials): TlsCredentials {
  const renewed = credentials(checkKnown(given, tlsNames, "tls"));
  if ((renewed.ca === undefined) === (before.ca === undefined)) return renewed;
  throw new RangeError("tls.ca cannot come or go while the server listens: whether clients show certificates stays");
}

function tlsEndpoint(
  given: unknown,
  host: string,
  port: number,
): { readonly endpoint: Endpoint; readonly onPort: boolean } | undefined {
  if (given === undefined) return undefined;
  const options = checkKnown(given, tlsNames, "tls") as Partial<TlsOptions>;
  const tls = credentials(options);
  const own = {
    host: text(options.host, "tls.host") ?? host,
    port: integer(options.port, "tls.port", port, 0, 65_535),
  };
  const onPort = options.port !== undefined;
  if (!onPort && options.host !== undefined) throw new TypeError("tls.host must come with tls.port");
  return { endpoint: { transport: "tls", ...own, tls }, onPort };
}

/** What is wrong is said here, by its name; OpenSSL would only say what it had expected. */
function credentials({ cert, key, ca }: Partial<TlsOptions>): TlsCredentials {
  const pems = { cert: pem(cert, "tls.cert"), key: pem(key, "tls.key"), ca: ca === undefined ? ca : pem(ca, "tls.ca") };
  const certificate = parsed("tls.cert", "a certificate in PEM", () => new X509Certificate(pems.cert));
  const privateKey: KeyObject = parsed("tls.key", "a private key in PEM that is not encrypted", () =>
    createPrivateKey(pems.key),
  );
  if (!certificate.checkPrivateKey(privateKey)) throw new RangeError("tls.key is not the key of tls.cert");
  const { ca: authorities } = pems;
  if (authorities !== undefined) parsed("tls.ca", "a certificate in PEM", () => new X509Certificate(authorities));
  return pems;
}

function parsed<T>(name: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new RangeError(`${name} must be ${what}: ${(cause as Error).message}`, { cause });
  }
}

function pem(value: unknown, name: string): Buffer {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError(`${name} must be text in PEM (a string or bytes), not ${describe(value)}`);
}

/** Undefined when it is not given. */
export function text(value: unknown, name: string): string | undefined {
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw new TypeError(`${name} must be a string that is not empty, not ${describe(value)}`);
}
