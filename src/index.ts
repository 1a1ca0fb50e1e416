// The public exports of crabkv, and nothing else.
export { open } from "./open.js";
export { Store } from "./store.js";
export type { StoreEvents } from "./events.js";
export type { ReadOptions } from "./store.js";
export type { Entry } from "./reads.js";
export type {
  CacheOptions,
  IncrementOptions,
  OpenOptions,
  OpenProgress,
  PutOptions,
  RebalanceOptions,
  Sync,
  UpdateOptions,
  WriteBackOptions,
  WriteOptions,
} from "./options.js";
export type { BatchOperation, BatchResult, Guard, PutRecord } from "./batch.js";
export type { Accepted, Decoded, Encoding, EncodingOption } from "./encodings.js";
export { CrabKVError } from "./errors.js";
export type { CrabKVErrorCode, ErrorDetails } from "./errors.js";
export type { IterationOptions, StoreIterator, StoreRecord } from "./iteration.js";
export type { Change, DeleteChange, ExpireChange, PutChange, StoreWatch, WatchOptions } from "./watch.js";
export { verify } from "./verify.js";
export type { VerifyOptions } from "./verify.js";
export { repair } from "./repair.js";
export type { KeptVersion, RepairFault, RepairOptions, RepairReport } from "./repair.js";
export { restore } from "./backup.js";
export type { BackupOptions, RestoreOptions } from "./backup.js";
export type { BackupReport, RestoreReport } from "./native.js";
export type { Fault, SlotLoad, StoreStats, VerifyReport } from "./native.js";
export type { CompactOptions } from "./compaction.js";
export type { CompactionOptions } from "./compaction-options.js";
export type { CompactionReport } from "./native.js";
export type { CommitMessage } from "./commit-channel.js";
export type { SlotMove } from "./rebalance-policy.js";
export type { StoreWriteStream, WriteStreamOptions } from "./write-stream.js";
