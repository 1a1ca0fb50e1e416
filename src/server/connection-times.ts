// When a connection did what, and what has become too long since.
import type { ResolvedServeOptions } from "./options.js";

/** After so long without a request, what is kept for the next one is given back. */
const QUIET_MS = 1000;

/** What a connection is at: bits of it are timed. */
interface Doing {
  readonly authenticated: boolean;
  /** A command waits for something. */
  readonly parked: boolean;
  /** Its end has been written. */
  readonly ended: boolean;
}

export class ConnectionTimes {
  readonly createdAtMs = Date.now();
  lastActiveMs = this.createdAtMs;
  /** When the request began that has not come in full; 0 for none. */
  #midwaySinceMs = 0;
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

  /** Whether it has taken too long over its password, over a request or over its own end. */
  isLate(nowMs: number, options: ResolvedServeOptions, { authenticated, parked, ended }: Doing): boolean {
    const { authTimeoutMs, requestTimeoutMs } = options;
    const midway = !parked && this.#midwaySinceMs !== 0 && nowMs - this.#midwaySinceMs > requestTimeoutMs;
    const lingers = ended && nowMs - this.lastActiveMs > requestTimeoutMs;
    return midway || lingers || (!authenticated && nowMs - this.createdAtMs > authTimeoutMs);
  }

  /** True once, each time that it says nothing for a while. */
  becameQuiet(nowMs: number): boolean {
    if (this.#quiet || nowMs - this.lastActiveMs <= QUIET_MS) return false;
    return (this.#quiet = true);
  }
}
