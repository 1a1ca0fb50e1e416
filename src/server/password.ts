// The server's one password. It is compared in constant time, whatever its length, and failures are answered late.
import { createHash, timingSafeEqual } from "node:crypto";

const DELAY_MS = 100;
const DELAY_MS_MAX = 2000;

const digestOf = (bytes: string | Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

export class Password {
  readonly #digest: Buffer;

  constructor(password: string) {
    this.#digest = digestOf(password);
  }

  matches(given: Uint8Array): boolean {
    return timingSafeEqual(this.#digest, digestOf(given));
  }
}

/** How long a connection waits for the answer to its next wrong password. */
export function delayAfter(failures: number): number {
  return Math.min(DELAY_MS_MAX, DELAY_MS * 2 ** Math.min(failures, 10));
}
