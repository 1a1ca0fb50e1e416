// The segments of an open store: by handle, which is how the index's locations name them, and in LSN order, which is
// the order of the log. Get: any thread, no lock. The rest takes a mutex, which is held for a walk over the list at
// most.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "native/core/segment.h"
#include "native/core/slot_table.h"

namespace crabkv {

class SegmentTable {
 public:
  // Fewer handles than a location can name are for tests.
  explicit SegmentTable(uint32_t handle_max = Location::kSegmentHandleMax) : handle_max_(handle_max) {}
  ~SegmentTable();
  SegmentTable(const SegmentTable&) = delete;
  SegmentTable& operator=(const SegmentTable&) = delete;

  // Takes ownership, gives it a handle and puts it behind all others. Null when every handle is used up.
  Segment* Add(std::unique_ptr<Segment> segment);
  // Add, but with a place in the order only after Replace.
  Segment* AddUnplaced(std::unique_ptr<Segment> segment);
  // `inputs` are neighbours; `outputs` (from AddUnplaced) take their place. Those replaced stay open until Remove.
  void Replace(const std::vector<Segment*>& inputs, const std::vector<Segment*>& outputs);
  // Closes and forgets a segment without a place when nobody holds a pin; false when somebody does. REQUIRES: nothing
  // leads to it any more.
  bool Remove(Segment* segment);

  // Closes and forgets all of them; handles begin anew. REQUIRES: nobody holds a pin, and nothing leads to any.
  void Clear();

  Segment* Get(uint32_t handle) const {
    return chunks_[handle / kChunk]
        .load(std::memory_order_acquire)
        ->segments[handle % kChunk]
        .load(std::memory_order_acquire);
  }

  // The log segment with this number, if it and those with higher ones come last: its number was put back, because it
  // could not be begun, and is given out again. Null when there is none.
  Segment* PutBack(uint64_t number) const;

  // Calls visit(segment) in LSN order, under the mutex.
  template <typename Visit>
  void ForEach(Visit visit) const {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Segment* segment : order_) visit(segment);
  }
  // All of them in LSN order, held.
  std::vector<SegmentPin> PinAll() const;
  // All that have frames, in LSN order, held. They are looked at from behind: the log fills its segments in order, so
  // whoever finds frames in one finds them in all before it that ever get any. From the front, one might be passed by
  // that is written, and the next one begun, between the looks at the two.
  std::vector<SegmentPin> PinWithFrames() const;
  // The first in LSN order that `accept`s, held; looked at from behind, too.
  template <typename Accept>
  std::optional<SegmentPin> PinFirst(Accept accept) const {
    std::lock_guard<std::mutex> lock(mutex_);
    Segment* first = nullptr;
    for (auto segment = order_.rbegin(); segment != order_.rend(); ++segment) {
      if (accept(*segment)) first = *segment;
    }
    if (first == nullptr) return std::nullopt;
    return SegmentPin(first);
  }
  template <typename Accept>
  std::optional<SegmentPin> PinLast(Accept accept) const {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto segment = order_.rbegin(); segment != order_.rend(); ++segment) {
      if (accept(*segment)) return SegmentPin(*segment);
    }
    return std::nullopt;
  }

 private:
  static constexpr uint32_t kChunk = 1024;
  static constexpr uint32_t kChunks = (Location::kSegmentHandleMax + 1) / kChunk;
  struct Chunk {
    std::atomic<Segment*> segments[kChunk] = {};
  };

  const uint32_t handle_max_;
  std::atomic<Chunk*> chunks_[kChunks] = {};
  mutable std::mutex mutex_;
  std::vector<Segment*> order_;         // guarded by mutex_
  std::vector<uint32_t> free_handles_;  // likewise
  uint32_t last_handle_ = 0;            // likewise; handles begin with 1
};

}  // namespace crabkv
