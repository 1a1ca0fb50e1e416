// Where an adapter's records live: in a store that the caller has open, or in a directory that the adapter opens at its first
// operation and closes itself. Adapters keep text under text keys, each under a prefix of its own.
import { closedError, describe } from "../errors.js";
import { open } from "../open.js";
import { checkKnown } from "../options.js";
import type { OpenOptions } from "../options.js";
import { Store } from "../store.js";

/** A store as adapters use it: with the default encodings. `valueEncoding: "json"` does as well. */
export type TextStore = Store<string, string>;

const openOptionNames = [
  "sync",
  "compression",
  "shards",
  "cache",
  "writeBack",
  "compaction",
  "segmentBytes",
  "keyBytesMax",
  "valueBytesMax",
  "batchBytesMax",
] as const satisfies readonly (keyof OpenOptions)[];

/** Which store an adapter works on. Exactly one of `store` and `dataDir` has to be there. */
export interface StoreSourceOptions extends Pick<OpenOptions, (typeof openOptionNames)[number]> {
  /**
   * A store that is open already, with keys and values that are text (the default encodings). The adapter never closes it. Then the
   * options of opening one do not apply.
   */
  readonly store?: TextStore | undefined;
  /** Directory of a store that the adapter opens at its first operation, and closes. */
  readonly dataDir?: string | undefined;
}

/** Checks what an adapter was given; `ownNames` are the options that are its own. Throws a `TypeError` that names the option. */
export function checkOptions(given: unknown, ownNames: readonly string[]): void {
  const options = checkKnown(given, new Set(["store", "dataDir", ...openOptionNames, ...ownNames]), "options");
  const { store, dataDir } = options as { store?: unknown; dataDir?: unknown };
  if (store !== undefined && !(store instanceof Store)) {
    throw new TypeError(`store must be an open store, not ${describe(store)}`);
  }
  if (dataDir !== undefined && (typeof dataDir !== "string" || dataDir === "")) {
    throw new TypeError(`dataDir must be a string that is not empty, not ${describe(dataDir)}`);
  }
  if ((store === undefined) === (dataDir === undefined)) {
    throw new TypeError("options must have either store or dataDir");
  }
  if (store === undefined) return;
  const misplaced = openOptionNames.find((name) => (options as StoreSourceOptions)[name] !== undefined);
  if (misplaced !== undefined) throw new TypeError(`${misplaced} is for dataDir; this store is open already`);
}

/** The given text, or what stands for undefined; else a `TypeError`. */
export function textOption(value: unknown, name: string, missing: string): string {
  if (value === undefined) return missing;
  if (typeof value === "string") return value;
  throw new TypeError(`${name} must be a string, not ${describe(value)}`);
}

export class StoreSource {
  readonly #options: StoreSourceOptions;
  #opening: Promise<TextStore> | undefined;
  #closed = false;

  /** `options` have been checked. */
  constructor(options: StoreSourceOptions) {
    this.#options = options;
  }

  /**
   * The store, open. What keeps it from being opened is everybody's error who waits for it; the next call tries again. After
   * `close()` of a store that was opened here: `CRABKV_CLOSED`.
   */
  async use(): Promise<TextStore> {
    const { store, dataDir } = this.#options;
    if (store !== undefined) return store;
    if (this.#closed) throw closedError();
    this.#opening ??= open(dataDir!, pickOpenOptions(this.#options)).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** Closes the store if it was opened here. */
  async close(): Promise<void> {
    if (this.#options.store !== undefined) return;
    this.#closed = true;
    // One that could not be opened has been reported to whoever waited for it.
    const store = await this.#opening?.catch(() => undefined);
    await store?.close();
  }
}

function pickOpenOptions(options: StoreSourceOptions): OpenOptions<"utf8", "utf8"> {
  return Object.fromEntries(openOptionNames.map((name) => [name, options[name]]));
}
