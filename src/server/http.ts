// What those who operate a server ask it over HTTP: is it alive, does it take clients, what does it count. It listens before the
// store is open, and until it is closed.
import { createServer } from "node:http";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Metrics } from "./metrics.js";
import type { Server } from "./server.js";

const CONNECTIONS_MAX = 64;
const REQUEST_MS_MAX = 10_000;

export interface HttpPlace {
  readonly host: string;
  readonly port: number;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const plain = (status: number, line: string): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${line}\n`,
});

export class HttpEndpoint {
  readonly #http: HttpServer;
  readonly #metrics = new Metrics();
  #state: "opening" | "ready" | "draining" = "opening";
  #server: Server | undefined;

  private constructor() {
    this.#http = createServer({ requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX }, this.#onRequest);
    this.#http.maxConnections = CONNECTIONS_MAX;
  }

  /** Rejects with the error of `listen`. */
  static async open({ host, port }: HttpPlace): Promise<HttpEndpoint> {
    const endpoint = new HttpEndpoint();
    await new Promise<void>((resolve, reject) => {
      endpoint.#http.once("error", reject);
      endpoint.#http.listen({ host, port }, () => {
        endpoint.#http.off("error", reject);
        resolve();
      });
    });
    return endpoint;
  }

  get address(): HttpPlace {
    const { address, port } = this.#http.address() as AddressInfo;
    return { host: address, port };
  }

  /** The server listens. */
  ready(server: Server): void {
    this.#server = server;
    this.#metrics.observe(server);
    this.#state = "ready";
  }

  /** It takes no more clients. */
  drains(): void {
    this.#state = "draining";
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeAllConnections();
    });
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    this.#answer(request)
      .catch((error: unknown) => plain(500, (error as Error).message))
      .then(({ status, type, body }) => {
        response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
        response.end(request.method === "HEAD" ? undefined : body);
      })
      .catch(() => response.destroy());
  };

  async #answer({ method, url = "/" }: IncomingMessage): Promise<Answer> {
    if (method !== "GET" && method !== "HEAD") return plain(405, "only GET and HEAD");
    switch (url.split("?", 1)[0]) {
      case "/healthz":
        return this.#health();
      case "/readyz":
        return this.#state === "ready" ? this.#health() : plain(503, this.#state);
      case "/metrics":
        return { status: 200, type: this.#metrics.contentType, body: await this.#metrics.text() };
      default:
        return plain(404, "there are /healthz, /readyz and /metrics");
    }
  }

  /** A store that takes no more writes is opened anew by a restart, so it counts as ill. */
  #health(): Answer {
    const failure = this.#server?.store.failure;
    return failure === undefined ? plain(200, "ok") : plain(503, failure.message);
  }
}
