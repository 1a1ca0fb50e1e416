// The Unix socket in a store's directory, through which the command line reaches the server that has the store open. No password
// is asked for there: the socket has mode 0600 and the directory 0700, so who can connect can read and change the files
// themselves. It is made, and removed, only by a process that holds the directory's lock: one that is there without an owner was
// left by a dead server.
import { Listener } from "./listener.js";
import type { ListenerHost } from "./listener.js";
import { ownerSocketPath } from "./owner-socket-path.js";

/** REQUIRES: this process has the store in `dataDir` open for writing. Rejects with the error of `listen`. */
export function listenForOwner(dataDir: string, host: ListenerHost): Promise<Listener> {
  return Listener.open({ transport: "unix", path: ownerSocketPath(dataDir), mode: 0o600 }, host, true);
}
