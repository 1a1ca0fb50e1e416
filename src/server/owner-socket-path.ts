// Where the owner's socket is (owner-socket.ts): by itself, because the command line looks there at every call, and has no use for
// a server then.
import { join, resolve } from "node:path";

/** Its name in the data directory. */
const OWNER_SOCKET = "SOCKET";

export function ownerSocketPath(dataDir: string): string {
  return join(resolve(dataDir), OWNER_SOCKET);
}
