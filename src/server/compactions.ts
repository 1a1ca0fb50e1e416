// The compactions that clients ask for: at most one under way and one behind it, however many ask.
import type { CompactionReport } from "../native.js";
import type { Store } from "../store.js";

export class RequestedCompactions {
  readonly #store: Pick<Store<string, string>, "compact" | "stats">;
  readonly #giveUp = new AbortController();
  #running: Promise<CompactionReport> | undefined;
  #next: Promise<CompactionReport> | undefined;
  /** How the last one ended. */
  lastFailed = false;

  constructor(store: Pick<Store<string, string>, "compact" | "stats">) {
    this.#store = store;
  }

  /** Whether there is one under way, asked for or not. */
  get inProgress(): boolean {
    return this.#running !== undefined || this.#store.stats().compacting;
  }

  /** Resolves when all that was dead at the call is compacted. */
  run(): Promise<CompactionReport> {
    if (this.#running === undefined) return this.#start();
    // The one under way may have passed what died meanwhile: those who ask now share the next one.
    this.#next ??= this.#running.then(this.#startNext, this.#startNext);
    return this.#next;
  }

  /** Gives up those under way and refuses more, when the server closes. */
  end(): void {
    this.#giveUp.abort(new Error("the server is closing"));
  }

  readonly #startNext = (): Promise<CompactionReport> => {
    this.#next = undefined;
    return this.#start();
  };

  #start(): Promise<CompactionReport> {
    const running = this.#compact().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #compact(): Promise<CompactionReport> {
    try {
      const report = await this.#store.compact({ signal: this.#giveUp.signal });
      this.lastFailed = false;
      return report;
    } catch (error) {
      this.lastFailed = true;
      throw error;
    }
  }
}
