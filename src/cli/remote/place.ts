// Which server `crabkv cli` is to talk to, from its flags.
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import type { Command } from "commander";
import { FailureError, UsageError } from "../outcome.js";
import { parseAddress } from "../setting-kinds.js";
import type { ServerPlace } from "./connect.js";

export interface PlaceFlags {
  readonly addr?: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export function addPlaceFlags(command: Command): void {
  command
    .option("--addr <address>", "talk to a server, CrabKV's or Redis: host:port, or unix:path")
    .option("--tls", "talk TLS to it")
    .option("--tls-ca <file>", "authorities in PEM that its certificate may come from; default: the system's")
    .option("--tls-cert <file>", "certificate in PEM to show to it")
    .option("--tls-key <file>", "the key of that certificate");
}

/** Undefined when none is named. */
export function placeFrom({ addr, tls, tlsCa, tlsCert, tlsKey }: PlaceFlags): ServerPlace | undefined {
  const withTls = tls === true || tlsCa !== undefined || tlsCert !== undefined || tlsKey !== undefined;
  if (addr === undefined) {
    if (withTls) throw new UsageError("--tls is for a server: --addr says which");
    return undefined;
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new UsageError("--tls-cert and --tls-key go together");
  const secure = withTls ? { tls: tlsOptionsOf(tlsCa, tlsCert, tlsKey) } : {};
  if (addr.startsWith("unix:") && addr.length > 5) return { name: addr, path: addr.slice(5), ...secure };
  const address = parseAddress(addr);
  if (address !== undefined) return { name: addr, ...address, ...secure };
  throw new UsageError(`--addr is ${JSON.stringify(addr)}; it must be host:port, or unix: and a path`);
}

function tlsOptionsOf(ca: string | undefined, cert: string | undefined, key: string | undefined): ConnectionOptions {
  const content = (flag: string, file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new FailureError(`${flag}: ${(cause as Error).message}`, { cause });
    }
  };
  return {
    ...(ca !== undefined && { ca: content("--tls-ca", ca) }),
    ...(cert !== undefined && { cert: content("--tls-cert", cert) }),
    ...(key !== undefined && { key: content("--tls-key", key) }),
  };
}
