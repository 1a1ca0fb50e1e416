// From the name of a server to a connection that may run commands.
import { connect } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { reachSocket } from "../../server/unix-socket.js";
import { FailureError } from "../outcome.js";
import { checkReply } from "./remote-store.js";
import { RespClient } from "./resp-client.js";

const CONNECT_MS_MAX = 5000;

export interface ServerPlace {
  /** As messages name it. */
  readonly name: string;
  readonly host?: string;
  readonly port?: number;
  /** Of a Unix socket, instead. */
  readonly path?: string;
  /** To speak TLS. */
  readonly tls?: ConnectionOptions;
}

/** Says the password, or `ask`s for it when the server wants one. Rejects with a FailureError. */
export async function connectTo(
  place: ServerPlace,
  password?: string,
  ask?: () => Promise<string | undefined>,
): Promise<RespClient> {
  const client = new RespClient(await socketTo(place), place.name);
  try {
    const given = password ?? (ask !== undefined && (await wantsPassword(client)) ? await ask() : undefined);
    if (given !== undefined) checkReply(await client.call("AUTH", given));
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

async function wantsPassword(client: RespClient): Promise<boolean> {
  const reply = await client.call("PING");
  return reply instanceof Error && reply.message.startsWith("NOAUTH");
}

async function socketTo({ name, host, port, path, tls }: ServerPlace): Promise<Socket> {
  const reached = path === undefined ? undefined : reachSocket(path);
  const target = reached === undefined ? { host: host!, port: port! } : { path: reached.path };
  try {
    return await new Promise<Socket>((resolve, reject) => {
      const socket = tls === undefined ? connect({ ...target, noDelay: true }) : connectTls({ ...target, ...tls });
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new FailureError(`${name} does not answer`));
      }, CONNECT_MS_MAX);
      socket.once(tls === undefined ? "connect" : "secureConnect", () => {
        clearTimeout(timer);
        socket.removeAllListeners("error");
        socket.setKeepAlive(true);
        resolve(socket);
      });
      socket.once("error", (cause: Error) => {
        clearTimeout(timer);
        reject(new FailureError(`${name} cannot be reached: ${cause.message}`, { cause }));
      });
    });
  } finally {
    reached?.release();
  }
}
