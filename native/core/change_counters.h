// A counter per group of keys that is bumped whenever one of them may have changed: after the change is visible, before
// it is acknowledged, and when it is undone. A cache that loaded the counter before its look-up may trust what it found
// for as long as the counter stands still, whoever writes. The array is shared with JavaScript, hence plain 32-bit
// words. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace crabkv {

class ChangeCounters {
 public:
  static constexpr uint32_t kCount = 65536;

  ChangeCounters() : counters_(std::make_unique<std::atomic<uint32_t>[]>(kCount)) {}
  void Bump(uint32_t index) { counters_[index].fetch_add(1, std::memory_order_release); }
  uint32_t Load(uint32_t index) const { return counters_[index].load(std::memory_order_acquire); }
  void Prefetch(uint32_t index) const { __builtin_prefetch(&counters_[index]); }
  const uint32_t* words() const {
    static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "the array is read as plain words");
    return reinterpret_cast<const uint32_t*>(counters_.get());
  }

 private:
  std::unique_ptr<std::atomic<uint32_t>[]> counters_;
};

}  // namespace crabkv
