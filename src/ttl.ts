// The active expiry cycle: finds keys whose deadline has passed, has the core delete them through the log, and tells the store,
// which tells its listeners. Reads hide an expired key by themselves; this gives its memory back and says so. Bounded a turn in
// keys, so that neither the event loop nor the writers notice; its timer does not keep the process alive.
import type { Commits } from "./commits.js";
import type { CrabKVError } from "./errors.js";
import { native } from "./native.js";
import type { Handle } from "./native.js";

/** Keys that one turn removes: on a reader thread, in small batches, a few milliseconds' work together. */
const TURN_KEYS_MAX = 4096;
/** How soon after its deadline a key goes, at best and at worst, when there is time. */
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 250;

/** What the cycle needs of its store. */
export interface ExpirySession {
  readonly handle: Handle;
  readonly acknowledgements: Commits;
  /** False: nothing is removed for now. */
  readonly activeExpiry: boolean;
  /** Removed so far. */
  expiredKeys: number;
}

export class ExpiryCycle {
  readonly #session: ExpirySession;
  readonly #onExpired: (chunk: ArrayBuffer) => void;
  readonly #onTrouble: (error: Error) => void;
  #troubled = false;
  /** A damaged record that was told of: its key is due for ever, while turns for others succeed. */
  #damage: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #turn: Promise<void> | undefined;

  constructor(session: ExpirySession, onExpired: (chunk: ArrayBuffer) => void, onTrouble: (error: Error) => void) {
    this.#session = session;
    this.#onExpired = onExpired;
    this.#onTrouble = onTrouble;
    this.#schedule();
  }

  /** Ends the cycle; resolves when the turn under way, if any, is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  // A function, because it changes while a turn awaits.
  #isStopped(): boolean {
    return this.#stopped;
  }

  #schedule(): void {
    if (this.#stopped) return;
    // The next deadline may be of a key that another thread puts meanwhile, hence the upper bound.
    const leftMs = Math.min(Math.max(native.nextDeadline(this.#session.handle), PAUSE_MS_MIN), PAUSE_MS_MAX);
    this.#timer = setTimeout(this.#wake, leftMs);
    this.#timer.unref();
  }

  readonly #wake = (): void => {
    if (this.#stopped) return;
    if (!this.#session.activeExpiry || native.nextDeadline(this.#session.handle) > 0) {
      this.#schedule();
      return;
    }
    this.#turn = this.#removeAll().finally(() => {
      this.#turn = undefined;
      this.#schedule();
    });
  };

  /** Turn after turn until nothing is due. */
  async #removeAll(): Promise<void> {
    for (let more = true; more && !this.#stopped;) {
      const arrived = this.#session.acknowledgements.late();
      try {
        const [chunk, removed, others, group] = await native.removeExpired(this.#session.handle, TURN_KEYS_MAX);
        more = others;
        await this.#session.acknowledgements.own(group, group, undefined);
        this.#troubled = false;
        this.#session.expiredKeys += removed;
        if (removed > 0) this.#onExpired(chunk);
      } catch (error) {
        // A full disk, a failed store or a damaged record: the keys stay hidden, and the next cycle tries again.
        more = false;
        const { code, message } = error as CrabKVError;
        const isKnown = this.#troubled || message === this.#damage;
        if (!isKnown && !this.#isStopped()) this.#onTrouble(error as Error);
        this.#troubled = true; // told once, until a turn succeeds
        if (code === "CRABKV_CORRUPTION") this.#damage = message;
      } finally {
        arrived();
      }
    }
  }
}

/** The keys of a turn. */
export function keysOf(chunk: ArrayBuffer): Buffer[] {
  const bytes = Buffer.from(chunk);
  const keys: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    keys.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return keys;
}
