// What others ask of the compactor's thread: whole compactions, and work that no compaction may run beside.
#include <algorithm>

#include "native/core/compactor.h"

namespace crabkv {

uint64_t Compactor::Enqueue(Pending request) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t id = request.id = ++last_request_;
  if (!stopping_) {
    requests_.push_back(std::move(request));
    wakes_.notify_all();
    return id;
  }
  lock.unlock();
  request.done(Status::Error(Code::kClosed, "the store is closed"), CompactionReport());
  return id;
}

void Compactor::Cancel(uint64_t request) {
  Pending cancelled{0, nullptr, 0, 0};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto* list : {&requests_, &running_}) {
      const auto found = std::find_if(list->begin(), list->end(), [&](const Pending& p) { return p.id == request; });
      if (found == list->end()) continue;
      cancelled = std::move(*found);
      list->erase(found);
    }
    wakes_.notify_all();
  }
  if (cancelled.done) cancelled.done(Status::Error(Code::kClosed, "the compaction was cancelled"), CompactionReport());
}

uint64_t Compactor::RequestWork(std::function<Status(const StepDone&)> work, std::function<void(const Status&)> done) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t id = ++last_request_;
  if (!stopping_) {
    works_.push_back({id, std::move(work), std::move(done), false});
    wakes_.notify_all();
    return id;
  }
  lock.unlock();
  done(Status::Error(Code::kClosed, "the store is closed"));
  return id;
}

// It is answered when it has ended, so that nothing of it goes on behind the answer.
void Compactor::CancelWork(uint64_t request) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Work& work : works_) work.cancelled = work.cancelled || work.id == request;
  wakes_.notify_all();
}

void Compactor::RunWork() {
  std::unique_lock<std::mutex> lock(mutex_);
  const Work& work = works_.front();  // stays where it is while others come
  const StepDone step = [this, &work](uint64_t bytes_read) {
    std::unique_lock<std::mutex> hold(mutex_);
    return Pace(&hold, bytes_read) && !work.cancelled;
  };
  const bool cancelled = work.cancelled;
  lock.unlock();
  Status status = failure_;
  step_began_ns_ = target_.env->MonotonicNs();
  if (cancelled) status = Status::Error(Code::kAborted, "cancelled");
  if (status.ok()) status = work.run(step);
  lock.lock();
  if (stopping_ && status.Is(Code::kAborted)) status = Status::Error(Code::kClosed, "the store is closed");
  const auto done = std::move(works_.front().done);
  works_.pop_front();
  lock.unlock();
  done(status);
}

bool Compactor::SomebodyWaits() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (works_.empty() && requests_.empty()) return false;
  poked_ = true;  // what is left comes after
  return true;
}

// Those that wait for everything share a run.
void Compactor::AnswerRequests() {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto same_work = [&](const Pending& other) { return other.count == 0 && requests_.front().count == 0; };
  auto end = requests_.begin() + 1;
  while (end != requests_.end() && same_work(*end)) ++end;
  running_.assign(std::make_move_iterator(requests_.begin()), std::make_move_iterator(end));
  requests_.erase(requests_.begin(), end);
  const Pending first = running_.front();
  lock.unlock();
  CompactionReport total;
  requested_ = true;
  const Status status = first.count == 0 ? RunRequested(&total) : RunChosen(first, &total);
  requested_ = false;
  lock.lock();
  std::vector<Pending> answered;
  answered.swap(running_);
  lock.unlock();
  for (const Pending& request : answered) request.done(status, total);
}

}  // namespace crabkv
