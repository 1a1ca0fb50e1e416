// The writer thread of the commit log: takes groups in order, writes and (in SyncMode::kAlways) syncs them, and settles
// their fate. Everything that undoes happens here, so that there is one place where a group can fail.
#include "native/core/commit_log.h"

#include <algorithm>

namespace crabkv {

namespace {
// After so much of a segment compaction looks for work: small logs are looked after early, fast ones not all the time.
constexpr uint64_t kGrowthShare = 64;
constexpr uint64_t kGrowthBytesMin = 128 << 10;
// After so many times as many segments as make a sync due, writes wait.
constexpr uint64_t kUnsyncedStopsTimes = 4;
}  // namespace

void CommitLog::Kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  if (!writer_sleeps_.load(std::memory_order_seq_cst)) return;
  // The writer looks at kicked_ with the mutex held: it has seen it, or it waits by now. Woken with the mutex held by
  // somebody else, it would only go to sleep again.
  { std::lock_guard<std::mutex> lock(writer_mutex_); }
  writer_wakes_.notify_one();
}

// The group to write next; null when the log stops and everything is written.
Group* CommitLog::NextGroup() {
  for (;;) {
    kicked_.exchange(false, std::memory_order_seq_cst);
    if (!failure().ok()) {
      EndByFailure();
      return nullptr;
    }
    const bool watermark = watermark_wanted_.exchange(false, std::memory_order_acq_rel);
    // Looked at before the groups: when it is set, no more records come, and none can between finding no group and
    // ending.
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (Group* group = queue_.TakeSealed(next_group_, watermark); group != nullptr) return group;
    if (stopping) return nullptr;
    std::unique_lock<std::mutex> lock(writer_mutex_);
    writer_sleeps_.store(true, std::memory_order_seq_cst);
    while (!kicked_.load(std::memory_order_seq_cst)) writer_wakes_.wait(lock);
    writer_sleeps_.store(false, std::memory_order_relaxed);
  }
}

void CommitLog::WriterMain() {
  while (Group* group = NextGroup()) {
    WaitForLaggingSync();
    const Status status = WriteGroup(group);
    if (status.ok()) {
      Finish(group);
    } else if (!Settle(status)) {
      break;
    }
    TellRoom();
  }
  TellRoom();  // who waits for it finds the log stopped
}

void CommitLog::TellRoom() {
  if (!queue_.TakeBusyReport()) return;
  std::lock_guard<std::mutex> lock(listeners_mutex_);
  for (CommitListener* listener : listeners_) listener->OnRoom();
}

// Backpressure of the lazy modes: a sync that takes far longer than the promise allows stops the writes behind it, and
// so do syncs that fall behind by more than the next opening could copy.
void CommitLog::WaitForLaggingSync() {
  if (sync_ == SyncMode::kAlways) return;
  constexpr uint64_t kLookEveryMs = 100;
  const uint64_t limit_ms = std::max<uint64_t>(2 * sync_every_ms_, 1000);
  std::unique_lock<std::mutex> lock(sync_mutex_);
  const auto lags = [&] {
    if (UnsyncedBytes() >= kUnsyncedStopsTimes * unsynced_bytes_max_) return true;
    return sync_ == SyncMode::kInterval && sync_began_ms_ != 0 && NowMs() - sync_began_ms_ > limit_ms;
  };
  while (lags() && !syncer_stops_ && failure().ok()) env_->WaitFor(sync_ended_, lock, kLookEveryMs);
}

Status CommitLog::SyncInline(Segment* segment) {
  const Status status = TimedSync(segment);
  if (!status.ok()) SetFailure(status);
  return status;
}

Status CommitLog::RotateTo(Segment* next) {
  Segment* const before = appender_.end().segment;
  CRABKV_RETURN_IF_ERROR(appender_.Rotate(next, durable_lsn(), last_lsn()));
  if (sync_ == SyncMode::kAlways) CRABKV_RETURN_IF_ERROR(SyncInline(before));
  std::lock_guard<std::mutex> lock(sync_mutex_);
  if (sync_ != SyncMode::kAlways) {
    unsynced_.push_back({before, last_lsn(), written_group_.load(std::memory_order_relaxed)});
  }
  current_ = next;
  syncer_wakes_.notify_one();
  return Status::Ok();
}

namespace {
// Whether a group needs space that deletes would not.
bool HasPuts(const Group& group) {
  const uint64_t end = FrameHeader::kBytes + group.bytes();
  for (uint64_t at = FrameHeader::kBytes; at < end;) {
    RecordHeader record;
    CRABKV_ASSERT(DecodeRecordHeader(group.buffer + at, end - at, &record));
    if (record.type == RecordType::kPut) return true;
    at += record.record_bytes();
  }
  return false;
}
}  // namespace

Status CommitLog::RotateAndAppend(Group* group) {
  if (appender_.Rotates(*group)) CRABKV_RETURN_IF_ERROR(RotateTo(group->segment));
  frame_durable_lsn_ = durable_lsn();
  return appender_.Append(group, frame_durable_lsn_);
}

// On a full disk the reserve is for groups that free space.
Status CommitLog::WriteGroup(Group* group) {
  Status status = RotateAndAppend(group);
  if (status.Is(Code::kDiskFull) && failure().ok() && !HasPuts(*group) && disk_.GiveUpReserve()) {
    CRABKV_RETURN_IF_ERROR(appender_.CutBack());
    status = RotateAndAppend(group);
  }
  if (status.Is(Code::kDiskFull)) disk_.MarkFull();
  if (status.ok() && sync_ == SyncMode::kAlways) status = SyncInline(group->segment);
  return status;
}

