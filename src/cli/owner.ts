// The server that has a store open, as seen from its data directory: then commands go through it, and else they open the store.
import { lstatSync } from "node:fs";
import { ownerSocketPath } from "../server/owner-socket-path.js";
import { withStore } from "./opening.js";
import type { CliStore } from "./opening.js";
import { FailureError, hasCode, messageOf } from "./outcome.js";
import { RemoteStore } from "./remote/remote-store.js";
import type { RemoteOptions } from "./remote/remote-store.js";
import { ttlMsOf } from "./setting-table.js";
import type { Settings } from "./setting-table.js";

/** Undefined when there is none; also when one has died and left its socket. */
export async function ownerOf(settings: Settings, readOnly = false): Promise<RemoteStore | undefined> {
  const path = ownerSocketPath(settings.dataDir);
  if (!isSocket(path)) return undefined;
  const { connectTo } = await import("./remote/connect.js");
  const options: RemoteOptions = { defaultTtlMs: ttlMsOf(settings.defaultTtl), readOnly };
  const owner = new RemoteStore(() => connectTo({ path, name: "the server of this store" }), options);
  try {
    await owner.open();
    return owner;
  } catch (error) {
    // Without a right to the socket there is none to the store either, as opening it will say.
    const cause = error instanceof Error ? error.cause : undefined;
    if (["ECONNREFUSED", "ENOENT", "EACCES"].some((code) => hasCode(cause, code))) return undefined;
    throw error;
  }
}

/** An error of opening a store: where a server has it open, with what can be done instead. */
export function withServerAdvice(error: unknown, dataDir: string, advice: string): unknown {
  if (!hasCode(error, "CRABKV_LOCKED") || !isSocket(ownerSocketPath(dataDir))) return error;
  return new FailureError(messageOf(error), { cause: error, advice });
}

// What is wrong with the path is for opening the store to say.
function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch {
    return false;
  }
}

/** Runs `work` on the store: through the server that has it open, else by opening it. */
export async function withOwnerOrStore<T, S extends Settings>(
  settings: S,
  opening: (settings: S) => Promise<CliStore>,
  work: (target: RemoteStore | CliStore) => Promise<T>,
): Promise<T> {
  const owner = await ownerOf(settings);
  if (owner === undefined) return withStore(opening(settings), work);
  try {
    return await work(owner);
  } finally {
    owner.close();
  }
}
