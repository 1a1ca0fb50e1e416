// What of an examination is odd, and what to do about it.
import type { Examination } from "./examination.js";

export interface Oddity {
  /** A problem keeps a store from working; of the rest a person decides. */
  readonly problem: boolean;
  readonly what: string;
  readonly advice: string;
}

const GIB = 1024 ** 3;
const OPEN_FILES_MIN = 4096;
const SLOW_SYNC_MS = 20;
/** No disk answers sooner: a system call and a journal alone take longer. */
const IMPLAUSIBLE_SYNC_MS = 0.01;

const networkTypes = new Set([
  "nfs",
  "nfs4",
  "cifs",
  "smb3",
  "smbfs",
  "9p",
  "ceph",
  "glusterfs",
  "lustre",
  "afs",
  "virtiofs",
]);
const memoryTypes = new Set(["tmpfs", "ramfs", "devtmpfs"]);
const withoutLinks = new Set(["vfat", "exfat", "msdos"]);

export function odditiesOf(examination: Examination): Oddity[] {
  return [...ofBinary(examination), ...ofFileSystem(examination), ...ofSync(examination), ...ofLimits(examination)];
}

const problem = (what: string, advice: string): Oddity => ({ problem: true, what, advice });
const oddity = (what: string, advice: string): Oddity => ({ problem: false, what, advice });

function* ofBinary({ binary, failedBinaries, versions }: Examination): Generator<Oddity> {
  const [major, minor] = versions.node.split(".").map(Number) as [number, number];
  if (major < 20 || (major === 20 && minor < 19) || major === 21 || (major === 22 && minor < 12))
    yield oddity(`CrabKV is not tested with Node ${versions.node}`, "use Node 20.19, 22.12 or newer");
  if (binary === undefined) {
    yield problem("no native binary works here", "npx crabkv rebuild builds one from the package's sources");
    return;
  }
  if (binary.origin === "CRABKV_ADDON")
    yield oddity("the binary is the one that CRABKV_ADDON names", "unset it, unless that is meant");
  for (const { path, message } of failedBinaries) {
    if (!message.startsWith("Cannot find module"))
      yield oddity(`${path} was built here, and does not load: ${message}`, "npx crabkv rebuild, or delete it");
  }
}

function* ofFileSystem({ fileSystem }: Examination): Generator<Oddity> {
  const { type, mountOptions, freeBytes, freeFiles } = fileSystem;
  const has = (...names: string[]): boolean => names.some((name) => mountOptions.includes(name));
  if (has("ro")) yield problem("the file system is mounted read-only", "choose another directory, or mount it rw");
  if (type !== undefined && memoryTypes.has(type))
    yield oddity(`${type} is memory: nothing survives a restart of the machine`, "choose a directory on a disk");
  if (type !== undefined && networkTypes.has(type))
    yield oddity(
      `${type} is a network file system: locks and syncs are as good as its server`,
      "choose a local disk; on one server's disk, run crabkv serve there",
    );
  if (type?.startsWith("fuse") === true)
    yield oddity(
      `${type} is a program's file system: whether a sync reaches a disk is up to it`,
      "choose a local disk",
    );
  if (type === "overlay")
    yield oddity("overlay is a container's own layer: it goes with the container", "mount a volume for the data");
  if (type !== undefined && withoutLinks.has(type))
    yield oddity(`${type} has no hard links and no permissions`, "choose ext4, xfs or the like");
  if (has("nobarrier", "barrier=0"))
    yield oddity("write barriers are off: power loss can take what was synced", "mount it without nobarrier");
  if (has("sync", "dirsync")) yield oddity("mounted sync: every write waits for the disk", "mount it without sync");
  if (has("soft")) yield oddity("mounted soft: a server that is away makes writes fail", "mount it hard");
  if (freeBytes < GIB)
    yield oddity("less than 1 GiB is free", "make space: compaction needs room for what it copies, at least a segment");
  if (freeFiles !== undefined && freeFiles < 1000)
    yield oddity("few files can still be made", "delete some, or choose another disk");
}

function* ofSync({ sync, syncFailure, fileSystem, preloaded }: Examination): Generator<Oddity> {
  if (preloaded?.includes("eatmydata") === true)
    yield oddity("libeatmydata is loaded: no sync reaches the disk", "run it without LD_PRELOAD");
  if (sync === undefined) {
    yield problem(
      `nothing can be written in ${fileSystem.directory}: ${syncFailure}`,
      "check who may write there and that its disk is sound, or choose another directory",
    );
    return;
  }
  const inMemory = fileSystem.type !== undefined && memoryTypes.has(fileSystem.type);
  if (sync.medianMs > SLOW_SYNC_MS)
    yield oddity(
      "syncs are slow: each awaited write takes as long",
      "have more writes in flight, which share a sync; or use sync { everyMs }, and say so to whom the data belongs",
    );
  if (sync.medianMs < IMPLAUSIBLE_SYNC_MS && !inMemory)
    yield oddity(
      "syncs are faster than a disk can be: something answers for it",
      "look for a virtual disk that ignores flushes, libeatmydata, or a cache without a battery",
    );
}

function* ofLimits({ limits }: Examination): Generator<Oddity> {
  const { openFiles, memoryBytes, memoryLimitBytes } = limits;
  if (openFiles !== undefined && openFiles < OPEN_FILES_MIN)
    yield oddity(
      `only ${openFiles} files may be open: a store has one for each 64 MiB, a server one for each client`,
      "raise it: ulimit -n 65536, or LimitNOFILE= in a unit of systemd",
    );
  if (Math.min(memoryBytes, memoryLimitBytes ?? Infinity) < GIB / 4)
    yield oddity("less than 256 MiB of memory", "a key takes 28 bytes of it, 57 with a time to live; raise the limit");
}
