// While a failed write is cut off the log, which takes as long as the disk does: nobody waits for that, and what comes
// meanwhile has the fate of the cut.
#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "test/native/call_gate.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// One write has failed and is undone, and the cut that removes its traces from the file has not returned yet.
class CutUnderWay {
 public:
  explicit CutUnderWay(SyncMode mode) : env_(&memory_), store_(OpenStore(&env_, SmallOptions(mode))) {
    EXPECT_OK(WriteAndWait(store_.get(), {Put("a", "1")}));
    Fault fault = FailedAppend(EIO);
    fault.write_prefix = UINT64_MAX;  // all of it is there
    env_.Inject(fault);
  }
  // `kind`: of the call of the cut that does not return.
  void Begin(CallKind kind) {
    gate_.emplace(&env_, kind);
    EXPECT_OK(Write(store(), {Put("b", "2")}, &failed_));
    store_->Kick();
    EXPECT(Within5s([&] { return Get(store(), "b") == "(none)"; }));
  }
  // Whether the write is accepted before the cut ends.
  bool Accepts(const std::function<Status(Commit*)>& write, Commit* commit) {
    std::atomic<bool> done{false};
    std::thread writer([&] {
      EXPECT_OK(write(commit));
      done = true;
    });
    const bool at_once = Within5s([&] { return done.load(); });
    if (!at_once) gate_->Open();
    writer.join();
    return at_once;
  }
  void End() { gate_->Open(); }
  MemEnv* memory() { return &memory_; }
  FaultEnv* env() { return &env_; }
  Store* store() { return store_.get(); }
  uint64_t failed_group() const { return failed_.group; }

 private:
  MemEnv memory_;
  FaultEnv env_;
  std::shared_ptr<Store> store_;
  std::optional<CallGate> gate_;
  Commit failed_;
};

// Put is called by JavaScript's thread, Write by it and by others.
void WriteDuringCut(CutUnderWay* cut, Commit* put, Commit* batch) {
  Store* store = cut->store();
  EXPECT(cut->Accepts([store](Commit* commit) { return store->Put("c", "3", 0, commit); }, put));
  EXPECT(cut->Accepts([store](Commit* commit) { return Write(store, {Put("d", "4"), Delete("a")}, commit); }, batch));
  EXPECT_EQ(Get(store, "c"), "3");
  EXPECT_EQ(Get(store, "a"), "(none)");
}

TEST(Writes_do_not_wait_while_a_failed_one_is_cut_off) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    for (const CallKind kind : {kTruncateCall, kSyncCall}) {
      const Context context("mode " + std::to_string(static_cast<int>(mode)) + ", held in calls of kind " +
                            std::to_string(kind));
      CutUnderWay cut(mode);
      cut.Begin(kind);
      Commit put, batch;
      WriteDuringCut(&cut, &put, &batch);
      cut.End();
      EXPECT_CODE(cut.store()->WaitFor(cut.failed_group(), false), Code::kIo);
      EXPECT_OK(cut.store()->WaitFor(put.group, false));
      EXPECT_OK(cut.store()->WaitFor(batch.group, false));
      EXPECT_OK(cut.store()->Close());
      auto killed = cut.memory()->KillProcess();
      auto reopened = OpenStore(killed.get(), SmallOptions(mode));
      if (reopened != nullptr) ExpectContents(reopened.get(), {{"c", {"3", 0}}, {"d", {"4", 0}}});
    }
  }
}

TEST(What_was_written_during_a_cut_is_undone_when_the_cut_fails) {
  for (const CallKind kind : {kTruncateCall, kSyncCall}) {
    const Context context("a failed call of kind " + std::to_string(kind));
    CutUnderWay cut(SyncMode::kOs);
    cut.env()->FailNth(1, kind);
    cut.Begin(kind);
    Commit put, batch;
    WriteDuringCut(&cut, &put, &batch);
    cut.End();
    for (const uint64_t group : {cut.failed_group(), put.group, batch.group}) {
      EXPECT_CODE(cut.store()->WaitFor(group, false), Code::kIndeterminate);
    }
    EXPECT(!cut.store()->Failure().ok());
    ExpectContents(cut.store(), {{"a", {"1", 0}}});
    EXPECT_CODE(WriteAndWait(cut.store(), {Put("e", "5")}), Code::kFailed);
    EXPECT(!cut.store()->Close().ok());
    auto after = cut.memory()->PowerCutKeepNothing();
    auto reopened = OpenStore(after.get(), SmallOptions(SyncMode::kOs));
    if (reopened != nullptr) EXPECT_EQ(Get(reopened.get(), "c"), "(none)");
  }
}

}  // namespace
}  // namespace crabkv::test
