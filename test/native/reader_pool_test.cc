// Reads that wait for the disk: bounded, all run before the end, none accepted after it.
#include "native/core/reader_pool.h"

#include <condition_variable>
#include <mutex>

#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv::test {
namespace {

// Holds the threads that go through it until it is opened.
class Gate {
 public:
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_++;
    changes_.notify_all();
    while (!open_) changes_.wait(lock);
  }
  void WaitForThreads(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (waiting_ < count) changes_.wait(lock);
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changes_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changes_;
  int waiting_ = 0;
  bool open_ = false;
};

TEST(Reads_beyond_the_bound_of_the_queue_are_refused_and_those_in_it_run_before_the_end) {
  constexpr int kThreads = 2;
  constexpr int kQueued = 3;
  MemEnv env;
  ReaderPool pool(&env, kQueued);
  Gate gate;
  std::atomic<int> ran{0};
  const auto job = [&] {
    gate.Pass();
    ran++;
  };
  for (int i = 0; i < kThreads; i++) {
    EXPECT_OK(pool.Submit(job));
    gate.WaitForThreads(i + 1);
  }
  for (int i = 0; i < kQueued; i++) EXPECT_OK(pool.Submit(job));
  EXPECT_CODE(pool.Submit(job), Code::kBusy);
  gate.Open();
  pool.Stop();
  EXPECT_EQ(ran.load(), kThreads + kQueued);
  EXPECT_CODE(pool.Submit(job), Code::kClosed);
}

}  // namespace
}  // namespace crabkv::test
