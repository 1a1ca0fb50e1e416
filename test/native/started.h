// Work of a store's own threads (a compaction, a backup) that goes on while the test does other things, and is answered
// once, by another thread. May outlive the store, and may go before its end.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "native/core/status.h"
#include "test/native/harness.h"

namespace crabkv::test {

template <typename Report>
class Started {
 public:
  using Done = std::function<void(const Status&, const Report&)>;

  // The number of the request, by which the store knows it.
  uint64_t request() const { return request_; }
  bool ended() const {
    const std::lock_guard<std::mutex> hold(answer_->mutex);
    return answer_->is_there;
  }
  // `report` may be null.
  Status Wait(Report* report = nullptr) const {
    std::unique_lock<std::mutex> lock(answer_->mutex);
    while (!answer_->is_there) answer_->came.wait(lock);
    if (report != nullptr) *report = answer_->report;
    return answer_->status;
  }

 protected:
  // `start` begins the work, gives it what it was given, and returns the number of the request.
  template <typename Start>
  explicit Started(Start start) : answer_(std::make_shared<Answer>()) {
    request_ = start([answer = answer_](const Status& status, const Report& report) {
      const std::lock_guard<std::mutex> hold(answer->mutex);
      EXPECT(!answer->is_there);
      answer->status = status;
      answer->report = report;
      answer->is_there = true;
      answer->came.notify_one();
    });
  }

 private:
  struct Answer {
    std::mutex mutex;
    std::condition_variable came;
    bool is_there = false;
    Status status;
    Report report;
  };

  std::shared_ptr<Answer> answer_;
  uint64_t request_ = 0;
};

}  // namespace crabkv::test
