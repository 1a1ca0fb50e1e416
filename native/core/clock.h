// The store's clock: wall-clock milliseconds that never go back, whatever happens to the machine's clock. It is the
// monotonic clock plus an offset that only rises: to the wall clock when that jumps forward, never down when it jumps
// back. So a clock set back keeps nothing alive that has expired, and the log's own times (persisted in every frame)
// bound it after a reopening. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "native/core/env.h"

namespace crabkv {

class Clock {
 public:
  // `floor_ms` is the latest time that the log remembers; what no clock shows is taken for the highest floor.
  Clock(Env* env, uint64_t floor_ms)
      : env_(env),
        offset_ms_(static_cast<int64_t>(std::min(floor_ms, kFloorMaxMs)) - static_cast<int64_t>(MonotonicMs())) {}

  uint64_t NowMs() {
    // The wall first: a thread that sleeps between the two looks then finds too small an offset, which is ignored, not
    // too large a one, which would stay.
    const int64_t wall = static_cast<int64_t>(env_->WallMs());
    const int64_t monotonic = static_cast<int64_t>(MonotonicMs());
    const int64_t by_wall = wall - monotonic;
    int64_t offset = offset_ms_.load(std::memory_order_relaxed);
    while (offset < by_wall && !offset_ms_.compare_exchange_weak(offset, by_wall, std::memory_order_relaxed)) {
    }
    return static_cast<uint64_t>(monotonic + (offset < by_wall ? by_wall : offset));
  }

 private:
  static constexpr uint64_t kFloorMaxMs = uint64_t{1} << 62;  // so that sums with it stay in range
  uint64_t MonotonicMs() { return env_->MonotonicNs() / 1000000; }

  Env* const env_;
  std::atomic<int64_t> offset_ms_;  // wall minus monotonic; may be negative in tests
};

}  // namespace crabkv
