#include "native/core/slot_loads.h"

#include <cmath>

namespace crabkv {

SlotLoads::SlotLoads(uint64_t now_ns)
    : counts_(std::make_unique<std::atomic<uint64_t>[]>(kSlotCount)), read_ns_(now_ns) {}

void SlotLoads::Read(uint64_t now_ns, double* rates) {
  const std::lock_guard<std::mutex> lock(mutex_);
  counted_.resize(kSlotCount);
  averages_.resize(kSlotCount);
  // Another thread may have read in between, by a later clock.
  const double seconds = now_ns > read_ns_ ? static_cast<double>(now_ns - read_ns_) / 1e9 : 0;
  const double kept = std::exp2(-seconds / kHalfLifeSeconds);
  for (uint32_t slot = 0; seconds > 0 && slot < kSlotCount; slot++) {
    const uint64_t count = counts_[slot].load(std::memory_order_relaxed);
    const double rate = static_cast<double>(count - counted_[slot]) / seconds;
    counted_[slot] = count;
    averages_[slot] = static_cast<float>(averages_[slot] * kept + rate * (1 - kept));
  }
  if (seconds > 0) {
    weight_ = weight_ * kept + (1 - kept);
    read_ns_ = now_ns;
  }
  for (uint32_t slot = 0; slot < kSlotCount; slot++) rates[slot] = weight_ > 0 ? averages_[slot] / weight_ : 0;
}

}  // namespace crabkv
