// The store: one log, its index, and the threads that serve them. Who works on an open store needs no other header.
//
// Threads: every method may be called from any thread unless it says otherwise. No method waits for the disk unless it
// says so ("may block"). Callbacks run on native threads with no latch held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "native/core/change_counters.h"
#include "native/core/env.h"
#include "native/core/fingerprint.h"
#include "native/core/options.h"
#include "native/core/read_buffer.h"
#include "native/core/status.h"
#include "native/core/verify.h"

namespace crabkv {

// The condition under which a batch may commit, about one key as it was before the batch.
// kDeadline: it is there with exactly the deadline guard_expires_at_ms (0: with none). kUnchanged: that, and kVersion;
// version 0 is that of a key which is not there.
enum class Guard : uint8_t { kNone = 0, kAbsent = 1, kPresent = 2, kVersion = 3, kDeadline = 4, kUnchanged = 5 };

// One operation of a batch. Views are borrowed for the call only.
struct Operation {
  enum class Kind : uint8_t { kCheck = 0, kPut = 1, kDelete = 2, kExpire = 3 };
  Kind kind = Kind::kPut;
  Guard guard = Guard::kNone;
  bool keep_expiry = false;   // kPut: keep the deadline that the key has
  bool only_expired = false;  // kDelete: only if the key has expired; `existed` tells whether it was removed
  std::string_view key;
  std::string_view value;            // kPut
  uint64_t expires_at_ms = 0;        // kPut, kExpire: wall-clock ms, 0 = never
  uint64_t guard_version = 0;        // kVersion, kUnchanged
  uint64_t guard_expires_at_ms = 0;  // kDeadline, kUnchanged
  bool existed = false;              // out: the key was there, not expired, before this operation
};

// How a batch went into the log. `group` is what to wait for (see CommitListener); 0 means that nothing had to be
// written (deletes of absent keys), so there is nothing to wait for.
struct Commit {
  uint64_t group = 0;
  uint64_t version = 0;  // LSN of the batch's last record; 0 when nothing was written
  bool committed = true;
  // Of the operation whose guard did not hold, when !committed; their count: changes were taken back, see Write.
  uint32_t failed_index = 0;
};

// kNever: fail with kNotResident rather than touch a page that may not be in memory. kAllowed: may block.
enum class DiskWait : uint8_t { kNever, kAllowed };

struct EntryInfo {
  bool found = false;
  uint64_t version = 0;        // the record's LSN
  uint64_t expires_at_ms = 0;  // 0 = never
  // The key's change counter, and what it stood at when it was looked up (Get only): what was found holds while it
  // stands still.
  uint32_t counter_index = 0;
  uint32_t counter = 0;
};

// Values of GetMany, back to back in one buffer.
struct MultiGetResult {
  struct Item {
    uint64_t offset = 0;
    uint64_t length = 0;
    bool found = false;
  };
  ReadBuffer values;
  std::vector<Item> items;
};

// What one or more compactions did.
struct CompactionReport {
  uint64_t compactions = 0;
  uint64_t segments_in = 0;
  uint64_t segments_out = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t records_kept = 0;
  uint64_t records_dropped = 0;

