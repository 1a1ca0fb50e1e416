#include "native/core/compaction_plan.h"

#include <algorithm>

#include "native/core/format.h"

namespace crabkv {

namespace {
// What every segment has besides records: not dead.
constexpr uint64_t kFixedBytes = SegmentHeader::kBytes + FrameHeader::kBytes + StartPayload::kBytes +
                                 FrameHeader::kBytes + SealPayload::kBytes + Trailer::kBytes;
// Taking a run costs this much however little is moved: files, syncs, a MANIFEST.
constexpr uint64_t kRunCostBytes = 64 << 10;
constexpr size_t kRunSegmentsMax = 64;
// Moving more than eight bytes to free one is not worth it.
constexpr uint64_t kMovedPerFreedMax = 8;
constexpr size_t kMergeSegmentsMin = 4;

uint64_t DeadPutBytes(const PlannedSegment& s) {
  const uint64_t kept = kFixedBytes + s.live_bytes + s.marker_bytes;
  return s.bytes > kept ? s.bytes - kept : 0;
}

// A run that grows to the right. Markers may go when no older segment can hold anything that they make void.
class Run {
 public:
  Run(const std::vector<PlannedSegment>& segments, size_t first) : segments_(segments) {
    plan_.first = first;
    for (size_t i = 0; i < first; i++) horizon_below_ = std::min(horizon_below_, segments[i].horizon);
  }
  void Extend() {
    const PlannedSegment& s = segments_[plan_.first + plan_.count++];
    const uint64_t freed = DeadPutBytes(s) + (horizon_below_ >= s.last_lsn ? s.marker_bytes : 0);
    plan_.freed_bytes += freed;
    plan_.moved_bytes += s.bytes - std::min(s.bytes, freed + kFixedBytes);
  }
  const Plan& plan() const { return plan_; }
  // Whether it moves no more than it may.
  bool Fits(const PlanLimits& limits) const {
    return plan_.moved_bytes <= limits.free_bytes && (plan_.count <= 1 || plan_.moved_bytes <= limits.moved_bytes_max);
  }
  bool at_end() const { return plan_.first + plan_.count == segments_.size() || plan_.count == kRunSegmentsMax; }

 private:
  const std::vector<PlannedSegment>& segments_;
  uint64_t horizon_below_ = UINT64_MAX;
  Plan plan_;
};

bool FreesMore(const Plan& a, const Plan& b) {
  const auto cost = [](const Plan& plan) { return static_cast<double>(plan.moved_bytes + kRunCostBytes); };
  return static_cast<double>(a.freed_bytes) * cost(b) > static_cast<double>(b.freed_bytes) * cost(a);
}

// The highest LSN at which a marker may lie: segments with a horizon below it can keep one from going.
uint64_t LastMarkerLsn(const std::vector<PlannedSegment>& segments) {
  uint64_t last = 0;
  for (const PlannedSegment& s : segments) {
    if (s.marker_bytes != 0) last = s.last_lsn;
  }
  return last;
}

// From `first` on, as far as `take`s and moved_bytes_max go.
template <typename Take>
Plan RunWhile(const std::vector<PlannedSegment>& segments, size_t first, const PlanLimits& limits, Take take) {
  Run run(segments, first);
  Plan taken;
  while (!run.at_end() && take(segments[first + run.plan().count])) {
    run.Extend();
    if (!run.Fits(limits)) break;
    taken = run.plan();
  }
  return taken;
}
}  // namespace

bool NeedsCompaction(const PlannedLog& log, const PlanLimits& limits) {
  uint64_t bytes = log.open_bytes;
  uint64_t dead = log.open_bytes - std::min(log.open_bytes, log.open_live_bytes);
  for (const PlannedSegment& s : log.segments) {
    bytes += s.bytes + s.hint_bytes;
    dead += DeadPutBytes(s) + s.marker_bytes + s.hint_bytes;
  }
  return bytes >= limits.log_bytes_min && dead * 100 >= bytes * limits.dead_percent;
}

PlannedLog WithoutNewest(PlannedLog log, const PlanLimits& limits) {
  std::vector<PlannedSegment>& segments = log.segments;
  if (!segments.empty() && segments.back().is_log && log.open_bytes < limits.segment_bytes / 2) {
    log.open_bytes += segments.back().bytes;
    segments.pop_back();
  }
  log.open_live_bytes = log.open_bytes;
  for (PlannedSegment& s : segments) s.hint_bytes = 0;
  return log;
}

Plan PlanForSpace(const std::vector<PlannedSegment>& segments, const PlanLimits& limits) {
  Plan best;
  for (size_t first = 0; first < segments.size(); first++) {
    Run run(segments, first);
    while (!run.at_end()) {
      run.Extend();
      if (!run.Fits(limits)) break;
      if (run.plan().freed_bytes != 0 && (best.count == 0 || FreesMore(run.plan(), best))) best = run.plan();
    }
  }
  if (best.freed_bytes * kMovedPerFreedMax >= best.moved_bytes && best.count != 0) return best;

  // What is dead are markers, then, which older segments keep from going.
  const uint64_t last_marker = LastMarkerLsn(segments);
  for (size_t i = 0; i < segments.size() && segments[i].last_lsn < last_marker; i++) {
    if (segments[i].horizon >= last_marker) continue;
    return RunWhile(segments, i, limits, [&](const PlannedSegment& s) { return s.horizon < last_marker; });
  }
  return Plan();
}

Plan PlanMerge(const std::vector<PlannedSegment>& segments, const PlanLimits& limits) {
  Plan best;
  const auto is_small = [&](const PlannedSegment& s) { return s.bytes < limits.segment_bytes / 2; };
  for (size_t first = 0; first < segments.size(); first++) {
    uint64_t sum = 0;
    uint64_t largest = 0;
    size_t count = 0;
    Run run(segments, first);
    while (!run.at_end() && is_small(segments[first + count]) &&
           sum + segments[first + count].bytes <= limits.segment_bytes) {
      sum += segments[first + count].bytes;
      largest = std::max(largest, segments[first + count].bytes);
      count++;
      run.Extend();
      if (!run.Fits(limits)) break;
      // Of similar size, so that each byte is moved once in a tier.
      if (count >= kMergeSegmentsMin && count > best.count && largest * 2 <= sum) best = run.plan();
    }
  }
  return best;
}

Plan PlanSweep(const std::vector<PlannedSegment>& segments, uint64_t after_lsn, const PlanLimits& limits) {
  const uint64_t last_marker = LastMarkerLsn(segments);
  const auto gains = [&](const PlannedSegment& s) {
    // An estimate of live bytes may be 1/16 too high, and frames of a compacted segment take a little.
    return DeadPutBytes(s) * 64 > s.bytes || s.marker_bytes != 0 ||
           (s.last_lsn < last_marker && s.horizon < last_marker);
  };
  for (size_t i = 0; i < segments.size(); i++) {
    if (segments[i].last_lsn > after_lsn && gains(segments[i])) return RunWhile(segments, i, limits, gains);
  }
  return Plan();
}

}  // namespace crabkv
