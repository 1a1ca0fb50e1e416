// When a connection did what, and what has become too long since.
import type { ResolvedServeOptions } from "./options.js";

/** After so long without a request, what is kept for the next one is given back. */
const QUIET_MS = 1000;

/** What a connection is at: bits of it are timed. */
interface Doing {
  readonly authenticated: boolean;
  /** The server takes what the client says. */
  readonly reads: boolean;
  /** What has been sent and not been taken, in bytes, or a measure of it that changes whenever something is. */
  readonly untaken: number;
}

export class ConnectionTimes {
  readonly createdAtMs = Date.now();
  lastActiveMs = this.createdAtMs;
  /** When the request began that has not come in full, or was read on after a pause; 0 for none. */
  #midwaySinceMs = 0;
  /** Since when it is to say its password. */
  #askedSinceMs = this.createdAtMs;
  /** When its end was written, or the client has taken something since; 0 before. */
  #endedSinceMs = 0;
  #untaken = 0;
  #quiet = false;

  /** It has said something. */
  isActive(): void {
    this.lastActiveMs = Date.now();
    this.#quiet = false;
  }

  /** Whether a request has begun that is not there in full, and whether one before it has been answered. */
  setMidway(midway: boolean, replied: boolean): void {
    if (!midway) this.#midwaySinceMs = 0;
    else if (this.#midwaySinceMs === 0 || replied) this.#midwaySinceMs = this.lastActiveMs;
  }

  /** After a pause it is read from again: that was not the client's time. */
  readsAgain(): void {
    if (this.#midwaySinceMs !== 0) this.#midwaySinceMs = Date.now();
  }

  /** It has said its password, and has to say it again. */
  isAskedAgain(): void {
    this.#askedSinceMs = Date.now();
  }

  /** Its end has been written, behind what the client has yet to take. */
  hasEnded(): void {
    this.#endedSinceMs = Date.now();
  }

  /** Whether it has taken too long over its password, over a request or over its own end. */
  isLate(nowMs: number, options: ResolvedServeOptions, { authenticated, reads, untaken }: Doing): boolean {
    const { authTimeoutMs, requestTimeoutMs } = options;
    if (this.#endedSinceMs !== 0 && untaken !== this.#untaken) this.#endedSinceMs = nowMs;
    this.#untaken = untaken;
    const midway = reads && this.#midwaySinceMs !== 0 && nowMs - this.#midwaySinceMs > requestTimeoutMs;
    const lingers = this.#endedSinceMs !== 0 && nowMs - this.#endedSinceMs > requestTimeoutMs;
    return midway || lingers || (!authenticated && nowMs - this.#askedSinceMs > authTimeoutMs);
  }

  /** True once, each time that it says nothing for a while. */
  becameQuiet(nowMs: number): boolean {
    if (this.#quiet || nowMs - this.lastActiveMs <= QUIET_MS) return false;
    return (this.#quiet = true);
  }
}
