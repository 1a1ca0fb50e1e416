// The compactor thread: decides when to compact what (compaction_plan.h), runs one compaction at a time (compaction.h),
// keeps to its share of the time, closes replaced segments once nobody holds them, and between all that has hints
// written. Other work that can't have files removed under it (backups) runs here, too.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "native/core/compaction.h"
#include "native/core/compaction_plan.h"
#include "native/core/hint_keeper.h"
#include "native/core/store.h"

namespace crabkv {

class Compactor {
 public:
  // `kept_version()` is the lowest version behind which all changes must stay in the log.
  Compactor(CompactionTarget target, std::function<uint64_t()> kept_version);
  ~Compactor() { Stop(); }

  void Start();
  // Gives up what is under way, which changes nothing. Idempotent; one caller at a time. Afterwards every request has
  // been answered.
  void Stop();
  // The log has grown: something may be worth it. Any thread, cheap.
  void Poke();
  // See Store::StartCompaction and StoreImpl::StartCompactionOf.
  uint64_t Request(CompactionDone done) { return Enqueue({0, std::move(done), 0, 0}); }
  uint64_t RequestRun(uint64_t first, uint64_t count, CompactionDone done) {
    return Enqueue({0, std::move(done), first, count});
  }
  void Cancel(uint64_t request);
  // Runs `work` while no compaction does, and then tells `done` once. `work` calls what it is given between steps, with
  // the bytes read since the last call; false: give up, with kAborted. kClosed when the store is closed.
  uint64_t RequestWork(std::function<Status(const StepDone&)> work, std::function<void(const Status&)> done);
  void CancelWork(uint64_t request);
  // Has the hints written that are missing, unless that takes longer than `limit_ms`. After Stop.
  void WriteLastHints(uint64_t limit_ms);
  void AddStats(StoreStats* stats) const;

 private:
  struct Pending {
    uint64_t id;
    CompactionDone done;
    uint64_t first;  // the run that was asked for; count 0: everything
    uint64_t count;
  };
  struct Work {
    uint64_t id;
    std::function<Status(const StepDone&)> run;
    std::function<void(const Status&)> done;
    bool cancelled;
  };
  // The segments as they are now.
  struct View {
    std::vector<SegmentPin> pins;  // all, in LSN order
    PlannedLog log;
    std::vector<size_t> places;  // of each of its segments in `pins`
    bool open_has_records = false;
  };

  void Main();
  // `growing`: the log has grown just now.
  void RunAutomatic(bool growing);
  bool AtRest() const;
  void Sleep(std::unique_lock<std::mutex>* lock);
  uint64_t Enqueue(Pending request);
  void AnswerRequests();
  Status RunRequested(CompactionReport* total);
  Status RunChosen(const Pending& request, CompactionReport* total);
  bool EndSegmentForSpace(const View& view);
  View Look() const;
  PlanLimits Limits() const;
  Status RunPlan(const View& view, const Plan& plan, CompactionReport* total);
  Status RunOnce(const View& view, const Plan& plan, CompactionReport* report);
  bool GoOn(uint64_t bytes_read);
  bool Pace(std::unique_lock<std::mutex>* lock, uint64_t bytes_read);
  void RunWork();
  bool SomebodyWaits();
  void CloseReplaced();
  void KeepHints();

  CompactionTarget target_;
  HintKeeper hints_;
  DeadRecords dead_;
  const std::function<uint64_t()> kept_version_;
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable wakes_;
  bool stopping_ = false;  // guarded by mutex_, as are the next five
  bool poked_ = true;      // an opened store may be worth it
  std::vector<Pending> requests_;
  std::vector<Pending> running_;  // requests that are being answered; all cancelled: give up
  std::deque<Work> works_;        // the first one may be running
  uint64_t last_request_ = 0;

  // Compactor thread.
  uint64_t next_number_ = 1;
  bool requested_ = false;          // what runs was requested
  uint64_t poked_ns_ = 0;           // when the log had grown
  bool postponed_ = false;          // there is something to do when the log is at rest
  Status failure_;                  // why no compaction runs any more
  std::vector<Segment*> replaced_;  // not closed yet
  uint64_t step_bytes_ = 0;
  uint64_t step_began_ns_ = 0;

  std::atomic<bool> busy_{false};
  std::atomic<uint64_t> compactions_{0};
  std::atomic<uint64_t> bytes_read_{0};
  std::atomic<uint64_t> bytes_written_{0};
  std::atomic<uint64_t> records_dropped_{0};
};

}  // namespace crabkv