  void Add(const CompactionReport& other) {
    compactions += other.compactions;
    segments_in += other.segments_in;
    segments_out += other.segments_out;
    bytes_read += other.bytes_read;
    bytes_written += other.bytes_written;
    records_kept += other.records_kept;
    records_dropped += other.records_dropped;
  }
};
using CompactionDone = std::function<void(const Status&, const CompactionReport&)>;

// What a backup took. Of the bytes, some are shared with the store's own files, some were copied, and some an earlier
// backup had taken already.
struct BackupReport {
  uint64_t version = 0;  // the store as of this version
  uint64_t files = 0;
  uint64_t linked_bytes = 0;
  uint64_t copied_bytes = 0;
  uint64_t skipped_bytes = 0;
};
using BackupDone = std::function<void(const Status&, const BackupReport&)>;

// Told when groups of writes reach their fate. Watermarks only rise. For each group, in every mode: either
// OnAcknowledged(g') with g' >= g, or OnFailed(first <= g <= last). In SyncMode::kAlways both watermarks move together.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnAcknowledged(uint64_t up_to_group) = 0;  // as durable as the sync mode promises
  virtual void OnDurable(uint64_t up_to_group) = 0;       // synced
  // These groups are not acknowledged and never will be, and a write among them that asked for durability after being
  // acknowledged (Store::RequestDurable) fails too. Watermarks passing them later do not change that.
  virtual void OnFailed(uint64_t first_group, uint64_t last_group, const Status& status) = 0;
  // These groups are undone in memory: nobody sees them any more. OnFailed says why, when the disk is done with them.
  virtual void OnTakenBack(uint64_t first_group, uint64_t last_group) {
    static_cast<void>(first_group);
    static_cast<void>(last_group);
  }
  // Fewer than half of pending_bytes_max are pending again, after a kBusy.
  virtual void OnRoom() = 0;
  // A compaction, requested or automatic, has ended well.
  virtual void OnCompacted(const CompactionReport& report) { static_cast<void>(report); }
};

struct ScanOptions {
  std::string prefix;
  bool values = true;          // false: keys only, and values come back empty
  uint64_t after_version = 0;  // only entries with a version above this
};

// A walk over the live entries as they were when the scan was made, in log order (oldest version first). Not
// thread-safe. Holds memory and segments until destroyed; the store must not be closed before.
class Scan {
 public:
  // A call ends after about so much of the log, so that one that finds little to show neither keeps a reader thread nor
  // delays a closing.
  static constexpr uint64_t kReadBytesMax = 4 << 20;

  virtual ~Scan() = default;
  // Appends entries to `chunk` until about `bytes_max` bytes, `entries_max` entries, or kReadBytesMax of the log: that
  // may be none, also before the end. `*done` after the last one. Each entry: key length u32, value length u32, version
  // u64, expires_at_ms u64, key, value; unpadded little-endian. May block.
  virtual Status Next(uint32_t entries_max, uint64_t bytes_max, ReadBuffer* chunk, uint32_t* entries, bool* done) = 0;
  // Of a feed: the version after which it goes on.
  virtual uint64_t version() const { return 0; }
};

struct FeedOptions {
  std::string prefix;
  // From after_version on, and then all that follows; else only what is acknowledged after the feed was made.
  bool resume = false;
  uint64_t after_version = 0;
  // Farther than this behind the acknowledged end, in bytes of log, is kLagged; what was in the log when the feed was
  // made does not count until the feed has caught up with it.
  uint64_t lag_bytes_max = uint64_t{64} << 20;
};

// How the slots are spread over the shards, and what is asked of them.
struct SlotReport {
  std::vector<uint16_t> shards;           // of each slot; changed by MoveSlot only
  std::vector<double> operations_second;  // of each slot, lately; see SlotLoads
};

