#include "native/core/compactor.h"

#include <algorithm>

namespace crabkv {

namespace {
constexpr uint64_t kStepBytes = 1 << 20;         // read between two pauses
constexpr uint64_t kRestMs = 200;                // a log that has not grown for so long is at rest
constexpr uint64_t kReplacedWaitMs = 50;         // between two looks at whether readers still hold replaced segments
constexpr uint64_t kPatientSegments = 4;         // on a disk with room for fewer, nothing waits
constexpr uint64_t kFreeSlackBytes = 128 << 10;  // besides the records: MANIFEST, headers, rounding to blocks
}  // namespace

Compactor::Compactor(CompactionTarget target, std::function<uint64_t()> kept_version)
    : target_(std::move(target)),
      hints_(target_.env, target_.directory, target_.manifest, target_.segments, target_.log),
      dead_(target_.index, target_.segments, target_.log),
      kept_version_(std::move(kept_version)) {
  for (const CompactedSegment& segment : target_.manifest->compacted) {
    next_number_ = std::max(next_number_, segment.number + 1);
  }
  target_.next_number = &next_number_;
  target_.dead = &dead_;
  target_.go_on = [this](uint64_t bytes_read) { return GoOn(bytes_read); };
}

void Compactor::Start() {
  thread_ = target_.env->StartThread("crabkv-compact", [this] { Main(); });
}

void Compactor::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    wakes_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Compactor::Poke() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (poked_) return;
    poked_ = true;
  }
  wakes_.notify_all();
}

void Compactor::Main() {
  // Nobody waits for most of what it does, and somebody waits for each of the other threads.
  target_.env->LowerThreadPriority();
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (!requests_.empty()) {
      lock.unlock();
      AnswerRequests();
    } else if (!works_.empty()) {
      lock.unlock();
      RunWork();
    } else if (poked_) {
      poked_ = false;
      poked_ns_ = target_.env->MonotonicNs();
      lock.unlock();
      hints_.Look();
      dead_.Collect();
      if (target_.options->auto_compaction) RunAutomatic(true);
    } else if (postponed_ && AtRest()) {
      lock.unlock();
      RunAutomatic(false);
    } else {
      Sleep(&lock);
      lock.unlock();
      // What is about to be compacted needs none.
      if (!postponed_) KeepHints();
    }
    CloseReplaced();
    lock.lock();
  }
  std::vector<Pending> left;
  left.swap(requests_);
  std::deque<Work> works;
  works.swap(works_);
  lock.unlock();
  for (const Work& work : works) work.done(Status::Error(Code::kClosed, "the store is closed"));
  for (const Pending& request : left) {
    request.done(Status::Error(Code::kClosed, "the store is closed"), CompactionReport());
  }
}

bool Compactor::AtRest() const { return target_.env->MonotonicNs() - poked_ns_ >= kRestMs * 1000000; }

// Virtual time stands still while there is nothing to wait for.
void Compactor::Sleep(std::unique_lock<std::mutex>* lock) {
  if (!replaced_.empty()) {
    target_.env->WaitFor(wakes_, *lock, kReplacedWaitMs);
  } else if (postponed_) {
    target_.env->WaitFor(wakes_, *lock, kRestMs);
  } else if (hints_.missing()) {
    target_.env->WaitFor(wakes_, *lock, HintKeeper::kLookMs);
  } else {
    wakes_.wait(*lock);
  }
}

Compactor::View Compactor::Look() const {
  View view;
  view.pins = target_.segments->PinAll();
  // Looked at once: the log's first frame may be written meanwhile, in a segment that then takes more of them.
  std::vector<bool> has_frames;
  for (const SegmentPin& pin : view.pins) has_frames.push_back(pin.get()->has_frames());
  // What lies before a segment with frames takes no more of them.
  size_t open = view.pins.size();
  for (size_t i = 0; i < view.pins.size(); i++) {
    if (view.pins[i].get()->is_log() && has_frames[i]) open = i;
  }
  const uint64_t kept = kept_version_();
  bool can = true;
  uint64_t last_lsn = 0;
  for (size_t i = 0; i < view.pins.size(); i++) {
    const Segment& segment = *view.pins[i].get();
    if (!has_frames[i]) continue;
    PlannedSegment planned;
    planned.bytes = segment.written.load(std::memory_order_acquire);
    planned.live_bytes =
        static_cast<uint64_t>(std::max<int64_t>(0, segment.live_bytes.load(std::memory_order_relaxed)));
    planned.last_lsn = segment.last_lsn.load(std::memory_order_acquire);
    can = can && i < open && planned.last_lsn <= kept;
    const bool has_records = planned.last_lsn > last_lsn;
    last_lsn = planned.last_lsn;
    if (!can) {
      view.open_has_records = view.open_has_records || has_records;
      view.log.open_bytes += planned.bytes;
      view.log.open_live_bytes += planned.live_bytes;
      continue;
    }
    planned.marker_bytes = segment.counts.marker_bytes();
    planned.hint_bytes = segment.hint_bytes.load(std::memory_order_relaxed);
    planned.is_log = segment.is_log();
    planned.horizon = segment.compacted == nullptr ? 0 : segment.compacted->horizon;
    view.log.segments.push_back(planned);
    view.places.push_back(i);
  }
  return view;
}

