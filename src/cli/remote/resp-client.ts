// A connection to a server that speaks RESP2: requests go out in order, replies come back in order.
import type { Socket } from "node:net";
import Parser from "redis-parser";
import type { Data } from "../opening.js";
import { FailureError } from "../outcome.js";

/** Status lines and bulk strings are both bytes; errors are what the server answered. */
export type RespReply = Buffer | number | null | Error | readonly RespReply[];

interface Waiting {
  readonly resolve: (reply: RespReply) => void;
  readonly reject: (error: Error) => void;
}

export class RespClient {
  readonly #socket: Socket;
  readonly #where: string;
  #waiting: Waiting[] = [];
  #failure: Error | undefined;

  /** `socket` is connected; `where` is how messages name the server. */
  constructor(socket: Socket, where: string) {
    this.#socket = socket;
    this.#where = where;
    const parser = new Parser({
      returnBuffers: true,
      returnReply: (reply: RespReply) => this.#answer(reply),
      returnError: (error: Error) => this.#answer(error),
      returnFatalError: () => this.#fail(new FailureError(`${where} answers, but not as a Redis server does`)),
    });
    socket.on("data", (chunk) => parser.execute(chunk));
    socket.on("error", (cause) => this.#fail(new FailureError(`${where}: ${cause.message}`, { cause })));
    socket.on("close", () => this.#fail(new FailureError(`${where} has closed the connection`)));
  }

  get isClosed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves with the reply, an error included; rejects with a FailureError when none can come any more. */
  call(...words: Data[]): Promise<RespReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#socket.write(encodeRequest(words));
    });
  }

  close(): void {
    this.#fail(new FailureError("the connection was closed"));
  }

  #answer(reply: RespReply): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting.resolve(reply);
    // Said unasked for, before it closes: why nobody is let in.
    else if (reply instanceof Error) this.#fail(new FailureError(`${this.#where}: ${reply.message}`));
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }
}

function encodeRequest(words: readonly Data[]): Buffer {
  const parts = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.from(word as string);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}
