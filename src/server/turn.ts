// How much a connection does before others have their turn, and the next turn, while that waits for the client to read.

/**
 * Of replies, in bytes; or 2048 commands that go up: as much as a turn of a native session does. A command that goes up counts as so
 * many bytes.
 */
const REPLY_BYTES_MAX = 512 * 1024;
const UP_BYTES = REPLY_BYTES_MAX / 2048;

export class Turn {
  #bytes = 0;
  #waits: (() => void) | undefined;

  begin(): void {
    this.#bytes = 0;
  }

  addReplies(bytes: number): void {
    this.#bytes += bytes;
  }

  addCommandUp(): void {
    this.#bytes += UP_BYTES;
  }

  get isOver(): boolean {
    return this.#bytes > REPLY_BYTES_MAX;
  }

  /** The next one is after those of others; not before `goOn`, unless the client has read enough. */
  yield(next: () => void, hasRead: boolean): void {
    if (hasRead) setImmediate(next);
    else this.#waits = next;
  }

  /** The client has read enough. */
  goOn(): void {
    if (this.#waits === undefined) return;
    setImmediate(this.#waits);
    this.#waits = undefined;
  }
}
