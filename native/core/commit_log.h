// The write-ahead log at work: the writer thread turns groups into frames and decides their fate, the syncer makes lazy
// modes durable and notes idleness, the preparer makes space and segments ahead. When a write or a sync fails, the
// writer thread takes back in memory what was not acknowledged (see Settle).
//
// Acknowledged means durable in SyncMode::kAlways, written to the operating system in the others.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "native/core/clock.h"
#include "native/core/disk_space.h"
#include "native/core/env.h"
#include "native/core/frame_appender.h"
#include "native/core/group_queue.h"
#include "native/core/options.h"
#include "native/core/store.h"

namespace crabkv {

// What recovery hands over.
struct LogStart {
  FrameAppender::End end;
  uint64_t next_lsn = 1;
  uint64_t durable_lsn = 0;
  uint64_t next_segment_number = 1;
  uint32_t epoch = 1;
  StoreId store_id;
};

// The capacity of a segment that no single large group needed.
uint64_t StandardSegmentCapacity(const Options& options);

// What the log asks of the store; called on the writer thread, no lock held.
struct CommitLogHooks {
  // Takes back every change in memory with this LSN or a higher one.
  std::function<void(uint64_t)> undo_from;
  // The log is a good deal longer than at the last call.
  std::function<void()> on_growth;
};

class CommitLog {
 public:
  CommitLog(Env* env, std::string directory, const Options& options, SegmentTable* segments, Clock* clock,
            CommitLogHooks hooks, const LogStart& start);
  ~CommitLog();

  void Start();
  // Writes and syncs all that was accepted, stops the threads, cuts the space made ahead. Idempotent: one caller at a
  // time. The failure, if there is one.
  Status Stop();

  GroupQueue& queue() { return queue_; }
  DiskSpace& disk() { return disk_; }
  // Wakes the writer.
  void Kick();
  Status RequestDurable(uint64_t* group);
  Status WaitFor(uint64_t group, bool durable);
  void AddListener(CommitListener* listener);
  void RemoveListener(CommitListener* listener);

  // See Store::VisibleGroup.
  uint64_t VisibleGroup() const;
  uint64_t acknowledged_lsn() const { return acknowledged_lsn_.load(std::memory_order_acquire); }
  uint64_t durable_lsn() const { return durable_lsn_.load(std::memory_order_acquire); }
  Status failure() const;
  // Changes whenever changes are taken back in memory, at the beginning and at the end of that.
  uint64_t rollbacks() const { return rollbacks_.load(std::memory_order_acquire); }
  // The same, between two of them: listeners have been told of all that there were. Waits for one that is under way.
  uint64_t RollbacksDone();
  // Has the log go on in a new segment and waits for that. May block.
  Status EndSegment();
  void AnnounceCompacted(const CompactionReport& report);
  // After Stop.
  const FrameAppender::End& end() const { return appender_.end(); }
  uint64_t last_lsn() const { return written_lsn_.load(std::memory_order_acquire); }
  void AddStats(StoreStats* stats) const;

 private:
  // A segment whose bytes up to a point are not synced yet.
  struct Unsynced {
    Segment* segment;
    uint64_t lsn;
    uint64_t group;
  };
  // Groups that failed: [first, last] were not acknowledged, [first_not_durable, last] will not become durable. Empty
  // and [first_not_durable, last] when all of them were acknowledged before (in a lazy mode, when a sync fails).
  struct FailedRange {
    uint64_t first;
    uint64_t first_not_durable;
    uint64_t last;
    Status status;
  };

  // --- Writer thread (log_writer.cc).
  void WriterMain();
  Group* NextGroup();
  void WaitForLaggingSync();
  Status WriteGroup(Group* group);
  Status RotateTo(Segment* next);
  Status RotateAndAppend(Group* group);
  Status SyncInline(Segment* segment);
  bool WantsSegmentAhead();
  void Finish(Group* group);
  // Whether the log goes on.
  bool Settle(const Status& status);
  uint64_t Undo(uint64_t first_number, const Status& refusal);
  void EndByFailure();
  void TellRoom();
  Status CutBackDurably();
  void PassFailed(uint64_t last_number);

  // --- Syncer thread (log_syncer.cc).
  void SyncerMain();
  bool SyncIsDue(uint64_t now_ms, uint64_t* wait_ms);
  uint64_t UnsyncedBytes() const;
  void WakeSyncer();
  void SyncOnce();
  Status SyncSegments(const std::vector<Unsynced>& segments);
  bool WatermarkIsDue(uint64_t now_ms, uint64_t* wait_ms);
  void RotateResidency(uint64_t now_ms);

