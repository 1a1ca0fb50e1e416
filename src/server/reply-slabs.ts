// Memory for replies: slabs that all sessions share. What a socket has taken, nearly always at once, leaves its room to later
// replies; what has to wait keeps its slab for as long as it does.
const SLAB_BYTES = 256 * 1024;
const SLAB_ROOM_MIN = 32 * 1024;

/** A slab is kept alive by any reply in it that waits: so much more than its replies a connection may hold. */
export const REPLY_SLACK_BYTES = SLAB_BYTES * 2;

export class ReplySlab {
  readonly buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;
  /** Of what is used: what somebody may still look at. */
  #taken = 0;

  /** Where the next reply goes. */
  get used(): number {
    return this.#used;
  }

  get room(): number {
    return SLAB_BYTES - this.#used;
  }

  /** The reply that lies at `used`. */
  take(length: number): Buffer {
    const begin = this.#used;
    this.#used += length;
    this.#taken += length;
    return this.buffer.subarray(begin, this.#used);
  }

  /** Nobody will look at so much of it any more. */
  giveBack(length: number): void {
    this.#taken -= length;
    if (this.#taken === 0) this.#used = 0;
  }
}

let current = new ReplySlab();
let former: ReplySlab | undefined;

/** The slab for the next replies. */
export function slabWithRoom(): ReplySlab {
  if (current.room >= SLAB_ROOM_MIN) return current;
  const next = former?.used === 0 ? former : new ReplySlab();
  former = current;
  current = next;
  return next;
}

/** The one that was given last. */
export const currentSlab = (): ReplySlab => current;
