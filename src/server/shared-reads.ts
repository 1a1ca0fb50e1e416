// A client's socket that reads into memory which all clients share. By itself a socket gives each chunk that it reads 64 KiB of
// its own, and at short requests that costs more than parsing them.
import { Socket } from "node:net";

/** As much as the system is asked for at once, in bytes: what Node asks for, too. */
const CHUNK_BYTES = 64 * 1024;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** What a socket reads with: there since Node 12, though not documented. */
interface StreamHandle {
  useUserBuffer?: unknown;
}

/**
 * The same connection as one whose `data` is there during the event only: the next chunk of any client overwrites it. The given
 * socket must not have been read from (`pauseOnConnect`), and is of no use any more. Where this Node has no such handles, it is
 * given back as it is.
 *
 * `net.Server` makes its sockets itself and does not know their option `onread`, so theirs is made here, on the handle.
 */
export function withSharedReads(accepted: Socket): Socket {
  const owner = accepted as unknown as { _handle?: StreamHandle | null };
  const handle = owner._handle;
  if (typeof handle?.useUserBuffer !== "function") return accepted.resume();
  owner._handle = null;
  const onread = {
    buffer: chunk,
    callback: (length: number, buffer: Uint8Array): boolean => socket.emit("data", buffer.subarray(0, length)),
  };
  const options = { handle, allowHalfOpen: true, onread };
  const socket: Socket = new Socket(options);
  // The server counts those that it has accepted until they are closed.
  socket.once("close", () => accepted.destroy());
  return socket;
}
