// Stops another thread between any two of its instructions, as a scheduler may: what lies between two looks of a thread
// is otherwise too short for much to happen in it. By a signal, so under TSan only where that lets one through.
#pragma once

#include <pthread.h>

#include <atomic>

namespace crabkv::test {

// The thread stands still from the constructor's return until GoOn, or for 50 ms: it may hold what is needed by whoever
// would call that. One at a time. REQUIRES: the thread takes signals, and does not end meanwhile.
class Standstill {
 public:
  explicit Standstill(pthread_t thread);
  ~Standstill() { GoOn(); }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  void GoOn();

 private:
  static void OnSignal(int);

  static std::atomic<bool> stands_;
  static std::atomic<bool> may_go_on_;
};

}  // namespace crabkv::test
