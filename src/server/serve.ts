// serve(): from options to a listening server.
import { open } from "../open.js";
import type { HttpEndpoint } from "./http.js";
import { resolveServeOptions } from "./options.js";
import type { ResolvedServeOptions, ServeOptions } from "./options.js";
import { Server } from "./server.js";

/**
 * Serves a store over TCP, TLS or a Unix socket, RESP and text at each: `await serve({ dataDir: "data" })`, or `serve({ store })` for one that this
 * process has open. Clients and this process see each other's writes at once.
 *
 * @throws (rejects) `TypeError` or `RangeError` naming a wrong option; what `open()` rejects with; the error of `listen` (`EADDRINUSE`).
 */
export async function serve<K = string, V = string>(options?: ServeOptions<K, V>): Promise<Server> {
  const resolved = resolveServeOptions(options);
  // It answers while the store opens, which may take long; its library is loaded only by those who want it.
  const http = resolved.http && (await (await import("./http.js")).HttpEndpoint.open(resolved.http));
  const server = await openServer(resolved, http).catch(async (error: unknown) => {
    await http?.close();
    throw error;
  });
  try {
    await server.listen();
  } catch (error) {
    await server.close();
    throw error;
  }
  http?.ready(server);
  return server;
}

async function openServer(resolved: ResolvedServeOptions, http: HttpEndpoint | undefined): Promise<Server> {
  const { log, dataDir } = resolved;
  const sinceMs = performance.now();
  const store = resolved.store ?? (await open(dataDir, resolved.open));
  const { keys, segments, cleanOpen } = store.stats();
  const tookMs = Math.round(performance.now() - sinceMs);
  log?.info({ dataDir, keys, segments, cleanOpen, tookMs }, "the store is open");
  try {
    return new Server(store, resolved, http);
  } catch (error) {
    if (resolved.store === undefined) await store.close();
    throw error;
  }
}
