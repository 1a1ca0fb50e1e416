// One place where a server listens: TCP, TLS or a Unix socket. They differ in how a connection comes about; what comes of it
// is a stream of bytes like any other.
import { createServer } from "node:net";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Server as TlsServer } from "node:tls";
import { addressOf } from "./commands/shared.js";
import { renewedCredentials } from "./endpoints.js";
import type { Endpoint, TlsCredentials, TlsOptions } from "./endpoints.js";
import { withSharedReads } from "./shared-reads.js";
import { listenOnSocket, reachSocket } from "./unix-socket.js";
import type { ReachedSocket } from "./unix-socket.js";

const BACKLOG = 511;

/** Where a server listens. */
export type ListeningAddress =
  | { readonly transport: "tcp" | "tls"; readonly host: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

export interface ListenerHost {
  /** A client is there; for TLS, it has shaken hands. */
  onSocket(socket: Socket, listener: Listener): void;
  /** Whether one more may begin to shake hands, besides so many that do. */
  mayShakeHands(handshakes: number): boolean;
  readonly handshakeTimeoutMs: number;
}

export class Listener {
  readonly #net: NetServer;
  /** The same, where it speaks TLS. */
  readonly #tls: Pick<TlsServer, "setSecureContext"> | undefined;
  /** By their addresses: those who are no clients yet, and have a file open all the same. */
  readonly #handshaking = new Map<string, Socket>();
  #reached: ReachedSocket | undefined;

  private constructor(
    private readonly endpoint: Endpoint,
    /** Whether its clients need no password: only the store's owner can reach it. */
    readonly trusted: boolean,
    host: ListenerHost,
  ) {
    const onSocket = (socket: Socket): void => host.onSocket(socket, this);
    if (endpoint.transport === "tls") {
      this.#net = this.#tls = createTlsListener(endpoint.tls, host, this.#handshaking, onSocket);
    } else {
      this.#net = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
        onSocket(withSharedReads(socket));
      });
    }
  }

  /** Rejects with the error of `listen`. */
  static async open(endpoint: Endpoint, host: ListenerHost, trusted = false): Promise<Listener> {
    const listener = new Listener(endpoint, trusted, host);
    await listener.#listen();
    return listener;
  }

  /** Of a Unix socket. */
  get path(): string | undefined {
    return this.endpoint.transport === "unix" ? this.endpoint.path : undefined;
  }

  get address(): ListeningAddress {
    const { endpoint } = this;
    if (endpoint.transport === "unix") return { transport: "unix", path: endpoint.path };
    const { address, port } = this.#net.address() as AddressInfo;
    return { transport: endpoint.transport, host: address, port };
  }

  /** Who shakes hands from now on sees this certificate. Does nothing where there is no TLS. */
  setTls(given: TlsOptions): void {
    if (this.endpoint.transport !== "tls") return;
    this.#tls?.setSecureContext(contextOf(renewedCredentials(given, this.endpoint.tls)));
  }

  /** Takes no more clients from this call on, and removes a Unix socket within it. Resolves when the last client has gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#net.close(() => {
        this.#reached?.release();
        this.#reached = undefined;
        resolve();
      });
      for (const socket of this.#handshaking.values()) socket.destroy();
    });
  }

  async #listen(): Promise<void> {
    const { endpoint } = this;
    if (endpoint.transport !== "unix") {
      await new Promise<void>((resolve, reject) => {
        this.#net.once("error", reject);
        this.#net.listen({ host: endpoint.host, port: endpoint.port, backlog: BACKLOG }, () => {
          this.#net.off("error", reject);
          resolve();
        });
      });
      return;
    }
    const reached = reachSocket(endpoint.path);
    try {
      await listenOnSocket(this.#net, reached, endpoint.mode);
    } catch (error) {
      reached.release();
      throw error;
    }
    this.#reached = reached;
  }
}

const contextOf = ({ cert, key, ca }: TlsCredentials) => ({ cert, key, ca, minVersion: "TLSv1.2" }) as const;

function createTlsListener(
  credentials: TlsCredentials,
  host: ListenerHost,
  handshaking: Map<string, Socket>,
  onSocket: (socket: Socket) => void,
): TlsServer {
  const mutual = credentials.ca !== undefined;
  const server = createTlsServer(
    {
      ...contextOf(credentials),
      ...{ requestCert: mutual, rejectUnauthorized: mutual },
      handshakeTimeout: host.handshakeTimeoutMs,
      ...{ noDelay: true, allowHalfOpen: true },
    },
    onSocket,
  );
  server.prependListener("connection", (socket: Socket) => {
    const address = addressOf(socket.remoteAddress, socket.remotePort);
    if (!host.mayShakeHands(handshaking.size)) {
      socket.destroy();
      return;
    }
    handshaking.set(address, socket);
    socket.once("close", () => {
      if (handshaking.get(address) === socket) handshaking.delete(address);
    });
  });
  server.prependListener("secureConnection", (socket: Socket) => {
    handshaking.delete(addressOf(socket.remoteAddress, socket.remotePort));
  });
  // A failed handshake ends its connection; that is all there is to do about it.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}