PlanLimits Compactor::Limits() const {
  const Options& options = *target_.options;
  PlanLimits limits;
  limits.dead_percent = options.compaction_dead_percent;
  limits.log_bytes_min = options.compaction_log_bytes_min;
  limits.segment_bytes = options.segment_bytes;
  limits.moved_bytes_max = options.segment_bytes;
  uint64_t available = 0;
  if (target_.env->FreeSpace(target_.directory, &available).ok()) {
    limits.free_bytes = available > kFreeSlackBytes ? available - kFreeSlackBytes : 0;
  }
  return limits;
}

// The log's own end may be what is dead.
bool Compactor::EndSegmentForSpace(const View& view) {
  const PlannedLog end = {{}, view.log.open_bytes, view.log.open_live_bytes};
  return NeedsCompaction(end, Limits()) && target_.log->EndSegment().ok();
}

// Given up, or writes were undone, or the disk is full: the log's next growth tries again.
void Compactor::RunAutomatic(bool growing) {
  postponed_ = false;
  if (!failure_.ok()) return;
  bool ended_segment = false;
  while (GoOn(0)) {
    if (SomebodyWaits()) return;
    CloseReplaced();
    View view = Look();
    const PlanLimits limits = Limits();
    bool needed = NeedsCompaction(view.log, limits);
    if (needed && growing && limits.free_bytes >= kPatientSegments * limits.segment_bytes) {
      postponed_ = true;
      view.log = WithoutNewest(std::move(view.log), limits);
      needed = NeedsCompaction(view.log, limits);
    }
    Plan plan;
    if (needed) {
      plan = PlanForSpace(view.log.segments, limits);
      if (plan.count == 0 && !ended_segment && EndSegmentForSpace(view)) {
        ended_segment = true;
        continue;
      }
    }
    if (plan.count == 0) plan = PlanMerge(view.log.segments, limits);
    if (plan.count == 0) return;
    CompactionReport total;
    const Status status = RunPlan(view, plan, &total);
    if (!status.ok() && !status.Is(Code::kAborted)) return;
  }
}

Status Compactor::RunRequested(CompactionReport* total) {
  CRABKV_RETURN_IF_ERROR(failure_);
  if (const Status failed = target_.log->failure(); !failed.ok()) {
    return failed.WithCode(Code::kFailed, "the store takes no writes until it is reopened: ");
  }
  uint64_t until_lsn = 0;
  target_.index->UnderAllLatches([&] {
    uint64_t group = 0;
    LogPosition end;
    target_.log->queue().Position(&group, &end);
    until_lsn = end.next_lsn - 1;
  });
  uint64_t done_lsn = 0;
  Status status = Status::Ok();
  // What the log's last segment holds is looked through, too, unless it is all live.
  const View before = Look();
  if (before.open_has_records && before.log.open_live_bytes + before.log.open_bytes / 64 < before.log.open_bytes)
    status = target_.log->EndSegment();
  while (status.ok()) {
    CloseReplaced();
    const View view = Look();
    std::vector<PlannedSegment> segments = view.log.segments;
    while (!segments.empty() && segments.back().last_lsn > until_lsn) segments.pop_back();
    const Plan plan = PlanSweep(segments, done_lsn, Limits());
    if (plan.count == 0) break;
    status = RunPlan(view, plan, total);
    if (status.Is(Code::kAborted)) {
      status = Status::Ok();
      continue;
    }
    done_lsn = segments[plan.first + plan.count - 1].last_lsn;
  }
  return status;
}

Status Compactor::RunChosen(const Pending& request, CompactionReport* total) {
  CRABKV_RETURN_IF_ERROR(failure_);
  for (;;) {
    const View view = Look();
    if (view.log.segments.empty()) return Status::Ok();
    Plan plan;
    plan.first = request.first % view.log.segments.size();
    plan.count = std::min<size_t>(request.count, view.log.segments.size() - plan.first);
    const Status status = RunPlan(view, plan, total);
    if (!status.Is(Code::kAborted)) return status;
  }
}

