#include "test/native/standstill.h"

#include <signal.h>
#include <time.h>

#include <cerrno>
#include <thread>

#include "test/native/harness.h"

namespace crabkv::test {

std::atomic<bool> Standstill::stands_{false};
std::atomic<bool> Standstill::may_go_on_{false};

void Standstill::OnSignal(int) {
  const int error = errno;
  stands_ = true;
  const timespec step = {0, 100'000};
  for (int i = 0; i < 500 && !may_go_on_; i++) ::nanosleep(&step, nullptr);
  stands_ = false;
  errno = error;
}

Standstill::Standstill(pthread_t thread) {
  static const bool installed = ::signal(SIGUSR2, OnSignal) != SIG_ERR;
  EXPECT(installed);
  may_go_on_ = false;
  if (!EXPECT_EQ(::pthread_kill(thread, SIGUSR2), 0)) return;
  while (!stands_) std::this_thread::yield();
}

void Standstill::GoOn() {
  may_go_on_ = true;
  while (stands_) std::this_thread::yield();
}

}  // namespace crabkv::test
