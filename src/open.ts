// open(): from a path and options to a Store.
import type { Decoded, EncodingOption } from "./encodings.js";
import { rejected } from "./errors.js";
import { native } from "./native.js";
import { resolveOpenOptions } from "./options.js";
import type { CacheOptions, OpenOptions } from "./options.js";
import { rowBoundsOf } from "./put-row.js";
import { Session } from "./session.js";
import { Store } from "./store.js";

/**
 * Opens the store in directory `path`, creating both when they are missing. Opening a directory that this process has open
 * already gives another handle on the same store.
 *
 * @throws (rejects) `TypeError` or `RangeError` naming a wrong option; `CrabKVError` with `CRABKV_LOCKED`, `_CORRUPTION`,
 * `_FORMAT`, `_MISSING`, `_EXISTS`, `_READ_ONLY` (a backup), `_OPTIONS_DIFFER`, `_IO`, `_DISK_FULL`.
 */
export function open<KE extends EncodingOption = "utf8", VE extends EncodingOption = "utf8">(
  path: string,
  options?: OpenOptions<KE, VE>,
): Promise<Store<Decoded<KE>, Decoded<VE>>> {
  try {
    if (typeof path !== "string" || path === "") throw new TypeError("path must be a string that is not empty");
    const resolvedOptions = resolveOpenOptions(options);
    const { sync, valueBytesMax } = resolvedOptions.native;
    const rowBounds = rowBoundsOf(resolvedOptions.native);
    const session = new Session(sync !== 0, valueBytesMax, rowBounds, resolvedOptions.native);
    return native
      .open(path, resolvedOptions.native, session.onCommit, resolvedOptions.onProgress)
      .then(async (handle) => {
        session.handle = handle;
        // Under another handle of this process, and then nobody tells this one.
        session.failed = native.failure(handle) !== undefined;
        if (resolvedOptions.cache !== undefined) await addCache(session, resolvedOptions.cache);
        return new Store(session, resolvedOptions);
      });
  } catch (error) {
    return rejected(error);
  }
}

/** The cache's library is loaded only by those who use it. */
async function addCache(session: Session, options: CacheOptions): Promise<void> {
  try {
    const { ReadCache } = await import("./cache.js");
    session.cache = new ReadCache(session.handle, options);
  } catch (error) {
    await session.close(undefined);
    throw error;
  }
}
