// A sync that fails: it is not retried, its writes are indeterminate and undone in memory, the store takes no more of
// them and goes on reading, and the next opening does not believe what the page cache still shows.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// No file (or directory) is synced again after a sync of it failed, as long as this process lives.
void ExpectNoRetry(const FaultEnv& env) {
  std::vector<std::string> failed;
  for (const Call& call : env.log(kSyncCall)) {
    EXPECT_EQ(std::count(failed.begin(), failed.end(), call.path), 0);
    if (!call.ok) failed.push_back(call.path);
  }
  EXPECT_EQ(failed.size(), 1u);
}

TEST(A_failed_sync_is_not_retried_and_takes_back_what_waited_for_it) {
  for (const uint64_t seed : {0U, 1U, 2U, 3U}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, SmallOptions());
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1"), Put("b", "1")}));
    Fault fault;
    fault.kinds = kSyncCall;
    fault.path_part = ".log";
    fault.sync_keeps_seed = seed;
    env.Inject(fault);
    env.ResetLog();
    Commit commit;
    EXPECT_CODE(WriteAndWait(store.get(), {Put("a", "2"), Delete("b"), Put("c", "2")}, &commit), Code::kIndeterminate);
    EXPECT_EQ(Get(store.get(), "a"), "1");
    EXPECT_EQ(Get(store.get(), "b"), "1");
    EXPECT_EQ(Get(store.get(), "c"), "(none)");
    Contents contents;
    EXPECT_OK(ReadAll(store.get(), &contents));
    EXPECT_EQ(contents.size(), 2u);
    EXPECT_CODE(WriteAndWait(store.get(), {Put("d", "3")}), Code::kFailed);
    uint64_t group = 0;
    EXPECT_CODE(store->RequestDurable(&group), Code::kFailed);
    EXPECT_CODE(store->Failure(), Code::kIo);
    EXPECT_EQ(store->Failure().path(), std::string(kDirectory) + "/00000001.log");
    EXPECT_CODE(store->WaitFor(commit.group, true), Code::kIndeterminate);
    EXPECT_CODE(store->Close(), Code::kIo);
    ExpectNoRetry(env);
  }
}

TEST(A_write_is_acknowledged_only_when_its_sync_has_returned) {
  class Watcher final : public CommitListener {
   public:
    void OnAcknowledged(uint64_t up_to) override { acknowledged = up_to; }
    void OnDurable(uint64_t up_to) override { acknowledged = up_to; }
    void OnFailed(uint64_t, uint64_t, const Status&) override {}
    void OnRoom() override {}
    std::atomic<uint64_t> acknowledged{0};
  };
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  Watcher watcher;
  store->AddListener(&watcher);
  std::atomic<uint64_t> before_sync_returned{0};
  // The writer thread's sync of a frame (not that of a segment made ahead, by another thread).
  std::atomic<std::thread::id> writer;
  env.SetHook([&](const Call& call) {
    const bool frame = call.kind == kWriteCall && call.offset != 0 && call.length < 4096;
    if (frame) writer = std::this_thread::get_id();
    if (call.kind == kSyncCall && writer.load() == std::this_thread::get_id()) {
      before_sync_returned = watcher.acknowledged.load();
    }
  });
  for (int i = 0; i < 200; i++) {  // over some segments
    Commit commit;
    EXPECT_OK(WriteAndWait(store.get(), {Put("k", std::string(1000, 'v'))}, &commit));
    EXPECT(before_sync_returned < commit.group);
  }
  store->RemoveListener(&watcher);
  EXPECT_OK(store->Close());
}

