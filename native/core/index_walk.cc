// A walk through the index that keeps nothing between its steps: slots never merge and their tables are in fingerprint
// order, so a place in that order is all that a cursor has to say.
#include "native/core/index.h"

namespace crabkv {

namespace {
uint64_t CursorOf(const IndexPlace& place) {
  return (uint64_t{place.slot} << 48) | (uint64_t{place.fingerprint.high} << 16) | (place.fingerprint.middle >> 16);
}
}  // namespace

uint64_t Index::Walk(uint64_t cursor, size_t count_max, std::vector<IndexPlace>* places) {
  for (uint64_t slot = cursor >> 48; slot < kSlotCount; slot++) {
    uint64_t next = 0;
    {
      const uint16_t number = static_cast<uint16_t>(slot);
      SlotLatch latch(this, number);
      slots_[number].locations.ForEach([&](const Fingerprint& fingerprint, uint64_t) {
        const IndexPlace place{number, fingerprint};
        const uint64_t at = CursorOf(place);
        if (at < cursor || next != 0) return;
        // Entries that one cursor cannot tell apart stay together.
        const bool full = places->size() >= count_max && (places->empty() || CursorOf(places->back()) != at);
        if (full) next = at;
        if (!full) places->push_back(place);
      });
    }
    if (next != 0) return next;
    if (places->size() >= count_max && slot + 1 < kSlotCount) return (slot + 1) << 48;
  }
  return 0;
}

}  // namespace crabkv