Status Compactor::RunPlan(const View& view, const Plan& plan, CompactionReport* total) {
  CompactionReport report;
  busy_.store(true, std::memory_order_relaxed);
  Status status = RunOnce(view, plan, &report);
  // The reserve is for what frees space.
  if (status.Is(Code::kDiskFull) && plan.freed_bytes > plan.moved_bytes && target_.log->disk().GiveUpReserve()) {
    status = RunOnce(view, plan, &report);
  }
  busy_.store(false, std::memory_order_relaxed);
  if (!status.ok()) return status;
  report.compactions = 1;
  total->Add(report);
  compactions_.fetch_add(1, std::memory_order_relaxed);
  bytes_read_.fetch_add(report.bytes_read, std::memory_order_relaxed);
  bytes_written_.fetch_add(report.bytes_written, std::memory_order_relaxed);
  records_dropped_.fetch_add(report.records_dropped, std::memory_order_relaxed);
  target_.log->AnnounceCompacted(report);
  return status;
}

Status Compactor::RunOnce(const View& view, const Plan& plan, CompactionReport* report) {
  const size_t first = view.places[plan.first];
  const size_t last = view.places[plan.first + plan.count - 1];
  step_began_ns_ = target_.env->MonotonicNs();
  // While keys are overwritten fast, what is written now will soon be read again, and nothing of it stay.
  const bool writes_hints = requested_ || !hints_.LogIsBusy();
  Compaction compaction(target_, view.pins, first, last - first + 1, writes_hints);
  bool broken = false;
  const Status status = compaction.Run(&broken);
  if (broken || status.Is(Code::kCorruption)) failure_ = status;
  CRABKV_RETURN_IF_ERROR(status);
  replaced_.insert(replaced_.end(), compaction.inputs().begin(), compaction.inputs().end());
  if (!writes_hints) hints_.Look();
  *report = compaction.report();
  return status;
}

// Between steps: whether to go on, after a pause that keeps to the share.
bool Compactor::GoOn(uint64_t bytes_read) {
  if (step_bytes_ + bytes_read >= kStepBytes) dead_.Collect();
  std::unique_lock<std::mutex> lock(mutex_);
  return Pace(&lock, bytes_read) && !(requested_ && running_.empty());
}

// REQUIRES: mutex_ is held by `lock`.
bool Compactor::Pace(std::unique_lock<std::mutex>* lock, uint64_t bytes_read) {
  step_bytes_ += bytes_read;
  const uint64_t share = target_.options->compaction_io_percent;
  if (step_bytes_ < kStepBytes) return !stopping_;
  step_bytes_ = 0;
  if (share < 100) {
    const uint64_t worked_ns = target_.env->MonotonicNs() - step_began_ns_;
    const uint64_t until_ns = target_.env->MonotonicNs() + worked_ns * (100 - share) / share;
    for (uint64_t now = 0; !stopping_ && (now = target_.env->MonotonicNs()) < until_ns;) {
      target_.env->WaitFor(wakes_, *lock, (until_ns - now) / 1000000 + 1);
    }
    step_began_ns_ = target_.env->MonotonicNs();
  }
  return !stopping_;
}

// A hint gives way to whatever else there is to do.
void Compactor::KeepHints() {
  step_began_ns_ = target_.env->MonotonicNs();
  hints_.WriteWhileQuiet([this](uint64_t bytes_read) {
    if (!GoOn(bytes_read)) return false;
    std::lock_guard<std::mutex> lock(mutex_);
    return requests_.empty() && works_.empty();
  });
}

void Compactor::WriteLastHints(uint64_t limit_ms) {
  const uint64_t until_ns = target_.env->MonotonicNs() + limit_ms * 1'000'000;
  hints_.Write([&](uint64_t) { return target_.env->MonotonicNs() < until_ns; });
}

void Compactor::CloseReplaced() {
  if (replaced_.empty()) return;
  dead_.Collect();  // what died in them: soon their handles are other segments'
  replaced_.erase(std::remove_if(replaced_.begin(), replaced_.end(),
                                 [this](Segment* segment) { return target_.segments->Remove(segment); }),
                  replaced_.end());
}

void Compactor::AddStats(StoreStats* stats) const {
  stats->compacting = busy_.load(std::memory_order_relaxed);
  stats->compactions = compactions_.load(std::memory_order_relaxed);
  stats->compaction_read_bytes = bytes_read_.load(std::memory_order_relaxed);
  stats->compaction_written_bytes = bytes_written_.load(std::memory_order_relaxed);
  stats->compaction_dropped_records = records_dropped_.load(std::memory_order_relaxed);
}

}  // namespace crabkv
