// Which segments are compacted next: decisions over figures, without a store.
#include "native/core/compaction_plan.h"

#include "test/native/harness.h"

namespace crabkv {
namespace {

constexpr uint64_t kMib = 1 << 20;

// Of a log segment `i` of `mib` MiB, `live` percent of it live and `markers` percent tombstones.
PlannedSegment Segment(uint64_t i, uint64_t mib, uint64_t live, uint64_t markers = 0) {
  PlannedSegment segment;
  segment.bytes = mib * kMib;
  segment.live_bytes = segment.bytes * live / 100;
  segment.marker_bytes = segment.bytes * markers / 100;
  segment.last_lsn = 1000 * (i + 1);
  return segment;
}

std::string Describe(const Plan& plan) {
  return plan.count == 0 ? "none" : std::to_string(plan.first) + "+" + std::to_string(plan.count);
}

TEST(A_log_is_compacted_when_enough_of_it_is_dead) {
  PlanLimits limits;
  PlannedLog log;
  log.segments = {Segment(0, 10, 70), Segment(1, 10, 70)};
  EXPECT(!NeedsCompaction(log, limits));
  limits.dead_percent = 29;
  EXPECT(NeedsCompaction(log, limits));
  // What the open segment holds counts: live or dead.
  log.open_bytes = log.open_live_bytes = 10 * kMib;
  EXPECT(!NeedsCompaction(log, limits));
  log.open_live_bytes = 0;
  EXPECT(NeedsCompaction(log, limits));
  limits.log_bytes_min = 40 * kMib;
  EXPECT(!NeedsCompaction(log, limits));
}

TEST(While_a_log_grows_only_what_could_be_freed_of_its_older_segments_counts) {
  PlanLimits limits;
  limits.segment_bytes = 12 * kMib;
  PlannedLog log;
  log.segments = {Segment(0, 10, 40), Segment(1, 10, 0)};
  log.segments[0].hint_bytes = kMib;
  log.open_bytes = 4 * kMib;
  EXPECT(NeedsCompaction(log, limits));
  // 6 MiB of 24 are dead, and could go: the second segment waits, and its 10 MiB count as the open one's.
  PlannedLog older = WithoutNewest(log, limits);
  EXPECT_EQ(older.segments.size(), 1u);
  EXPECT_EQ(older.open_bytes, 14 * kMib);
  EXPECT(!NeedsCompaction(older, limits));
  // Nor does the open segment's dead half count when it is half full.
  log.open_bytes = 6 * kMib;
  older = WithoutNewest(log, limits);
  EXPECT_EQ(older.segments.size(), 2u);
  EXPECT_EQ(older.open_live_bytes, 6 * kMib);
  EXPECT(NeedsCompaction(older, limits));
  // What compactions wrote does not wait.
  log.open_bytes = 0;
  log.segments[1].is_log = false;
  EXPECT_EQ(WithoutNewest(log, limits).segments.size(), 2u);
  EXPECT_EQ(WithoutNewest(PlannedLog(), limits).segments.size(), 0u);
}

TEST(The_run_that_frees_the_most_for_a_byte_moved_is_chosen) {
  const PlanLimits limits;
  EXPECT_EQ(Describe(PlanForSpace({}, limits)), "none");
  EXPECT_EQ(Describe(PlanForSpace({Segment(0, 8, 90), Segment(1, 8, 10), Segment(2, 8, 90)}, limits)), "1+1");
  // Wholly dead neighbours go together: moving nothing costs nothing.
  EXPECT_EQ(Describe(PlanForSpace({Segment(0, 8, 90), Segment(1, 8, 0), Segment(2, 8, 0)}, limits)), "1+2");
  // To free a twentieth is not worth moving the rest.
  EXPECT_EQ(Describe(PlanForSpace({Segment(0, 8, 95), Segment(1, 8, 95)}, limits)), "none");
}

TEST(Tombstones_count_as_freed_only_where_nothing_older_needs_them) {
  PlanLimits limits;
  std::vector<PlannedSegment> segments = {Segment(0, 8, 100), Segment(1, 8, 0, 100)};
  EXPECT_EQ(Describe(PlanForSpace(segments, limits)), "0+2");
  limits.moved_bytes_max = 4 * kMib;
  // Not together: first what is older is looked through, so that the tombstones may go.
  EXPECT_EQ(Describe(PlanForSpace(segments, limits)), "0+1");
  segments[0].horizon = 2000;  // of every tombstone, nothing is left
  EXPECT_EQ(Describe(PlanForSpace(segments, limits)), "1+1");
  EXPECT(PlanForSpace(segments, limits).moved_bytes < kMib);
}

TEST(What_is_moved_fits_the_disk_and_the_step) {
  PlanLimits limits;
  limits.free_bytes = kMib;
  // A nearly full disk: what moves nothing goes first, and nothing that does not fit.
  EXPECT_EQ(Describe(PlanForSpace({Segment(0, 8, 50), Segment(1, 8, 0)}, limits)), "1+1");
  EXPECT_EQ(Describe(PlanForSpace({Segment(0, 8, 50), Segment(1, 8, 50)}, limits)), "none");
  limits.free_bytes = UINT64_MAX;
  limits.moved_bytes_max = 5 * kMib;
  EXPECT_EQ(PlanForSpace({Segment(0, 8, 50), Segment(1, 8, 50)}, limits).count, 1u);
  EXPECT_EQ(Describe(PlanForSpace({Segment(0, 64, 50)}, limits)), "0+1");  // a single segment is always allowed
}

TEST(Small_segments_of_similar_size_are_merged) {
  PlanLimits limits;
  limits.segment_bytes = 64 * kMib;
  std::vector<PlannedSegment> segments;
  for (uint64_t i = 0; i < 3; i++) segments.push_back(Segment(i, 1, 100));
  EXPECT_EQ(Describe(PlanMerge(segments, limits)), "none");
  segments.push_back(Segment(3, 1, 100));
  EXPECT_EQ(Describe(PlanMerge(segments, limits)), "0+4");
  // One that is larger than the others together would be moved for little.
  segments[0].bytes = 30 * kMib;
  EXPECT_EQ(Describe(PlanMerge(segments, limits)), "none");
  // Segments of half a full one are large enough.
  for (PlannedSegment& segment : segments) segment.bytes = 40 * kMib;
  EXPECT_EQ(Describe(PlanMerge(segments, limits)), "none");
}

TEST(A_sweep_goes_from_the_oldest_to_the_newest_and_passes_over_what_is_live) {
  PlanLimits limits;
  limits.moved_bytes_max = 8 * kMib;
  const std::vector<PlannedSegment> segments = {Segment(0, 8, 100), Segment(1, 8, 50), Segment(2, 8, 100),
                                                Segment(3, 8, 50)};
  EXPECT_EQ(Describe(PlanSweep(segments, 0, limits)), "1+1");
  EXPECT_EQ(Describe(PlanSweep(segments, 2000, limits)), "3+1");
  EXPECT_EQ(Describe(PlanSweep(segments, 4000, limits)), "none");
  // A tombstone makes it look at all that is older.
  std::vector<PlannedSegment> marked = segments;
  marked[3].marker_bytes = kMib;
  EXPECT_EQ(Describe(PlanSweep(marked, 0, limits)), "0+1");
}

}  // namespace
}  // namespace crabkv
