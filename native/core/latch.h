// A mutex for what is held for a fraction of a microsecond: who finds it taken tries for about one before it sleeps,
// because to sleep and to be woken costs several.
#pragma once

#include <mutex>

namespace crabkv {

class Latch {
 public:
  void lock() {
    for (int tries = 0; tries < kTriesMax; tries++) {
      if (mutex_.try_lock()) return;
      for (int i = 0; i < kPausesBetween; i++) Pause();
    }
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }

 private:
  static constexpr int kTriesMax = 20;
  static constexpr int kPausesBetween = 4;  // so that the holder is not disturbed by who looks

  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }

  std::mutex mutex_;
};

}  // namespace crabkv
