#include "native/core/reader_pool.h"

namespace crabkv {

Status ReaderPool::Submit(std::function<void()> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return Status::Error(Code::kClosed, "the store is closed");
  if (jobs_.size() >= queue_max_) {
    return Status::Error(Code::kBusy,
                         "too many reads wait for the disk: readerQueueMax is " + std::to_string(queue_max_));
  }
  jobs_.push_back(std::move(job));
  if (threads_.empty()) {
    for (int i = 0; i < kThreads; i++) threads_.push_back(env_->StartThread("crabkv-reader", [this] { Main(); }));
  }
  wakes_.notify_one();
  return Status::Ok();
}

void ReaderPool::Main() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    while (jobs_.empty() && !stopping_) wakes_.wait(lock);
    if (jobs_.empty()) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds is released before the lock is taken
    lock.lock();
  }
}

void ReaderPool::Stop() {
  std::vector<std::thread> threads;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    wakes_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace crabkv
