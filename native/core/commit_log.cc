// The commit log's face to its callers: starting and stopping, waiting, listeners, and the announcing of fates.
#include "native/core/commit_log.h"

#include <algorithm>

namespace crabkv {

namespace {
constexpr size_t kFailedRangesMax = 1024;

// A segment may be larger than the option says, by a batch: bytes count, not segments.
uint64_t UnsyncedBytesMax(uint64_t segment_bytes) { return std::min<uint64_t>(uint64_t{1} << 30, 16 * segment_bytes); }

GroupQueue::Limits LimitsOf(const Options& options) {
  GroupQueue::Limits limits;
  limits.segment_bytes = options.segment_bytes;
  limits.group_bytes =
      std::max<uint64_t>(64 << 10, std::min<uint64_t>({8 << 20, options.segment_bytes, options.pending_bytes_max / 4}));
  limits.pending_bytes_max = options.pending_bytes_max;
  return limits;
}
}  // namespace

uint64_t StandardSegmentCapacity(const Options& options) {
  const GroupQueue::Limits limits = LimitsOf(options);
  return (limits.segment_bytes + limits.group_bytes + GroupQueue::kSealBytes + 4095) & ~uint64_t{4095};
}

CommitLog::CommitLog(Env* env, std::string directory, const Options& options, SegmentTable* segments, Clock* clock,
                     CommitLogHooks hooks, const LogStart& start)
    : env_(env),
      directory_(std::move(directory)),
      sync_(options.sync),
      sync_every_ms_(options.sync_every_ms),
      segments_(segments),
      hooks_(std::move(hooks)),
      maker_(env, directory_, start.store_id, start.next_segment_number),
      space_(options.sync != SyncMode::kOs),
      disk_(env, directory_),
      queue_(LimitsOf(options), segments, &maker_),
      appender_(clock, &maker_, &space_, start.epoch),
      written_lsn_(start.next_lsn - 1),
      acknowledged_lsn_(start.next_lsn - 1),
      durable_lsn_(start.durable_lsn),
      current_(start.end.segment),
      segment_bytes_(options.segment_bytes),
      unsynced_bytes_max_(UnsyncedBytesMax(options.segment_bytes)) {
  appender_.Start(start.end);
  space_.Begin(start.end.segment, start.end.offset);
  LogPosition position;
  position.segment = start.end.segment;
  position.offset = start.end.started ? start.end.offset : GroupQueue::kFirstOffset;
  position.next_lsn = start.next_lsn;
  // What recovery found is durable; a first frame will say so.
  persisted_durable_lsn_ = start.durable_lsn;
  queue_.Start(position);
}

CommitLog::~CommitLog() {
  const Status ignored = Stop();
  static_cast<void>(ignored);
}

void CommitLog::Start() {
  disk_.Open();
  last_write_ms_ = last_sync_ms_ = last_residency_ms_ = NowMs();
  writer_ = env_->StartThread("crabkv-writer", [this] { WriterMain(); });
  syncer_ = env_->StartThread("crabkv-syncer", [this] { SyncerMain(); });
  preparer_ = env_->StartThread("crabkv-prepare", [this] { PreparerMain(); });
}

Status CommitLog::Stop() {
  if (stopped_) return failure();
  stopped_ = true;
  if (!writer_.joinable()) return failure();
  queue_.Stop(Status::Error(Code::kClosed, "the store is closed"));
  stopping_.store(true, std::memory_order_release);
  {
    // A lagging sync must not hold the writer for ever.
    std::lock_guard<std::mutex> lock(sync_mutex_);
    syncer_stops_ = true;
    syncer_wakes_.notify_all();
    sync_ended_.notify_all();
  }
  Kick();
  writer_.join();
  syncer_.join();
  {
    std::lock_guard<std::mutex> lock(prepare_mutex_);
    preparer_stops_ = true;
    preparer_wakes_.notify_all();
  }
  preparer_.join();
  if (failure().ok()) return SyncAtEnd();
  bool told = false;
  {
    std::lock_guard<std::mutex> lock(fate_mutex_);
    told = failure_told_;
  }
  // A sync that failed after the writer had written everything and ended.
  if (!told) AnnounceNotDurable(failure());
  return failure();
}

Status CommitLog::SyncAtEnd() {
  space_.End();
  Segment* segment = appender_.end().segment;
  unsynced_.push_back({segment, 0, 0});
  Status status = segment->file->Truncate(appender_.end().offset);
  if (status.ok()) status = SyncSegments(unsynced_);
  if (status.ok()) {
    AnnounceDurable(written_group_.load(), written_lsn_.load());
    return status;
  }
  SetFailure(status);
  AnnounceNotDurable(status);
  return status;
}

// All groups were written and acknowledged; those that are not durable never will be.
void CommitLog::AnnounceNotDurable(const Status& status) {
  const uint64_t newest = queue_.newest_number();
  AnnounceFailed(newest + 1, newest,
                 status.WithCode(Code::kIndeterminate, "the write may or may not be there after reopening: "));
}

Status CommitLog::RequestDurable(uint64_t* group) {
  *group = queue_.newest_number();
  std::lock_guard<std::mutex> lock(sync_mutex_);
  if (const Status failed = failure(); !failed.ok()) return failed.WithCode(Code::kFailed, "");
  if (syncer_stops_) return Status::Error(Code::kClosed, "the store is closed");
  // An open group without records is no reason to wait, and nor are groups that failed before.
  if (queue_.IsEmpty(*group)) (*group)--;
  *group = LastNotFailed(*group);
  if (*group <= durable_group_.load(std::memory_order_acquire)) {
    *group = 0;
    return Status::Ok();
  }
  durable_wanted_group_ = std::max(durable_wanted_group_, *group);
  syncer_wakes_.notify_one();
  Kick();
  return Status::Ok();
}

uint64_t CommitLog::VisibleGroup() const {
  uint64_t group = queue_.newest_number();
  if (queue_.IsEmpty(group)) group--;
  if (group <= acknowledged_group_.load(std::memory_order_acquire)) return 0;
  group = LastNotFailed(group);
  return group <= acknowledged_group_.load(std::memory_order_acquire) ? 0 : group;
}

Status CommitLog::EndSegment() {
  const uint64_t number = queue_.EndSegment();
  for (;;) {
    CRABKV_RETURN_IF_ERROR(failure());
    CRABKV_RETURN_IF_ERROR(queue_.stopped());
    // Frames without records: one may end the open group, the next begins the segment.
    watermark_wanted_.store(true, std::memory_order_release);
    Kick();
    std::unique_lock<std::mutex> lock(fate_mutex_);
    if (written_group_.load(std::memory_order_acquire) >= number) return Status::Ok();
    env_->WaitFor(fate_changed_, lock, 10);
  }
}

uint64_t CommitLog::LastNotFailed(uint64_t group) const {
  std::lock_guard<std::mutex> lock(fate_mutex_);
  for (auto range = failed_.rbegin(); range != failed_.rend(); ++range) {
    if (group >= range->first && group <= range->last) group = range->first - 1;
  }
  return group;
}

Status CommitLog::WaitFor(uint64_t group, bool durable) {
  CRABKV_ASSERT(queue_.WasGivenOut(group));
  std::unique_lock<std::mutex> lock(fate_mutex_);
  for (;;) {
    for (const FailedRange& range : failed_) {
      if (group >= (durable ? range.first_not_durable : range.first) && group <= range.last) return range.status;
    }
    const auto& mark = durable ? durable_group_ : acknowledged_group_;
    if (mark.load(std::memory_order_acquire) >= group) {
      if (group > forgotten_group_) return Status::Ok();
      return Status::Error(Code::kIndeterminate,
                           "too many writes have failed since: the fate of this one is not remembered");
    }
    fate_changed_.wait(lock);
  }
}

uint64_t CommitLog::RollbacksDone() {
  std::unique_lock<std::mutex> lock(fate_mutex_);
  fate_changed_.wait(lock, [this] { return rollbacks() % 2 == 0; });
  return rollbacks();
}

void CommitLog::AddListener(CommitListener* listener) {
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  listeners_.push_back(listener);
}

void CommitLog::RemoveListener(CommitListener* listener) {
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  listeners_.erase(std::remove(listeners_.begin(), listeners_.end(), listener), listeners_.end());
}

Status CommitLog::failure() const {
  if (!failed_flag_.load(std::memory_order_acquire)) return Status::Ok();
  std::lock_guard<std::mutex> lock(fate_mutex_);
  return failure_;
}

void CommitLog::SetFailure(const Status& status) {
  std::lock_guard<std::mutex> lock(fate_mutex_);
  if (failure_.ok()) failure_ = status;
  failed_flag_.store(true, std::memory_order_release);
}

Status CommitLog::TimedSync(Segment* segment) {
  const uint64_t began = env_->MonotonicNs();
  const Status status = segment->file->Sync();
  const uint64_t took = env_->MonotonicNs() - began;
  syncs_.fetch_add(1, std::memory_order_relaxed);
  sync_ns_total_.fetch_add(took, std::memory_order_relaxed);
  uint64_t longest = sync_ns_max_.load(std::memory_order_relaxed);
  while (longest < took && !sync_ns_max_.compare_exchange_weak(longest, took, std::memory_order_relaxed)) {
  }
  return status;
}

void CommitLog::AnnounceAcknowledged(uint64_t group) {
  {
    std::lock_guard<std::mutex> lock(fate_mutex_);
    acknowledged_group_.store(group, std::memory_order_release);
    fate_changed_.notify_all();
  }
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  for (CommitListener* listener : listeners_) listener->OnAcknowledged(group);
}

void CommitLog::AnnounceDurable(uint64_t group, uint64_t lsn) {
  {
    std::lock_guard<std::mutex> lock(fate_mutex_);
    durable_lsn_.store(lsn, std::memory_order_release);
    durable_group_.store(group, std::memory_order_release);
    fate_changed_.notify_all();
  }
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  for (CommitListener* listener : listeners_) listener->OnDurable(group);
}

void CommitLog::AnnounceFailed(uint64_t first, uint64_t last, const Status& status) {
  const bool sticky = !failure().ok();
  const uint64_t first_not_durable = sticky ? std::min(first, durable_group_.load() + 1) : first;
  {
    std::lock_guard<std::mutex> lock(fate_mutex_);
    if (failed_.size() == kFailedRangesMax) {
      forgotten_group_ = failed_.front().last;
      failed_.erase(failed_.begin());
    }
    failed_.push_back({first, first_not_durable, last, status});
    failure_told_ = failure_told_ || sticky;
    fate_changed_.notify_all();
  }
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  for (CommitListener* listener : listeners_) listener->OnFailed(first_not_durable, last, status);
}

void CommitLog::AnnounceTakenBack(uint64_t first, uint64_t last) {
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  for (CommitListener* listener : listeners_) listener->OnTakenBack(first, last);
}

void CommitLog::AnnounceCompacted(const CompactionReport& report) {
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  for (CommitListener* listener : listeners_) listener->OnCompacted(report);
}

void CommitLog::AddStats(StoreStats* stats) const {
  stats->last_version = written_lsn_.load(std::memory_order_acquire);
  stats->acknowledged_version = acknowledged_lsn();
  stats->durable_version = durable_lsn();
  stats->commit_groups = groups_.load(std::memory_order_relaxed);
  stats->committed_records = records_.load(std::memory_order_relaxed);
  stats->committed_bytes = record_bytes_.load(std::memory_order_relaxed);
  stats->syncs = syncs_.load(std::memory_order_relaxed);
  stats->sync_ns_total = sync_ns_total_.load(std::memory_order_relaxed);
  stats->sync_ns_max = sync_ns_max_.load(std::memory_order_relaxed);
  stats->raw_value_bytes = appender_.raw_value_bytes();
  stats->stored_value_bytes = appender_.stored_value_bytes();
  stats->pending_bytes = queue_.pending_bytes();
  stats->disk_full = disk_.full();
}

}  // namespace crabkv
