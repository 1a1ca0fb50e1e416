// The index's side of expiry. Each slot has a moment before which none of its keys expires, so finding the keys that
// are due looks at 16,384 numbers and then only into slots that have some: no timer wheel, no memory per key beyond its
// deadline.
#include <algorithm>

#include "native/core/index.h"

namespace crabkv {

uint64_t Index::NextDeadlineMs() const {
  uint64_t next = UINT64_MAX;
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    next = std::min(next, next_deadlines_ms_[slot].load(std::memory_order_relaxed));
  }
  return next;
}

// Adds the slot's expired keys and works out its next deadline anew, the expired ones included: they are due until
// removed.
void Index::CollectExpiredOfSlot(uint16_t slot, uint64_t now_ms, std::vector<ExpiredKey>* expired) {
  SlotLatch latch(this, slot);
  uint64_t next = UINT64_MAX;
  if (slots_[slot].deadlines != nullptr) {
    slots_[slot].deadlines->ForEach([&](const Fingerprint& fingerprint, uint64_t deadline_ms) {
      next = std::min(next, deadline_ms);
      if (deadline_ms <= now_ms) expired->push_back({deadline_ms, slot, fingerprint});
    });
  }
  next_deadlines_ms_[slot].store(next, std::memory_order_relaxed);
}

void Index::CollectExpired(uint64_t now_ms, size_t keys_max, std::vector<ExpiredKey>* expired) {
  std::vector<std::pair<uint64_t, uint16_t>> due;
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    const uint64_t next = next_deadlines_ms_[slot].load(std::memory_order_relaxed);
    if (next <= now_ms) due.emplace_back(next, static_cast<uint16_t>(slot));
  }
  std::sort(due.begin(), due.end());
  const auto earlier = [](const ExpiredKey& a, const ExpiredKey& b) { return a.deadline_ms < b.deadline_ms; };
  // Keeps the earliest keys_max; done only when twice as many are in hand, so that each key is looked at a few times at
  // most.
  uint64_t latest_kept = UINT64_MAX;
  const auto trim = [&] {
    if (expired->size() <= keys_max) return;
    const auto end = expired->begin() + static_cast<std::ptrdiff_t>(keys_max);
    std::nth_element(expired->begin(), end, expired->end(), earlier);
    expired->erase(end, expired->end());
    latest_kept = std::max_element(expired->begin(), expired->end(), earlier)->deadline_ms;
  };
  for (const auto& [next, slot] : due) {
    if (next >= latest_kept) break;  // this slot's keys, and all of the later slots', come after those in hand
    CollectExpiredOfSlot(slot, now_ms, expired);
    if (expired->size() >= 2 * keys_max) trim();
  }
  trim();
  std::sort(expired->begin(), expired->end(), earlier);
}

}  // namespace crabkv
