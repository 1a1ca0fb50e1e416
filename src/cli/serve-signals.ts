// What signals do to `crabkv serve`, from its first moment to its last.
import type { Server, ServerLog, TlsOptions } from "../server/index.js";
import { EXIT_DONE, EXIT_FAILURE } from "./outcome.js";

export class ServeSignals {
  readonly #log: ServerLog;
  readonly #readTls: (() => TlsOptions) | undefined;
  #server: Server | undefined;
  #ending = false;
  #reloads = false;

  /** `readTls`: reads certificate and key from their files again; undefined where there is no TLS. */
  constructor(log: ServerLog, readTls: (() => TlsOptions) | undefined) {
    this.#log = log;
    this.#readTls = readTls;
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => this.#end(signal));
    process.on("SIGHUP", () => (readTls === undefined ? this.#end("SIGHUP") : this.#reload()));
  }

  /** The store is open, and clients may come. */
  serves(server: Server): void {
    this.#server = server;
    if (this.#reloads) this.#reload();
  }

  /** The first signal drains: what was accepted is answered and synced. The second one ends the process at once. */
  #end(signal: NodeJS.Signals): void {
    if (this.#ending) process.exit(EXIT_FAILURE);
    this.#ending = true;
    if (this.#server === undefined) {
      // Nobody was promised anything yet, and an opening may be cut off anywhere.
      this.#log.info({ signal }, "ends before the store is open");
      process.exit(EXIT_DONE);
    }
    this.#log.info({ signal }, "finishing what was begun; a second signal ends at once");
    this.#server.close().catch(() => undefined);
  }

  #reload(): void {
    this.#reloads = this.#server === undefined;
    if (this.#server === undefined) return;
    try {
      this.#server.setTls(this.#readTls!());
    } catch (error) {
      this.#log.error({ err: error }, "the new certificate cannot be used; the one before stays");
    }
  }
}
