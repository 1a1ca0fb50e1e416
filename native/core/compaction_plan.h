// Which segments to compact next: pure decisions over what is counted about each. native/FORMAT.md (Compaction) says
// what a compaction may drop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace crabkv {

// A segment that takes no more frames. Bytes are estimates that never promise too much to free.
struct PlannedSegment {
  uint64_t bytes = 0;         // of the file
  uint64_t live_bytes = 0;    // of records that the index points at
  uint64_t hint_bytes = 0;    // of its hint file, beside `bytes`
  uint64_t marker_bytes = 0;  // of tombstones and deadline changes
  uint64_t last_lsn = 0;
  uint64_t horizon = 0;  // see CompactedSegment; 0 for log segments
  bool is_log = true;
};

// All of it, as the compactor sees it at one moment.
struct PlannedLog {
  std::vector<PlannedSegment> segments;  // in LSN order: those that can be compacted
  uint64_t open_bytes = 0;               // of the others, which still take frames or are still to be shown
  uint64_t open_live_bytes = 0;
};

struct PlanLimits {
  uint32_t dead_percent = 33;             // of all bytes; below it only small segments are merged
  uint64_t log_bytes_min = 1 << 20;       // likewise
  uint64_t moved_bytes_max = UINT64_MAX;  // by one compaction; a single segment is always allowed
  uint64_t segment_bytes = 64 << 20;      // of a full segment
  uint64_t free_bytes = UINT64_MAX;       // of the disk: what is moved needs room before anything is freed
};

// A run of neighbours; none when `count` is 0.
struct Plan {
  size_t first = 0;
  size_t count = 0;
  uint64_t moved_bytes = 0;
  uint64_t freed_bytes = 0;
};

// Whether the dead bytes of the whole are over the limits.
bool NeedsCompaction(const PlannedLog& log, const PlanLimits& limits);

// The log as it counts while it grows: what was written last is left alone, for what is hot is overwritten before long,
// and a segment of which nothing is left costs next to nothing. So the log segment that was ended last waits until the
// open one is half full. Dead is, then, what a compaction could free now: nothing of what is left alone, and no hints,
// which come again with each output. The longer a compaction waits, the less it has to copy.
PlannedLog WithoutNewest(PlannedLog log, const PlanLimits& limits);

// Of `segments` in LSN order: the run that frees the most for a byte moved; or, when what is dead can't go before older
// segments have been looked through, the oldest of these.
Plan PlanForSpace(const std::vector<PlannedSegment>& segments, const PlanLimits& limits);

// A run of small segments, to be merged into one.
Plan PlanMerge(const std::vector<PlannedSegment>& segments, const PlanLimits& limits);

// For a compaction of everything, from the oldest to the newest: the next run behind `after_lsn` from which something
// can be freed, or because of which something later can't.
Plan PlanSweep(const std::vector<PlannedSegment>& segments, uint64_t after_lsn, const PlanLimits& limits);

}  // namespace crabkv
