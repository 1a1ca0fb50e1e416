// Reads RESP2 replies off a socket, each as its bytes.
import { connect } from "node:net";
import type { Socket } from "node:net";
import { onTestFinished } from "vitest";

export class ReplyReader {
  readonly socket: Socket;
  #bytes = "";
  #at = 0;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (chunk) => {
      this.#bytes = this.#bytes.slice(this.#at) + chunk.toString("latin1");
      this.#at = 0;
      this.#wake?.();
    });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
    onTestFinished(() => void this.socket.destroy());
  }

  /** The next reply; "(closed)" when there is none any more. */
  async next(): Promise<string> {
    for (;;) {
      const end = this.#endOf(this.#at);
      if (end !== -1) {
        const reply = this.#bytes.slice(this.#at, end);
        this.#at = end;
        return reply;
      }
      if (this.#ended) return "(closed)";
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #endOf(begin: number): number {
    const line = this.#bytes.indexOf("\r\n", begin);
    if (line === -1) return -1;
    const number = Number(this.#bytes.slice(begin + 1, line));
    let end = line + 2;
    if (this.#bytes[begin] === "$" && number >= 0) end += number + 2;
    for (let i = 0; this.#bytes[begin] === "*" && i < number; i++) {
      end = this.#endOf(end);
      if (end === -1) return -1;
    }
    return end <= this.#bytes.length ? end : -1;
  }
}