struct StoreStats {
  uint64_t keys = 0;  // in the index; expired ones count until they are removed
  uint64_t keys_with_deadline = 0;
  uint64_t index_bytes = 0;  // memory of the slot tables
  uint64_t segments = 0;
  uint64_t log_bytes = 0;   // bytes in use in all segments
  uint64_t live_bytes = 0;  // estimate, by size class
  uint64_t disk_bytes = 0;  // file sizes, space made ahead and hints included; not those still empty
  uint64_t hint_bytes = 0;  // of them, in hints
  uint64_t hinted_segments = 0;
  uint64_t last_version = 0;  // highest LSN given out
  uint64_t acknowledged_version = 0;
  uint64_t durable_version = 0;
  uint64_t epoch = 0;
  uint64_t commit_groups = 0;
  uint64_t committed_records = 0;
  uint64_t committed_bytes = 0;  // of these records in the log
  uint64_t syncs = 0;
  uint64_t sync_ns_total = 0;
  uint64_t sync_ns_max = 0;
  uint64_t pending_bytes = 0;
  uint64_t raw_value_bytes = 0;  // before and after compression, of puts since open
  uint64_t stored_value_bytes = 0;
  uint64_t inline_reads = 0;  // promise reads answered at once, and those sent to a reader thread
  uint64_t cold_reads = 0;
  uint64_t open_ms = 0;
  // At open: records read, from so many segments, in so long; entries of hints taken instead of reading, the same.
  uint64_t open_records = 0;
  uint64_t open_read_segments = 0;
  uint64_t open_read_ns = 0;
  uint64_t open_hinted_keys = 0;
  uint64_t open_hinted_segments = 0;
  uint64_t open_hints_ns = 0;
  // Why segments were read: they had no hint (the log's last one never has), one that is wrong, or one that can't be
  // used yet because not all that the segment holds was proven durable.
  uint64_t open_hints_missing = 0;
  uint64_t open_hints_wrong = 0;
  uint64_t open_hints_unproven = 0;
  uint64_t open_rewritten_bytes = 0;  // of the unproven tail that recovery wrote again
  uint64_t slots_moved = 0;           // to other shards, since it was opened
  bool clean_open = false;
  bool disk_full = false;
  uint64_t feed_floor = 0;
  bool compacting = false;
  uint64_t compactions = 0;  // since open, as are the next three
  uint64_t compaction_read_bytes = 0;
  uint64_t compaction_written_bytes = 0;
  uint64_t compaction_dropped_records = 0;
  uint64_t backup_bytes = 0;  // of the backup under way, and how many of them are done; 0 when there is none
  uint64_t backup_bytes_done = 0;
};

// How far an opening is.
struct OpenProgress {
  uint64_t bytes_done = 0;  // of the segments' files; those taken by a hint count, too
  uint64_t bytes_total = 0;
  uint64_t records = 0;  // read so far, and keys taken from hints
};
// Called on the opening thread, for the first time after kOpenProgressAfterMs, then about every kOpenProgressEveryMs.
using OnOpenProgress = std::function<void(const OpenProgress&)>;
inline constexpr uint64_t kOpenProgressAfterMs = 1000;
inline constexpr uint64_t kOpenProgressEveryMs = 100;

class Store {
 public:
  virtual ~Store() = default;

  // Opens or creates the store in directory `path`. May block (recovery). `*store` is set on OK only.
  // Fails with kLocked, kCorruption, kFormat, kMissing, kExists, kReadOnly, kIo, kDiskFull.
  static Status Open(Env* env, const std::string& path, const Options& options, std::shared_ptr<Store>* store,
                     OnOpenProgress on_progress = nullptr);

