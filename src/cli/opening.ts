// How commands open the store.
import type { Encoding } from "../encodings.js";
import { open } from "../open.js";
import type { OpenOptions, OpenProgress } from "../options.js";
import type { Store } from "../store.js";
import { startProgress } from "./progress.js";
import type { Progress } from "./progress.js";
import { settingTable, ttlMsOf } from "./setting-table.js";
import type { Settings } from "./setting-table.js";
import type { GlobalSettings } from "./settings.js";

/** A key or a value: bytes where they are not text. */
export type Data = string | Uint8Array;
export type CliStore = Store<Data, Data>;
type CliOpenOptions = OpenOptions<Encoding<Data>, Encoding<Data>>;

/** Room in a batch for one value, its key and what goes around them. */
const BATCH_BYTES_MIN = 64 * 1024 * 1024;
const BATCH_OVERHEAD_BYTES = 2 * 1024 * 1024;

// Text goes into the store as it is, and what comes out is bytes: only the reader knows whether they are text.
const encoding: Encoding<Data> = { encode: (data) => data, decode: (bytes) => bytes };
const encodings = { keyEncoding: encoding, valueEncoding: encoding };

/** For commands that change nothing: works on a read-only directory, and beside other readers. */
export function openForReading(settings: GlobalSettings): Promise<CliStore> {
  const { shards, keyBytesMax, valueBytesMax } = settings;
  return openAndShow(settings, { readOnly: true, shards, keyBytesMax, valueBytesMax, ...encodings });
}

export function openForWriting(settings: GlobalSettings, createIfMissing: boolean): Promise<CliStore> {
  const { writeBack, defaultTtl } = settings;
  return openAndShow(settings, {
    ...storeOptionsOf(settings),
    writeBack: writeBack === "off" ? false : { everyMs: writeBack },
    defaultTtlMs: ttlMsOf(defaultTtl),
    createIfMissing,
    ...encodings,
  });
}

/** What settings say of a store, as open() and serve() take it. */
export function storeOptionsOf(settings: Settings) {
  const { sync, compression, shards, cache, segmentBytes, keyBytesMax, valueBytesMax } = settings;
  return {
    ...{ compression, shards, segmentBytes, keyBytesMax, valueBytesMax },
    sync: typeof sync === "number" ? { everyMs: sync } : sync,
    cache: cache === settingTable.cache.fallback ? (false as const) : { entries: cache },
    compaction: {
      auto: settings.compaction === "auto",
      deadRatio: settings.compactionDeadRatio,
      minBytes: settings.compactionMinBytes,
      ioShare: settings.compactionIoShare,
    },
    batchBytesMax: Math.max(BATCH_BYTES_MIN, valueBytesMax + BATCH_OVERHEAD_BYTES),
  };
}

/** Shows a bar when it takes long. */
async function openAndShow({ dataDir, json }: GlobalSettings, options: CliOpenOptions): Promise<CliStore> {
  if (json || !process.stderr.isTTY) return open(dataDir, options);
  let bar: Progress | undefined;
  let starting: Promise<void> | undefined;
  const onProgress = ({ bytes, bytesTotal, records }: OpenProgress): void => {
    bar?.update(bytes, records);
    starting ??= startProgress("opening", bytesTotal, true).then((started) => void (bar = started));
  };
  try {
    return await open(dataDir, { ...options, onProgress });
  } finally {
    await starting; // nothing is drawn behind what the command prints
    bar?.stop();
  }
}

/** Runs `work` and closes the store, also when it fails; the work's error goes first. */
export async function withStore<T>(opening: Promise<CliStore>, work: (store: CliStore) => Promise<T>): Promise<T> {
  const store = await opening;
  let result: T;
  try {
    result = await work(store);
  } catch (error) {
    await store.close().catch(() => undefined);
    throw error;
  }
  await store.close();
  return result;
}
