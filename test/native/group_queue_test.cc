// The ring of commit groups: a slot serves the next group only when nobody has anything to do with the one before.
#include "native/core/group_queue.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv::test {
namespace {

// A queue whose groups nobody writes, at the beginning of segment 1.
class Queue {
 public:
  explicit Queue(uint64_t segment_bytes, uint32_t handle_max = Location::kSegmentHandleMax)
      : segments_(handle_max),
        maker_(&env_, "/db", StoreId(), 2),
        queue_({segment_bytes, 64 << 10, uint64_t{256} << 20}, &segments_, &maker_) {
    first_ = segments_.Add(std::make_unique<Segment>(1, 7, segment_bytes + (128 << 10), "/db/1"));
    queue_.Start({first_, GroupQueue::kFirstOffset, 1});
  }
  Status Write(uint64_t bytes) {
    bool retry = false;
    const Status status = queue_.Reserve(1, bytes, &taken_, &retry);
    if (status.ok()) queue_.Publish(taken_);
    return status;
  }
  // Until one lies in another segment than the first.
  Status WriteToNextSegment(uint64_t bytes) {
    do {
      CRABKV_RETURN_IF_ERROR(Write(bytes));
    } while (taken_.segment == first_);
    return Status::Ok();
  }
  // The segments of the groups that are there, and the place of one in the order of all.
  std::vector<Segment*> SegmentsOfGroups() {
    std::vector<Segment*> segments;
    for (uint64_t number = next_; number <= queue_.newest_number(); number++) {
      segments.push_back(queue_.At(number)->segment);
    }
    return segments;
  }
  size_t PlaceOf(const Segment* segment) const {
    std::vector<const Segment*> order;
    segments_.ForEach([&](const Segment* one) { order.push_back(one); });
    return static_cast<size_t>(std::find(order.begin(), order.end(), segment) - order.begin());
  }
  // All groups fail, and the log goes on at its beginning.
  void TakeBack() {
    const uint64_t last = queue_.Stop(Status::Ok());
    for (uint64_t number = next_; number <= last; number++) queue_.Release(queue_.At(number));
    next_ = last + 1;
    queue_.Reopen(first_, GroupQueue::kFirstOffset);
  }
  // Of the last write.
  const Reservation& taken() const { return taken_; }
  Segment* first() const { return first_; }
  GroupQueue* operator->() { return &queue_; }

 private:
  MemEnv env_;
  SegmentTable segments_;
  SegmentMaker maker_;
  GroupQueue queue_;
  Segment* first_ = nullptr;
  Reservation taken_;
  uint64_t next_ = 1;
};

TEST(A_slot_is_not_given_out_while_its_last_group_is_being_released) {
  Queue queue(uint64_t{1} << 30);
  // Groups by turns with a little, and of one batch that is larger than a group: all but one slot of the ring.
  EXPECT_OK(queue.Write(64));
  const uint64_t first_offset = queue.taken().offset;
  for (int i = 0; i < 30; i++) {
    EXPECT_OK(queue.Write(70 << 10));
    EXPECT_OK(queue.Write(64));
  }
  EXPECT_OK(queue.Write(70 << 10));
  EXPECT_OK(queue.Write(64));
  EXPECT_EQ(queue.taken().group_number, 63u);

  // A reader is in the first group's buffer while the writer releases it; the next large batch needs its slot.
  Group* first = queue->TakeSealed(1, false);
  PendingRecord held = queue->FindPending(queue.first(), first_offset);
  REQUIRE(static_cast<bool>(held));
  std::thread writer([&] { queue->Release(first); });
  while (first->number.load() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_CODE(queue.Write(70 << 10), Code::kBusy);
  held = PendingRecord();
  writer.join();
  EXPECT_OK(queue.Write(70 << 10));
  EXPECT_OK(queue.Write(64));
  EXPECT_EQ(queue.taken().group_number, 65u);
  EXPECT(queue->At(65)->buffer != nullptr);
}

TEST(Segments_that_could_not_be_begun_are_taken_again) {
  Queue queue(256 << 10, 4);
  std::vector<const Segment*> taken;
  // What does not fit the segment gets another one, and that is taken for whatever fits.
  for (const uint64_t kib : {60, 60, 60, 900, 900, 60, 800, 60, 900}) {
    EXPECT_OK(queue.WriteToNextSegment(kib << 10));
    EXPECT_EQ(queue.taken().segment->number, 2u);
    taken.push_back(queue.taken().segment);
    queue.TakeBack();
  }
  EXPECT(std::all_of(taken.begin(), taken.begin() + 3, [&](const Segment* one) { return one == taken[0]; }));
  EXPECT(std::all_of(taken.begin() + 3, taken.end(), [&](const Segment* one) { return one == taken[3]; }));
  EXPECT(taken[0] != taken[3]);
}

TEST(Segments_that_are_taken_again_stay_in_the_order_of_the_log) {
  Queue queue(256 << 10);
  for (const uint64_t kib : {60, 900, 60, 1900, 900}) {
    for (int i = 0; i < 12; i++) EXPECT_OK(queue.Write(kib << 10));
    EXPECT(queue.taken().segment->number >= 3);
    size_t before = 0;
    for (const Segment* segment : queue.SegmentsOfGroups()) {
      const size_t place = queue.PlaceOf(segment);
      EXPECT(place >= before);
      before = place;
    }
    queue.TakeBack();
  }
}

TEST(Without_a_handle_for_the_next_segment_writes_are_refused) {
  for (const uint64_t bytes : {60 << 10, 900 << 10}) {
    Queue queue(256 << 10, 1);
    EXPECT_CODE(queue.WriteToNextSegment(bytes), Code::kFailed);
    EXPECT_CODE(queue.Write(100), Code::kFailed);
    EXPECT_CODE(queue->stopped(), Code::kFailed);
  }
}

}  // namespace
}  // namespace crabkv::test
