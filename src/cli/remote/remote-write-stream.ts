// Puts into a server as a stream: many under way at a time on one connection, each acknowledged by itself, and no more taken than the
// server keeps up with.
import { Writable } from "node:stream";
import type { PutRecord } from "../../batch.js";
import type { Data } from "../opening.js";

const UNDER_WAY_MAX = 256;
const UNDER_WAY_BYTES_MAX = 16 * 1024 * 1024;
const RECORD_OVERHEAD_BYTES = 64;

type Put = (key: Data, value: Data, options: { readonly ttlMs: number | undefined }) => Promise<void>;
type Callback = (error?: Error | null) => void;

export class RemoteWriteStream extends Writable {
  readonly #put: Put;
  #underWay = 0;
  #underWayBytes = 0;
  /** Acknowledged, all of them before the first that failed. */
  #committed = 0;
  #failure: Error | undefined;
  #resume: Callback | undefined;

  constructor(put: Put) {
    super({ objectMode: true });
    this.#put = put;
  }

  get committed(): number {
    return this.#committed;
  }

  override _write({ key, value, ttlMs }: PutRecord<Data, Data>, _encoding: BufferEncoding, callback: Callback): void {
    const bytes = key.length + value.length + RECORD_OVERHEAD_BYTES;
    this.#underWay++;
    this.#underWayBytes += bytes;
    this.#put(key, value, { ttlMs }).then(
      () => {
        if (this.#failure === undefined) this.#committed++;
        this.#settled(bytes);
      },
      (error: unknown) => {
        this.#failure ??= error as Error;
        this.#settled(bytes);
      },
    );
    if (this.#underWay < UNDER_WAY_MAX && this.#underWayBytes < UNDER_WAY_BYTES_MAX) callback(this.#failure);
    else this.#resume = callback;
  }

  override _final(callback: Callback): void {
    if (this.#underWay === 0) callback(this.#failure);
    else this.#resume = (error) => (error || this.#underWay === 0 ? callback(error) : this._final(callback));
  }

  #settled(bytes: number): void {
    this.#underWay--;
    this.#underWayBytes -= bytes;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.(this.#failure);
  }
}