  // --- Preparer thread (log_syncer.cc).
  void PreparerMain();
  bool PastHalfOfSegment();

  Status SyncAtEnd();
  void AnnounceNotDurable(const Status& status);
  // The newest group up to `group` that did not fail to be written.
  uint64_t LastNotFailed(uint64_t group) const;

  Status TimedSync(Segment* segment);
  void SetFailure(const Status& status);
  void AnnounceAcknowledged(uint64_t group);
  void AnnounceDurable(uint64_t group, uint64_t lsn);
  void AnnounceTakenBack(uint64_t first, uint64_t last);
  void AnnounceFailed(uint64_t first, uint64_t last, const Status& status);
  uint64_t NowMs() const { return env_->MonotonicNs() / 1000000; }

  Env* const env_;
  const std::string directory_;
  const SyncMode sync_;
  const uint64_t sync_every_ms_;
  SegmentTable* const segments_;
  const CommitLogHooks hooks_;

  SegmentMaker maker_;
  SpaceAhead space_;
  DiskSpace disk_;
  GroupQueue queue_;
  FrameAppender appender_;  // writer thread

  // Watermarks. Each is raised by one thread: written_ by the writer, durable_ by whoever syncs (writer in kAlways).
  std::atomic<uint64_t> written_lsn_;
  std::atomic<uint64_t> written_group_{0};
  std::atomic<uint64_t> acknowledged_lsn_;
  std::atomic<uint64_t> acknowledged_group_{0};
  std::atomic<uint64_t> durable_lsn_;
  std::atomic<uint64_t> durable_group_{0};
  std::atomic<uint64_t> persisted_durable_lsn_{0};  // the highest durable LSN that a frame on disk tells

  // Writer's wake-up: a flag, and a condition only for when it sleeps.
  std::atomic<bool> kicked_{false};
  std::atomic<bool> writer_sleeps_{false};
  std::atomic<bool> watermark_wanted_{false};
  std::atomic<bool> stopping_{false};
  std::mutex writer_mutex_;
  std::condition_variable writer_wakes_;
  uint64_t next_group_ = 1;                  // writer thread
  const Segment* asked_ahead_in_ = nullptr;  // writer thread: see WantsSegmentAhead
  uint64_t frame_durable_lsn_ = 0;           // writer thread: what the last frame tells
  uint64_t growth_bytes_ = 0;                // writer thread: since hooks_.on_growth

  // Syncer. Guarded by sync_mutex_ unless atomic.
  std::mutex sync_mutex_;
  std::condition_variable syncer_wakes_;
  std::condition_variable sync_ended_;
  std::vector<Unsynced> unsynced_;  // sealed segments, oldest first
  Segment* current_ = nullptr;      // segment of the last frame
  uint64_t durable_wanted_group_ = 0;
  uint64_t last_write_ms_ = 0;
  uint64_t last_sync_ms_ = 0;
  uint64_t last_residency_ms_ = 0;
  uint64_t sync_began_ms_ = 0;  // 0: none is running
  bool syncer_idle_ = false;    // it waits for nothing in particular
  bool syncer_stops_ = false;

  // Preparer. Guarded by prepare_mutex_.
  std::mutex prepare_mutex_;
  std::condition_variable preparer_wakes_;
  bool prepare_wanted_ = false;
  bool preparer_stops_ = false;

  // Fates. Guarded by fate_mutex_.
  mutable std::mutex fate_mutex_;
  std::condition_variable fate_changed_;
  std::vector<FailedRange> failed_;  // the latest, bounded: for WaitFor
  uint64_t forgotten_group_ = 0;     // of groups up to here, which ones failed is no longer known
  bool failure_told_ = false;        // AnnounceFailed has told of the sticky failure
  Status failure_;
  std::atomic<bool> failed_flag_{false};

  // Held while listeners are called, so that removal waits for them.
  std::mutex listeners_mutex_;
  std::vector<CommitListener*> listeners_;

  std::atomic<uint64_t> rollbacks_{0};
  std::atomic<uint64_t> groups_{0};
  std::atomic<uint64_t> records_{0};
  std::atomic<uint64_t> record_bytes_{0};
  std::atomic<uint64_t> syncs_{0};
  std::atomic<uint64_t> sync_ns_total_{0};
  std::atomic<uint64_t> sync_ns_max_{0};

  const uint64_t segment_bytes_;
  // So much of sealed segments is synced before it is time to: what is not durable has to be copied after a crash.
  const uint64_t unsynced_bytes_max_;

  std::thread writer_;
  std::thread syncer_;
  std::thread preparer_;
  bool stopped_ = false;
};

}  // namespace crabkv