TEST(Reopening_after_a_failed_sync_does_not_believe_the_page_cache) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    for (const bool killed : {false, true}) {
      const Context context("sync mode " + std::to_string(static_cast<int>(mode)) + (killed ? ", killed" : ", closed"));
      MemEnv memory;
      FaultEnv env(&memory);
      ModelLog log;
      auto store = OpenStore(&env, SmallOptions(mode));
      const auto write = [&](const Changes& changes) {
        Commit commit;
        const Status status = WriteAndWait(store.get(), changes, &commit);
        log.Add(commit, changes);
        return status;
      };
      EXPECT_OK(write({Put("a", "1")}));
      env.FailNth(1, kSyncCall);
      const Status second = write({Put("a", "2")});
      EXPECT_CODE(second, mode == SyncMode::kAlways ? Code::kIndeterminate : Code::kOk);
      uint64_t group = 0;
      if (mode != SyncMode::kAlways && store->RequestDurable(&group).ok()) {
        EXPECT_CODE(store->WaitFor(group, true), Code::kIndeterminate);
        // What was acknowledged stays visible.
        EXPECT_EQ(Get(store.get(), "a"), "2");
      }
      if (!killed) EXPECT(!store->Close().ok());
      auto machine = killed ? memory.KillProcess() : nullptr;
      if (!killed) store.reset();
      MemEnv* const next = killed ? machine.get() : &memory;
      auto reopened = OpenStore(next, SmallOptions(mode));
      REQUIRE(reopened != nullptr);
      ExpectPrefix(reopened.get(), &log, mode == SyncMode::kAlways ? 1 : 2);
      const uint64_t shown = reopened->Stats().last_version;
      // Whatever it showed, it made durable first: the page cache of the failed sync will never be written.
      auto after = next->PowerCutKeepNothing();
      auto again = OpenStore(after.get(), SmallOptions(mode));
      if (again != nullptr) ExpectPrefix(again.get(), &log, shown);
      EXPECT_OK(reopened->Close());
    }
  }
}

TEST(A_lazy_mode_that_fails_to_sync_fails_only_what_waits_to_be_durable) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kInterval));
  env.FailNth(1, kSyncCall);
  Commit first;
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}, &first));
  for (int i = 0; i < 2000 && store->Failure().ok(); i++) {
    memory.AdvanceMs(50);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT(!store->Failure().ok());
  // A write may still slip in before the writer knows; it is taken back.
  const Status second = WriteAndWait(store.get(), {Put("a", "2")});
  EXPECT(second.Is(Code::kFailed) || second.Is(Code::kIndeterminate));
  EXPECT_CODE(WriteAndWait(store.get(), {Put("a", "3")}), Code::kFailed);
  EXPECT_OK(store->WaitFor(first.group, false));
  EXPECT_CODE(store->WaitFor(first.group, true), Code::kIndeterminate);
  EXPECT_EQ(Get(store.get(), "a"), "1");
  EXPECT(!store->Close().ok());
}

// The writer is taking a failed write back when the syncer learns that the disk has lost what was written before.
TEST(A_sync_that_fails_while_a_failed_write_is_taken_back_ends_the_log) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  Commit acknowledged;
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}, &acknowledged));
  std::atomic<bool> syncing{false}, cutting{false};
  const auto nap = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  env.SetHook([&](const Call& call) {
    if (call.path.find(".log") == std::string::npos) return;
    if (call.kind == kSyncCall && !call.ok) {
      syncing = true;
      while (!cutting) nap();
    } else if (call.kind == kTruncateCall) {
      cutting = true;
      for (int i = 0; i < 5000 && store->Failure().ok(); i++) nap();
    }
  });
  env.ResetLog();
  env.FailNth(1, kSyncCall);
  uint64_t group = 0;
  EXPECT_OK(store->RequestDurable(&group));
  while (!syncing) nap();
  env.Inject(FailedAppend(ENOSPC));
  // Not that the disk is full, which says that nothing of it is there.
  EXPECT_CODE(WriteAndWait(store.get(), {Put("b", "2")}), Code::kIndeterminate);
  EXPECT_CODE(store->WaitFor(acknowledged.group, true), Code::kIndeterminate);
  env.SetHook(nullptr);
  ExpectNoRetry(env);
  EXPECT(!store->Failure().ok());
  // Whatever is accepted still is told of; and soon nothing is.
  Status status;
  for (int i = 0; i < 1000 && status.ok(); i++) {
    Commit commit;
    status = Write(store.get(), {Put("c", "3")}, &commit);
    if (status.ok()) EXPECT(!store->WaitFor(commit.group, false).ok());
  }
  EXPECT_CODE(status, Code::kFailed);
  EXPECT_EQ(Get(store.get(), "c"), "(none)");
  EXPECT(!store->Close().ok());
}

}  // namespace
}  // namespace crabkv::test
