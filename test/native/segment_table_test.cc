// The order of segments while the log fills them.
#include "native/core/segment_table.h"

#include <atomic>
#include <thread>

#include "test/native/harness.h"

namespace crabkv::test {
namespace {

TEST(Segments_that_get_frames_in_their_order_are_found_without_gaps) {
  constexpr uint64_t kSegments = 400;
  SegmentTable table;
  std::vector<Segment*> segments;
  for (uint64_t number = 1; number <= kSegments; number++) {
    segments.push_back(table.Add(std::make_unique<Segment>(number, 7, 4096, "/db/segment")));
  }
  for (uint64_t round = 0; round < Rounds(400); round++) {
    for (Segment* segment : segments) segment->written = 0;
    std::thread log([&] {
      for (Segment* segment : segments) segment->written.store(4096, std::memory_order_release);
    });
    for (uint64_t found = 0; found < kSegments;) {
      const auto first = table.PinFirst([](const Segment* segment) { return segment->has_frames(); });
      if (first) EXPECT_EQ(first->get()->number, 1u);
      const std::vector<SegmentPin> pins = table.PinWithFrames();
      found = pins.size();
      if (found != 0) EXPECT_EQ(pins.back().get()->number, found);
    }
    log.join();
  }
}

}  // namespace
}  // namespace crabkv::test
