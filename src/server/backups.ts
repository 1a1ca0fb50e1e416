// The backups that clients ask for, with SAVE and BGSAVE: one at a time, all into the directory that the server was given.
import type { Store } from "../store.js";

export class RequestedBackups {
  readonly #store: Pick<Store<string, string>, "backup">;
  readonly #giveUp = new AbortController();
  readonly directory: string | undefined;
  inProgress = false;
  /** How the last one ended. */
  lastFailed = false;
  /** When the last one that went well was done, in ms since 1970. */
  lastSavedAtMs: number | undefined;

  constructor(store: Pick<Store<string, string>, "backup">, directory: string | undefined) {
    this.#store = store;
    this.directory = directory;
  }

  /** REQUIRES: a directory, and none in progress. Resolves when the backup is whole and durable. */
  async run(): Promise<void> {
    this.inProgress = true;
    try {
      await this.#store.backup(this.directory!, { signal: this.#giveUp.signal });
      this.lastFailed = false;
      this.lastSavedAtMs = Date.now();
    } catch (error) {
      this.lastFailed = true;
      throw error;
    } finally {
      this.inProgress = false;
    }
  }

  /** Gives up the one under way and refuses more, when the server closes. */
  end(): void {
    this.#giveUp.abort(new Error("the server is closing"));
  }
}
