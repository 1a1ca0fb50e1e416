// The threads for reads that may wait for the disk: a bounded queue of jobs. Any thread may submit.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "native/core/env.h"
#include "native/core/status.h"

namespace crabkv {

class ReaderPool {
 public:
  // Two, so that a long scan does not hold up single reads.
  static constexpr int kThreads = 2;

  ReaderPool(Env* env, uint32_t queue_max) : env_(env), queue_max_(queue_max) {}
  ~ReaderPool() { Stop(); }

  // Threads start with the first job. kBusy when the queue is full, kClosed after Stop.
  Status Submit(std::function<void()> job);
  // Runs what is queued, then ends the threads. Idempotent.
  void Stop();

 private:
  void Main();

  Env* const env_;
  const uint32_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::vector<std::thread> threads_;        // guarded by mutex_
};

}  // namespace crabkv
