// serve(): from options to a listening server.
import { open } from "../open.js";
import { resolveServeOptions } from "./options.js";
import type { ServeOptions } from "./options.js";
import { Server } from "./server.js";

/**
 * Serves a store over TCP, TLS or a Unix socket, RESP and text at each: `await serve({ dataDir: "data" })`, or `serve({ store })` for one that this
 * process has open. Clients and this process see each other's writes at once.
 *
 * @throws (rejects) `TypeError` or `RangeError` naming a wrong option; what `open()` rejects with; the error of `listen` (`EADDRINUSE`).
 */
export async function serve<K = string, V = string>(options?: ServeOptions<K, V>): Promise<Server> {
  const resolved = resolveServeOptions(options);
  const store = resolved.store ?? (await open(resolved.dataDir, resolved.open));
  const server = new Server(store, resolved);
  try {
    await server.listen();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}
