#include "test/native/compaction_fixture.h"

#include <condition_variable>
#include <mutex>

namespace crabkv::test {

namespace {
// Waits for the answer of a compaction that `start` was given.
template <typename Start>
Status Wait(Start start, CompactionReport* report) {
  std::mutex mutex;
  std::condition_variable answered;
  bool done = false;
  Status status;
  start([&](const Status& said, const CompactionReport& did) {
    std::lock_guard<std::mutex> lock(mutex);
    status = said;
    if (report != nullptr) *report = did;
    done = true;
    answered.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  while (!done) answered.wait(lock);
  return status;
}
}  // namespace

Status Compact(Store* store, CompactionReport* report) {
  return Wait([store](CompactionDone done) { store->StartCompaction(std::move(done)); }, report);
}

Status CompactRun(Store* store, uint64_t first, uint64_t count) {
  return Wait(
      [&](CompactionDone done) { static_cast<StoreImpl*>(store)->StartCompactionOf(first, count, std::move(done)); },
      nullptr);
}

Status EndSegment(Store* store) { return static_cast<StoreImpl*>(store)->EndSegment(); }

}  // namespace crabkv::test
