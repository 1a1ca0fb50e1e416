// What a person can do about an error, by its code: the store's and the operating system's. One line each, and only what can
// be done with this version.
import { getSystemErrorName } from "node:util";
import type { CrabKVErrorCode } from "../errors.js";

const ofStore: Readonly<Partial<Record<CrabKVErrorCode, string>>> = {
  CRABKV_MISSING: "crabkv put and crabkv import make a store; --data-dir or CRABKV_DATA_DIR says where one is",
  CRABKV_LOCKED: "end that process or close its store, then try again; crabkv dump works beside it",
  CRABKV_CORRUPTION:
    "crabkv verify tells all that is wrong; crabkv repair makes a new store of what is good; or put back a copy from before the damage",
  CRABKV_FORMAT: "check the data directory: it is no store, or one of a newer crabkv; --data-dir names another",
  CRABKV_DISK_FULL: "make space on the disk, then run it again; what is stored is safe",
  CRABKV_IO: "check that the data directory can be read and written, and that its disk is sound",
  CRABKV_INDETERMINATE: "check the disk, then run it again: whether this was stored is unknown until then",
  CRABKV_FAILED: "check the disk, then run it again: opening the store anew recovers what was stored",
  CRABKV_BUSY: "run it again, with less at once",
  CRABKV_TOO_LARGE: "--key-bytes-max and --value-bytes-max, of commands that write, raise the bounds",
  CRABKV_READ_ONLY: "the data directory must be writable for this; of a backup, crabkv restore makes a store that is",
  CRABKV_OPTIONS_DIFFER: "use the same settings for every opening of the store",
  CRABKV_INTERNAL: "this is a bug in CrabKV; please report it with the command that shows it",
};

const ofSystem: Readonly<Record<string, string>> = {
  ENOENT: "check the name and the directory it is in",
  EACCES: "check who may read and write there, or run it as another user",
  EPERM: "check who may read and write there, or run it as another user",
  EROFS: "the file system is read-only; choose another place",
  EISDIR: "name a file, not a directory",
  ENAMETOOLONG: "choose a shorter name",
  ENOTDIR: "a part of the path is a file; check the path",
  ENOSPC: "make space on the disk, or choose another place, then run it again",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
};

/** `errno` is the operating system's, of an error of the store. */
export function adviceByCode(code: string, errno: number | undefined): string | undefined {
  const cause = errno === undefined ? undefined : ofSystem[getSystemErrorName(-errno)];
  return cause ?? ofSystem[code] ?? ofStore[code as CrabKVErrorCode];
}
