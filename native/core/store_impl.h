// The store put together: options, lock, MANIFEST, index, log, readers. Writing is in store_write.cc, reading in
// store_read.cc, expiry in store_expiry.cc, opening and closing in store_open.cc, checking what is
// on disk in verify.cc.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "native/core/backup.h"
#include "native/core/clock.h"
#include "native/core/commit_log.h"
#include "native/core/compactor.h"
#include "native/core/index.h"
#include "native/core/manifest.h"
#include "native/core/reader_pool.h"
#include "native/core/record_reader.h"
#include "native/core/recovery.h"
#include "native/core/segment_table.h"
#include "native/core/slot_loads.h"
#include "native/core/store.h"

namespace crabkv {

class LogFeed;
struct CheckedSegment;

class StoreImpl final : public Store {
 public:
  StoreImpl(Env* env, std::string path, const Options& options);
  ~StoreImpl() override;

  Status OpenFiles(OnOpenProgress on_progress);

  using Store::Write;
  Status Write(Operation* operations, uint32_t count, DiskWait wait, uint64_t rollbacks, Commit* commit) override;
  KeyHash PrefetchSlot(std::string_view key) const override {
    const KeyHash hash = Hash(key);
    index_.PrefetchSlot(hash);
    index_.counters()->Prefetch(hash.counter);
    loads_.Prefetch(hash.slot);
    return hash;
  }
  void PrefetchEntry(const KeyHash& hash) const override { index_.Prefetch(hash); }
  void PrefetchValues(const KeyHash* const* hashes, size_t count) override;
  Status Put(std::string_view key, const KeyHash& hash, std::string_view value, uint64_t expires_at_ms,
             Commit* commit) override;
  void Kick() override;
  Status RequestDurable(uint64_t* group) override;
  uint64_t VisibleGroup() const override { return log_ == nullptr ? 0 : log_->VisibleGroup(); }
  uint64_t Rollbacks() const override { return log_ == nullptr ? 0 : log_->rollbacks(); }
  uint64_t RollbacksDone() override { return log_ == nullptr ? 0 : log_->RollbacksDone(); }
  Status WaitFor(uint64_t group, bool durable) override;

  Status RemoveExpired(uint32_t keys_max, ReadBuffer* keys, uint32_t* removed, bool* more, Commit* commit) override;
  uint64_t NextDeadlineMs() const override { return index_.NextDeadlineMs(); }

  Status Get(std::string_view key, DiskWait wait, ReadBuffer* value, EntryInfo* info) override;
  Status GetMany(const std::string_view* keys, uint32_t count, DiskWait wait, MultiGetResult* result) override;
  Status Has(std::string_view key, EntryInfo* info) override;
  Status HasMany(const std::string_view* keys, uint32_t count, bool* found) override;
  Status NextKeys(uint64_t cursor, uint32_t keys_max, ReadBuffer* keys, uint32_t* count,
                  uint64_t* next_cursor) override;
  uint64_t KeyCount() const override { return index_.KeyCount(); }
  Status NewScan(const ScanOptions& options, std::unique_ptr<Scan>* scan) override;
  Status NewFeed(const FeedOptions& options, std::unique_ptr<Scan>* feed) override;
  uint64_t FeedFloor() const override { return feed_floor_.load(std::memory_order_acquire); }
  Status Submit(std::function<void()> job) override;

  void AddListener(CommitListener* listener) override;
  void RemoveListener(CommitListener* listener) override;
  std::shared_ptr<ChangeCounters> SharedChangeCounters() const override { return index_.counters(); }

  uint64_t StartCompaction(CompactionDone done) override;
  void CancelCompaction(uint64_t request) override;
  uint64_t StartBackup(const std::string& directory, BackupDone done) override;
  void CancelBackup(uint64_t request) override;
  // Compacts `count` of the segments that can be, from the one at place `first` modulo their number on, whatever that
  // frees; for tests of what may be dropped when.
  uint64_t StartCompactionOf(uint64_t first, uint64_t count, CompactionDone done);
  // Has the log go on in a new segment. May block.
  Status EndSegment() { return log_->EndSegment(); }

  uint32_t SlotOf(std::string_view key) const override { return Hash(key).slot; }
  uint32_t ShardOf(std::string_view key) const override { return index_.ShardIndexOf(Hash(key).slot); }
  Status Verify(const StepDone& step, VerifyReport* report) override;

  Status MoveSlot(uint32_t slot, uint32_t from, uint32_t to, bool* moved) override;
  void ReportSlots(SlotReport* report) override;

  uint64_t NowMs() override { return clock_->NowMs(); }
  Status Failure() const override;
  StoreStats Stats() const override;
  uint64_t LastVersion() const { return log_ == nullptr ? open_last_lsn_ : log_->last_lsn(); }  // that Stats() has
  const Options& options() const override { return options_; }
  Status Close() override;

 private:
  friend class LogFeed;
  friend class LogScan;

