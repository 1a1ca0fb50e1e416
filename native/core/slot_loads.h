// How much each slot is asked for: what the router's rebalancing goes by. Counting is a plain addition to a word of the
// slot's own; rates are worked out when somebody reads them, so nothing runs for it while nobody does.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "native/core/options.h"

namespace crabkv {

class SlotLoads {
 public:
  explicit SlotLoads(uint64_t now_ns);

  // REQUIRES: the latch of the slot's shard, which is why this needs no atomic addition.
  void Count(uint16_t slot) {
    std::atomic<uint64_t>& count = counts_[slot];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // A hint, without the latch: Count is about to be called.
  void Prefetch(uint16_t slot) const { __builtin_prefetch(&counts_[slot]); }

  // Operations a second of each slot, into kSlotCount numbers: an average whose weight halves every half minute into
  // the past. What happened since the reading before counts as if it had come evenly; so who reads once an hour is told
  // the hour's average. `now_ns` is monotonic. Any thread, no latch.
  void Read(uint64_t now_ns, double* rates);

 private:
  static constexpr double kHalfLifeSeconds = 30;

  const std::unique_ptr<std::atomic<uint64_t>[]> counts_;  // written under the latch of the slot's shard, read by any

  std::mutex mutex_;
  // Guarded by mutex_, as all below. Of each slot as of the last reading: its count, and its average as if nothing had
  // been asked for before the store was opened; `weight_` is what that leaves of the truth, from 0 up to 1.
  std::vector<uint64_t> counted_;
  std::vector<float> averages_;
  double weight_ = 0;
  uint64_t read_ns_;
};

}  // namespace crabkv
