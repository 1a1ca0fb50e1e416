// Unix sockets as files: how long a path may be, what to do about one that a dead server left, and who may connect.
import { chmodSync, closeSync, constants, lstatSync, openSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import type { Server as NetServer } from "node:net";
import { basename, dirname } from "node:path";
import { isMainThread } from "node:worker_threads";

/** Bytes of a path that the system takes, without its end; Node silently cuts what is longer. */
const PATH_BYTES_MAX = process.platform === "linux" ? 107 : 103;

/** How a socket is reached, until `release()`. */
export interface ReachedSocket {
  /** For calls of the system; not for people. */
  readonly path: string;
  release(): void;
}

/**
 * A way to a socket that is short enough: on Linux a long path goes through its open directory.
 *
 * @throws RangeError where there is none; the system's error when the directory cannot be opened.
 */
export function reachSocket(path: string): ReachedSocket {
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return { path, release: () => undefined };
  const tooLong = new RangeError(`the path of a Unix socket has at most ${PATH_BYTES_MAX} bytes here: ${path}`);
  if (process.platform !== "linux") throw tooLong;
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  const reached = `/proc/self/fd/${directory}/${basename(path)}`;
  if (Buffer.byteLength(reached) <= PATH_BYTES_MAX) return { path: reached, release: () => closeSync(directory) };
  closeSync(directory);
  throw tooLong;
}

/**
 * Listens on a new socket with this mode, which it has from the beginning; one that nobody answers at is replaced. Node
 * removes the socket when the server closes.
 *
 * @throws (rejects) `EADDRINUSE` when somebody answers there, or it is another kind of file; other errors of `bind`.
 */
export async function listenOnSocket(server: NetServer, { path }: ReachedSocket, mode: number): Promise<void> {
  await removeStale(path);
  const listening = new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
  });
  // The socket is made within the call. A worker thread cannot set the mask, so there it is open to others for a moment.
  const mask = isMainThread ? process.umask(0o177) : undefined;
  try {
    server.listen({ path, backlog: 511 });
  } finally {
    if (mask !== undefined) process.umask(mask);
  }
  await listening;
  chmodSync(path, mode);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw inUse(`${path} is there, and is no socket`);
  if (await answers(path)) throw inUse(`a server listens at ${path} already`);
  unlinkSync(path);
}

function inUse(message: string): Error {
  return Object.assign(new Error(message), { code: "EADDRINUSE" });
}

/** Whether somebody listens there; a server whose queue is full, or that may not be asked, counts. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code !== "ECONNREFUSED" && code !== "ENOENT"));
  });
}