  // --- Opening and closing.
  Status LoadOrCreateManifest();
  Status RequireManifest();
  Status RefuseOrphanedSegments();
  Status RemoveLeftovers();
  Status NoteCleanEnd();
  void StartCompactor();
  uint64_t VersionKeptForFeeds();
  bool MoveFeedFloor(uint64_t taken, uint64_t floor);
  uint64_t VersionKept();
  Status VerifyManifest(VerifyReport* report) const;
  Status VerifyHeaders(const std::vector<CheckedSegment>& segments, VerifyReport* report) const;

  // --- Writing.
  // An operation on its way into the log.
  struct Prepared {
    KeyHash hash;
    RecordHeader header;
    uint32_t body_crc = 0;
    std::string_view stored;     // the value as it will lie in the log
    uint64_t compressed_at = 0;  // where it is in the batch's scratch, while that may still move
    bool compressed = false;
    bool logged = true;            // false for what changes nothing
    bool finish_crc_late = false;  // the header depends on the state under the latch
  };
  // What is known of a key while a batch is resolved.
  struct KeyState {
    bool live = false;
    bool indexed = false;  // live or expired
    uint64_t deadline_ms = 0;
  };
  Status RefuseWrite() const;
  Status CheckSizes(const Operation& operation) const;
  Status PrepareAll(const Operation* operations, uint32_t count, std::vector<Prepared>* prepared,
                    ReadBuffer* scratch) const;
  void Prepare(const Operation& operation, Prepared* prepared, ReadBuffer* scratch) const;
  void FinishPrepare(const Operation& operation, const ReadBuffer& scratch, Prepared* prepared) const;
  Status CheckGuards(const Operation* operations, const std::vector<Prepared>& prepared, uint32_t count, DiskWait wait,
                     Commit* commit);
  Status GuardHolds(const Operation& operation, const KeyHash& hash, DiskWait wait, bool* holds);
  KeyState StateOf(const KeyHash& hash, uint64_t now_ms) const;
  void Resolve(Operation* operations, std::vector<Prepared>* prepared, uint32_t count);
  void ResolveOne(Operation* operation, Prepared* prepared, KeyState* state, uint64_t now_ms) const;
  Status Log(std::vector<Prepared>* prepared, Operation* operations, Commit* commit, bool* retry);
  SlotTable::Known Install(const Prepared& prepared, const Reservation& reservation, uint64_t lsn, uint64_t offset);
  Status WarmUpGuards(const Operation* operations, uint32_t count);

  // The key of an entry, if that is still there and has still expired (or has not).
  Status ReadKeyOf(uint16_t slot, const Fingerprint& fingerprint, bool expired, ReadBuffer* key, bool* found);
  void CollectDue(size_t keys_max);
  void TakeDue(size_t keys_max, std::vector<ExpiredKey>* expired);
  bool HasDue(size_t keys_max);
  Status DeleteExpired(const std::vector<ExpiredKey>& expired, size_t* next, ReadBuffer* keys, uint32_t* removed,
                       Commit* commit, Status* unreadable);

  // --- Reading.
  // Everything needed to read a record after the latch is released.
  struct Found {
    Location location;
    uint64_t deadline_ms = 0;
    Segment* segment = nullptr;
    PendingRecord pending;
  };
  KeyHash Hash(std::string_view key) const { return HashKey(manifest_.hash_seed, key); }
  // REQUIRES: the slot's latch. A location is found only when the entry has not expired.
  void Locate(const KeyHash& hash, Found* found);
  void Hold(Found* found);
  static void PrefetchRecord(const Found& found);
  static RecordSource SourceOf(const Found& found);
  bool Expired(uint64_t deadline_ms) const { return deadline_ms != 0 && deadline_ms <= clock_->NowMs(); }
  bool IsResident(const Found& found) const;
  Status Read(const Found& found, std::string_view key, ReadBuffer* value, RecordHeader* header);
  Status RefuseRead() const;

  Env* const env_;
  const std::string path_;
  const Options options_;
  std::unique_ptr<DirectoryLock> lock_;
  ManifestState manifest_;
  SegmentTable segments_;
  mutable Index index_;
  SlotLoads loads_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<CommitLog> log_;        // null when read-only
  std::unique_ptr<Compactor> compactor_;  // null when read-only
  BackupProgress backup_progress_;
  std::mutex feeds_mutex_;
  std::atomic<uint64_t> feed_floor_{0};  // written under feeds_mutex_
  std::vector<const LogFeed*> feeds_;    // guarded by feeds_mutex_
  std::mutex due_mutex_;
  std::vector<ExpiredKey> due_;  // earliest deadlines first, of which due_taken_ are taken; guarded by due_mutex_
  size_t due_taken_ = 0;         // likewise
  ReaderPool readers_;
  std::atomic<bool> closed_{false};
  std::mutex close_mutex_;  // held by Close
  Status close_status_;     // guarded by close_mutex_

  mutable std::atomic<uint64_t> inline_reads_{0};
  mutable std::atomic<uint64_t> cold_reads_{0};
  // Set before the store is shared.
  uint32_t epoch_ = 0;
  uint64_t open_ms_ = 0;
  OpenCounts open_counts_;
  uint64_t open_last_lsn_ = 0;
  uint64_t open_durable_lsn_ = 0;
  uint64_t open_rewritten_bytes_ = 0;
  bool clean_open_ = false;
};

}  // namespace crabkv
