// The packed location of a record: what is put in comes out, and the size it tells is never too small.
#include "native/core/slot_table.h"
#include "test/native/harness.h"

using namespace crabkv;
using namespace crabkv::test;

TEST(A_location_keeps_segment_offset_and_deadline_whatever_the_size) {
  for (const uint64_t bytes : {uint64_t{40}, uint64_t{5} << 20, uint64_t{513} << 20}) {
    const Location location = Location::Make(Location::kSegmentHandleMax, Location::kOffsetMax, bytes, true);
    EXPECT_EQ(location.segment_handle(), Location::kSegmentHandleMax);
    EXPECT_EQ(location.offset(), Location::kOffsetMax);
    EXPECT(location.has_deadline());
  }
}

// A reader makes room for the record by this: one that is too small made every value above 4 MiB look damaged.
TEST(The_size_of_a_location_is_at_least_the_records_and_at_most_7_percent_more) {
  for (uint64_t bytes = 40; bytes < uint64_t{600} << 20; bytes += bytes / 100 + 1) {
    const uint64_t told = Location::Make(1, 8, bytes, false).approximate_bytes();
    EXPECT(told >= bytes);
    EXPECT(told <= bytes + bytes / 15 + 8);
  }
}
