// The commit log's other two threads. The syncer makes written groups durable in the lazy modes, has a watermark frame
// written after 50 ms of idleness, and rotates the residency bitmaps. The preparer zeroes space and makes segments
// ahead of the writer.
#include "native/core/commit_log.h"

#include <algorithm>

namespace crabkv {

namespace {
constexpr uint64_t kIdleMs = 50;          // after which a watermark frame vouches for the last frames
constexpr uint64_t kResidencyMs = 30000;  // an epoch of the residency bitmaps
constexpr uint64_t kNothingToTime = UINT64_MAX;
}  // namespace

void CommitLog::SyncerMain() {
  std::unique_lock<std::mutex> lock(sync_mutex_);
  while (!syncer_stops_) {
    const uint64_t now = NowMs();
    uint64_t wait = kNothingToTime;
    RotateResidency(now);
    if (SyncIsDue(now, &wait)) {
      lock.unlock();
      SyncOnce();
      lock.lock();
      continue;
    }
    const bool times_sync = wait != kNothingToTime;
    if (WatermarkIsDue(now, &wait)) {
      last_write_ms_ = now;  // not again before another idle span
      watermark_wanted_.store(true, std::memory_order_release);
      Kick();
      continue;
    }
    // What is written next may have to be durable before the idle span that it waits for is over.
    syncer_idle_ = sync_ == SyncMode::kInterval ? !times_sync : wait == kNothingToTime;
    env_->WaitFor(syncer_wakes_, lock, std::min(wait, kResidencyMs));
    syncer_idle_ = false;
  }
}

// REQUIRES: sync_mutex_.
bool CommitLog::SyncIsDue(uint64_t now_ms, uint64_t* wait_ms) {
  if (sync_ == SyncMode::kAlways || !failure().ok()) return false;
  const uint64_t written = written_group_.load(std::memory_order_acquire);
  const uint64_t durable = durable_group_.load(std::memory_order_acquire);
  if (durable_wanted_group_ > durable && written >= durable_wanted_group_) return true;
  if (sync_ == SyncMode::kOs) return !unsynced_.empty();
  if (written <= durable) return false;
  if (UnsyncedBytes() >= unsynced_bytes_max_) return true;
  const uint64_t due = last_sync_ms_ + sync_every_ms_;
  if (now_ms >= due) return true;
  *wait_ms = std::min(*wait_ms, due - now_ms);
  return false;
}

// REQUIRES: sync_mutex_.
uint64_t CommitLog::UnsyncedBytes() const {
  uint64_t bytes = 0;
  for (const Unsynced& unsynced : unsynced_) bytes += unsynced.segment->written.load(std::memory_order_relaxed);
  return bytes;
}

// REQUIRES: sync_mutex_. A group was written. That is no reason to wake the syncer each time, but when it slept without
// anything to time and has something now, or when somebody waits for it.
void CommitLog::WakeSyncer() {
  const bool times = sync_ != SyncMode::kOs || persisted_durable_lsn_.load(std::memory_order_relaxed) < durable_lsn();
  if ((syncer_idle_ && times) || durable_wanted_group_ > durable_group_.load()) syncer_wakes_.notify_one();
}

Status CommitLog::SyncSegments(const std::vector<Unsynced>& segments) {
  for (const Unsynced& unsynced : segments) CRABKV_RETURN_IF_ERROR(TimedSync(unsynced.segment));
  return Status::Ok();
}

void CommitLog::SyncOnce() {
  std::unique_lock<std::mutex> lock(sync_mutex_);
  std::vector<Unsynced> segments = unsynced_;
  const size_t sealed = segments.size();
  // In kOs the segment in use is synced only when somebody asked for it.
  if (sync_ == SyncMode::kInterval || durable_wanted_group_ > durable_group_.load(std::memory_order_acquire)) {
    // Group and LSN are read before the sync, and everything up to them lies in these segments.
    const uint64_t group = written_group_.load(std::memory_order_acquire);
    segments.push_back({current_, written_lsn_.load(std::memory_order_acquire), group});
  }
  last_sync_ms_ = NowMs();
  sync_began_ms_ = std::max<uint64_t>(last_sync_ms_, 1);
  lock.unlock();

  const Status status = SyncSegments(segments);

  lock.lock();
  sync_began_ms_ = 0;
  if (status.ok()) unsynced_.erase(unsynced_.begin(), unsynced_.begin() + static_cast<std::ptrdiff_t>(sealed));
  sync_ended_.notify_all();
  lock.unlock();
  if (status.ok()) {
    AnnounceDurable(segments.back().group, segments.back().lsn);
  } else {
    SetFailure(status);
    Kick();  // the writer rolls back
  }
}

// REQUIRES: sync_mutex_.
bool CommitLog::WatermarkIsDue(uint64_t now_ms, uint64_t* wait_ms) {
  if (persisted_durable_lsn_.load(std::memory_order_relaxed) >= durable_lsn() || !failure().ok()) return false;
  const uint64_t due = last_write_ms_ + kIdleMs;
  if (now_ms >= due) return queue_.IsEmpty(written_group_.load(std::memory_order_acquire) + 1);
  *wait_ms = std::min(*wait_ms, due - now_ms);
  return false;
}

// REQUIRES: sync_mutex_.
void CommitLog::RotateResidency(uint64_t now_ms) {
  if (now_ms - last_residency_ms_ < kResidencyMs) return;
  last_residency_ms_ = now_ms;
  segments_->ForEach([](Segment* segment) { segment->resident.Rotate(); });
}

void CommitLog::PreparerMain() {
  std::unique_lock<std::mutex> lock(prepare_mutex_);
  for (;;) {
    while (!prepare_wanted_ && !preparer_stops_) preparer_wakes_.wait(lock);
    if (preparer_stops_) return;
    prepare_wanted_ = false;
    lock.unlock();
    disk_.Restore();
    if (!disk_.full()) {
      space_.MakeNext();
      if (PastHalfOfSegment()) maker_.Prepare();
    }
    lock.lock();
  }
}

bool CommitLog::PastHalfOfSegment() {
  std::lock_guard<std::mutex> lock(sync_mutex_);
  return current_->written.load(std::memory_order_acquire) * 2 > segment_bytes_;
}

}  // namespace crabkv