  // --- Writing. Takes effect in memory at once (visible to every reader) and in the log when its group is written.
  // OK with commit->committed == false when a guard did not hold. kNotResident (with DiskWait::kNever) when a version
  // guard needs a page that may not be in memory. kBusy when pending_bytes_max is reached; kDiskFull, kFailed,
  // kReadOnly, kClosed; kTooLarge. On any error nothing has changed.
  // Nor is it committed when Rollbacks() is not `rollbacks` any more: who has looked at the store, and writes by what
  // it saw, does not write by what was taken back since.
  virtual Status Write(Operation* operations, uint32_t count, DiskWait wait, uint64_t rollbacks, Commit* commit) = 0;
  Status Write(Operation* operations, uint32_t count, DiskWait wait, Commit* commit) {
    return Write(operations, count, wait, kAnyRollbacks, commit);
  }
  static constexpr uint64_t kAnyRollbacks = UINT64_MAX;
  // Write of one unguarded put. `hash`: what PrefetchSlot has given for the key.
  virtual Status Put(std::string_view key, const KeyHash& hash, std::string_view value, uint64_t expires_at_ms,
                     Commit* commit) = 0;
  Status Put(std::string_view key, std::string_view value, uint64_t expires_at_ms, Commit* commit) {
    return Put(key, PrefetchSlot(key), value, expires_at_ms, commit);
  }
  // Three steps of asking for the memory that a look-up of the key (a put is one, too) will wait for, for callers that
  // know the key some time before: each looks at what the one before has asked for. The last, for those who will read
  // the values, takes the latches of the keys' shards, one at a time.
  virtual KeyHash PrefetchSlot(std::string_view key) const = 0;
  virtual void PrefetchEntry(const KeyHash& hash) const = 0;
  virtual void PrefetchValues(const KeyHash* const* hashes, size_t count) = 0;
  // Wakes the writer for what has been written so far. Callers that write many small records call it once at the end
  // (of a JavaScript turn, of a socket chunk), so that groups form; the store wakes it itself when a group is large.
  virtual void Kick() = 0;
  // Asks that everything written so far become durable, in any mode; wait for OnDurable(returned group).
  // `*group` is 0 when all of it is durable already. Fails with the sticky failure or kClosed: then nobody will call.
  virtual Status RequestDurable(uint64_t* group) = 0;
  // The newest group with a change that readers see and that is not acknowledged yet; 0 when there is none. Who must
  // not show what may still be taken back waits for it.
  virtual uint64_t VisibleGroup() const = 0;
  // Changes before changes are taken back in memory, which is before listeners are told of it: what was read is of
  // before that when this stands where it stood when all earlier failures were known.
  virtual uint64_t Rollbacks() const = 0;
  // The same, between two roll-backs: listeners have been told (OnTakenBack) of all that there were. Waits for one that
  // is under way, as a write does, and for no disk.
  virtual uint64_t RollbacksDone() = 0;
  // Blocks until the group is acknowledged or failed (for callers without an event loop). `durable`: until synced.
  // REQUIRES: a group that this store has named.
  virtual Status WaitFor(uint64_t group, bool durable) = 0;

  // --- Expiry. Expired keys are invisible from their deadline on; this removes them for good.
  // Logs deletes of up to `keys_max` expired keys, earliest deadlines first, and appends each removed key to `keys`
  // (length u32, bytes). `*more` when others wait. May block.
  virtual Status RemoveExpired(uint32_t keys_max, ReadBuffer* keys, uint32_t* removed, bool* more, Commit* commit) = 0;
  // No key expires before this moment, in wall-clock ms; UINT64_MAX when none has a deadline.
  virtual uint64_t NextDeadlineMs() const = 0;

  // --- Reading.
  // Appends the value to `value` (which may be null: only info) when info->found.
  virtual Status Get(std::string_view key, DiskWait wait, ReadBuffer* value, EntryInfo* info) = 0;
  // All keys as of one moment between batches.
  virtual Status GetMany(const std::string_view* keys, uint32_t count, DiskWait wait, MultiGetResult* result) = 0;
  // From the index alone: presence and deadline (version stays 0). Never touches the log.
  virtual Status Has(std::string_view key, EntryInfo* info) = 0;
  virtual Status HasMany(const std::string_view* keys, uint32_t count, bool* found) = 0;
  // Appends up to `keys_max` live keys (length u32, bytes) in an order of the index's own, from `cursor` on; 0 is the
  // beginning, and *next_cursor is 0 at the end. Nothing is kept between calls: a key that is there from the first call
  // to the last comes, once; others may. May block.
  virtual Status NextKeys(uint64_t cursor, uint32_t keys_max, ReadBuffer* keys, uint32_t* count,
                          uint64_t* next_cursor) = 0;
  // Keys in the index; expired ones count until they are removed.
  virtual uint64_t KeyCount() const = 0;
  virtual Status NewScan(const ScanOptions& options, std::unique_ptr<Scan>* scan) = 0;
  // Runs `job` on a reader thread. kBusy when reader_queue_max jobs wait. Jobs still queued at Close run before it
  // ends.
  virtual Status Submit(std::function<void()> job) = 0;

