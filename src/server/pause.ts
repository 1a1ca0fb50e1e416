// CLIENT PAUSE: for how long commands wait, all of them or those that write. The sessions look at what is set natively.
import { native, PAUSE_NOTHING } from "../native.js";
import type { Paused } from "../native.js";
import type { Session } from "../session.js";

const TIMER_MS_MAX = 2 ** 31 - 1;

export class Pause {
  readonly #session: Session;
  readonly #nativeServer: number;
  readonly #over: () => void;
  #what: Paused = PAUSE_NOTHING;
  #untilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `over`: is told whenever a pause has ended. */
  constructor(session: Session, nativeServer: number, over: () => void) {
    this.#session = session;
    this.#nativeServer = nativeServer;
    this.#over = over;
  }

  /** Added to a pause that is on. */
  add(what: Paused, ms: number): void {
    this.#what = Math.max(this.#what, what) as Paused;
    this.#untilMs = Math.max(this.#untilMs, Date.now() + ms);
    native.serverPause(this.#session.handle, this.#nativeServer, this.#what);
    this.#check();
  }

  // A timer takes no more than 25 days.
  #check(): void {
    const leftMs = this.#untilMs - Date.now();
    clearTimeout(this.#timer);
    if (leftMs <= 0) this.end();
    else this.#timer = setTimeout(() => this.#check(), Math.min(leftMs, TIMER_MS_MAX)).unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#what = PAUSE_NOTHING;
    this.#untilMs = 0;
    // Who uses the store in this process may have closed it.
    if (this.#session.handle !== 0) native.serverPause(this.#session.handle, this.#nativeServer, PAUSE_NOTHING);
    this.#over();
  }
}