// True once in each segment: when it is half full.
bool CommitLog::WantsSegmentAhead() {
  const FrameAppender::End& end = appender_.end();
  if (end.offset * 2 <= segment_bytes_ || asked_ahead_in_ == end.segment) return false;
  asked_ahead_in_ = end.segment;
  return true;
}

// The group is in the file: readers find it there from here on.
void CommitLog::Finish(Group* group) {
  const uint64_t number = group->number.load(std::memory_order_relaxed);
  const uint64_t records = group->records();
  const uint64_t bytes = group->bytes();
  // LSNs that were undone before an empty group are in no frame: nothing may say that they were written.
  const uint64_t last = records == 0 ? last_lsn() : group->base_lsn + records - 1;
  group->segment->last_lsn.store(last, std::memory_order_release);
  group->segment->written.store(appender_.end().offset, std::memory_order_release);
  const bool wants_space = appender_.wants_space();
  queue_.Release(group);
  next_group_ = number + 1;
  if (records != 0) {
    groups_.fetch_add(1, std::memory_order_relaxed);
    records_.fetch_add(records, std::memory_order_relaxed);
    record_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  persisted_durable_lsn_.store(frame_durable_lsn_, std::memory_order_relaxed);
  written_lsn_.store(last, std::memory_order_release);
  written_group_.store(number, std::memory_order_release);
  acknowledged_lsn_.store(last, std::memory_order_release);
  if (sync_ == SyncMode::kAlways) AnnounceDurable(number, last);
  AnnounceAcknowledged(number);
  {
    std::lock_guard<std::mutex> lock(sync_mutex_);
    current_ = appender_.end().segment;
    if (records != 0) last_write_ms_ = NowMs();
    WakeSyncer();
  }
  growth_bytes_ += bytes;
  if (growth_bytes_ >= std::max(segment_bytes_ / kGrowthShare, kGrowthBytesMin)) {
    growth_bytes_ = 0;
    hooks_.on_growth();
  }
  if (wants_space || WantsSegmentAhead() || disk_.reserve_missing()) {
    std::lock_guard<std::mutex> lock(prepare_mutex_);
    prepare_wanted_ = true;
    preparer_wakes_.notify_one();
  }
}

namespace {
Status StickyError(const Status& cause) {
  return cause.WithCode(Code::kFailed, "the store takes no writes until it is reopened: ");
}
Status Indeterminate(const Status& cause) {
  return cause.WithCode(Code::kIndeterminate, "the write may or may not be there after reopening: ");
}
}  // namespace

// This group and everything behind it is undone in memory, and nothing is accepted any more: callers get `refusal`, or
// try again when it is OK. The last of these groups.
uint64_t CommitLog::Undo(uint64_t first_number, const Status& refusal) {
  const uint64_t last_number = queue_.Stop(refusal);
  // Nothing to undo when the log was stopped behind the last group.
  if (first_number <= last_number) {
    // Before and after: whoever looks twice must not miss one that was under way at either look.
    rollbacks_.fetch_add(1, std::memory_order_acq_rel);
    hooks_.undo_from(queue_.At(first_number)->base_lsn);
    AnnounceTakenBack(first_number, last_number);
    std::lock_guard<std::mutex> lock(fate_mutex_);
    rollbacks_.fetch_add(1, std::memory_order_acq_rel);
    fate_changed_.notify_all();
  }
  for (uint64_t number = first_number; number <= last_number; number++) queue_.Release(queue_.At(number));
  next_group_ = last_number + 1;
  return last_number;
}

void CommitLog::EndByFailure() {
  const Status cause = failure();
  const uint64_t first_number = next_group_;
  const uint64_t last_number = Undo(first_number, StickyError(cause));
  AnnounceFailed(first_number, last_number, Indeterminate(cause));
}

// Whoever is told that a write failed must not find it after a power cut: its frame may have reached the file whole.
Status CommitLog::CutBackDurably() {
  CRABKV_RETURN_IF_ERROR(appender_.CutBack());
  // A sync may have failed meanwhile: the file is not synced again, or what that one lost would pass for durable.
  CRABKV_RETURN_IF_ERROR(failure());
  CRABKV_RETURN_IF_ERROR(TimedSync(appender_.end().segment));
  return failure();
}

// The fate of a group that was not written. A failed write leaves the log usable if the file can be cut back to its
// last whole frame; a failed sync never does.
bool CommitLog::Settle(const Status& status) {
  if (!failure().ok()) {
    EndByFailure();
    return false;
  }
  const uint64_t first_number = next_group_;
  const uint64_t last_number = Undo(first_number, Status::Ok());
  // Before the cut, because callers must not wait for the disk: what they add meanwhile is written behind it.
  const FrameAppender::End& end = appender_.end();
  queue_.Reopen(end.segment, end.started ? end.offset : GroupQueue::kFirstOffset);
  if (const Status cut = CutBackDurably(); !cut.ok()) {
    // What could not be cut off, or not for sure, may be found by the next opening.
    SetFailure(cut);
    AnnounceFailed(first_number, Undo(next_group_, StickyError(cut)), Indeterminate(cut));
    return false;
  }
  AnnounceFailed(first_number, last_number, status);
  if (failure().ok()) PassFailed(last_number);
  return true;  // also when a sync has failed just now: NextGroup takes back what has come since
}

// The fate of all groups up to this one is decided, and what of them is in the log is as durable as it was: whoever
// waits for "everything so far" must not wait for the next write.
void CommitLog::PassFailed(uint64_t last_number) {
  written_group_.store(last_number, std::memory_order_release);
  if (sync_ == SyncMode::kAlways) AnnounceDurable(last_number, durable_lsn());
  AnnounceAcknowledged(last_number);
  std::lock_guard<std::mutex> lock(sync_mutex_);
  WakeSyncer();
}

}  // namespace crabkv