  // --- Watching.
  // The changes of the log in its order, whole batches, as they are acknowledged; never one that failed. A scan but for
  // this: a change is type u32 (1 put, 2 delete, 3 expire), key length u32, value length u32, version u64,
  // expires_at_ms u64 (0 never), key, value; and `*done` says that this was all for now: ask again after
  // OnAcknowledged. kPositionGone, kLagged (see FeedOptions), and kFailed when nothing will follow; then the feed is at
  // its end.
  virtual Status NewFeed(const FeedOptions& options, std::unique_ptr<Scan>* feed) = 0;
  // Every change with a version above this one is in the log.
  virtual uint64_t FeedFloor() const = 0;
  virtual void AddListener(CommitListener* listener) = 0;
  // On return no callback of this listener runs or will run. Not to be called from a callback.
  virtual void RemoveListener(CommitListener* listener) = 0;
  // Counters by hash of key, see EntryInfo. Bumped after a change is visible and before it is acknowledged, also when
  // it is undone. They outlive the store while somebody has them; once it is closed they stand still.
  virtual std::shared_ptr<ChangeCounters> SharedChangeCounters() const = 0;

  // --- Compaction.
  // Looks through all that is in the log now and drops what is dead. `done` is called once, on a native thread (or at
  // once, when the store is closed or read-only): with what was done, or with kReadOnly, kClosed (closed or cancelled),
  // kBusy (writes failed meanwhile: try again), kFailed (the store's sticky failure), kDiskFull, kCorruption (in which
  // segment), kIo. Requests that wait share one run.
  virtual uint64_t StartCompaction(CompactionDone done) = 0;
  // Answers the request with kClosed and gives up its run if nobody else waits for it. No effect on one that is
  // answered.
  virtual void CancelCompaction(uint64_t request) = 0;

  // --- Backup.
  // Makes `directory` a backup of the store as of a version that has everything acknowledged before the call, or brings
  // the backup that is there up to it; see native/FORMAT.md, Backups. Writes go on; no compaction runs meanwhile.
  // `done` is called once, on a native thread (or at once, as above), when nothing more is done: with kReadOnly,
  // kClosed, kAborted (cancelled), kBusy (writes failed meanwhile: try again), kFailed (the store's sticky failure),
  // what BackupTarget::Prepare says of the directory, kDiskFull, kCorruption, kIo. After an error the backup that was
  // there is there, or none (or, if it was the last step that failed, the new one).
  virtual uint64_t StartBackup(const std::string& directory, BackupDone done) = 0;
  // Has the request end soon with kAborted, unless it is done first.
  virtual void CancelBackup(uint64_t request) = 0;

  // Reads all of the store that is written, as of the call, and reports what fails a check; reads and writes go on. OK
  // whatever is found; kAborted when `step` gives up, kIo, kClosed. May block; the store must not be closed before.
  virtual Status Verify(const StepDone& step, VerifyReport* report) = 0;

  // --- Shards. Which shard has a slot is not stored: it is as the options say when the store is opened.
  virtual uint32_t SlotOf(std::string_view key) const = 0;
  virtual uint32_t ShardOf(std::string_view key) const = 0;  // at this moment
  // Gives a slot to another shard while everything goes on; `*moved` is false when it is not `from`'s any more, so that
  // of several callers who decided on the same report one moves it. kInvalidArgument for a slot or a shard that is not
  // there; kClosed.
  virtual Status MoveSlot(uint32_t slot, uint32_t from, uint32_t to, bool* moved) = 0;
  virtual void ReportSlots(SlotReport* report) = 0;

  // --- State.
  virtual uint64_t NowMs() = 0;        // the store's clock: wall time that never goes back (see clock.h)
  virtual Status Failure() const = 0;  // the sticky failure, or OK
  virtual StoreStats Stats() const = 0;
  virtual const Options& options() const = 0;
  // Refuses new work, writes and syncs what was accepted, notes the clean end. May block. Idempotent; callbacks for
  // every outstanding group come before it returns. Returns the sticky failure if there is one.
  virtual Status Close() = 0;
};

}  // namespace crabkv
