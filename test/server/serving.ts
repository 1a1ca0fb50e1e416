// A server for a test, and clients that say bytes and collect the answers.
import { connect } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { serve } from "../../src/server/index.js";
import type { ServeOptions, Server } from "../../src/server/index.js";
import { temporaryDirectory } from "../temporary.js";

/** A server on a free port, on a store of its own unless one is given; closed after the test. */
export async function temporaryServer(options?: ServeOptions): Promise<Server> {
  const own = options?.store === undefined ? { dataDir: join(temporaryDirectory(), "data"), sync: "os" as const } : {};
  const server = await serve({ port: 0, ...own, ...options });
  onTestFinished(() => server.close().catch(() => undefined));
  return server;
}

/** A connection that collects what it is answered. */
export class Client {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  ended = false;
  #wake: (() => void) | undefined;

  /** On a port of this machine, the path of a Unix socket, or a connection that is there (TLS). */
  constructor(where: number | string | Socket) {
    if (typeof where === "number") this.socket = connect(where, "127.0.0.1");
    else this.socket = typeof where === "string" ? connect({ path: where }) : where;
    this.socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    const end = (): void => {
      this.ended = true;
      this.#wake?.();
    };
    this.socket.on("end", end);
    this.socket.on("close", end);
    this.socket.on("error", () => undefined);
    onTestFinished(() => {
      this.socket.destroy();
    });
  }

  get received(): string {
    return this.#received.toString("latin1");
  }

  say(text: string | Uint8Array): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  /** Waits for exactly these bytes, or for as many of others; takes them. */
  async expectReply(expected: string): Promise<string> {
    while (this.received.length < expected.length && !this.ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const got = this.received.slice(0, expected.length);
    this.#received = this.#received.subarray(expected.length);
    return got;
  }

  /** Waits for something, or the end; takes what is there. */
  async receive(): Promise<string> {
    while (this.#received.length === 0 && !this.ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    const got = this.received;
    this.#received = Buffer.alloc(0);
    return got;
  }

  /** Waits until the server has closed; answers with everything that is left. */
  async untilEnded(): Promise<string> {
    while (!this.ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.received;
  }
}

/** A request in RESP. */
export function request(...words: (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => {
    const bytes = typeof word === "string" ? Buffer.from(word) : word;
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")];
  });
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}
