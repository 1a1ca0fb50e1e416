// A disk without space: a write that finds none is refused whole, everything else goes on, and when space is back so do
// writes, without a reopening.
#include <chrono>
#include <thread>

#include "native/core/disk_space.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Puts until the disk is full; the log knows what was acknowledged.
void FillDisk(Store* store, ModelLog* log, int* next) {
  for (int i = 0; i < 10'000; i++) {
    const Changes changes = {Put("k" + std::to_string(*next), std::string(3000, 'f')),
                             Put("pair" + std::to_string(*next), "of it")};
    (*next)++;
    Commit commit;
    const Status status = WriteAndWait(store, changes, &commit);
    if (status.ok()) {
      log->Add(commit, changes);
      continue;
    }
    EXPECT_CODE(status, Code::kDiskFull);
    return;
  }
  Fail(__FILE__, __LINE__, "the disk does not get full");
}

bool MemoryAgrees(Store* store, const ModelLog& log) {
  Contents contents;
  if (!EXPECT_OK(ReadAll(store, &contents))) return false;
  return EXPECT_EQ(Difference(log.At(UINT64_MAX), contents), "the same");
}

TEST(A_full_disk_refuses_batches_whole_and_takes_writes_again_when_there_is_space) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    for (const uint64_t space : {kMiB, kMiB + 4096, kMiB + 20 * 4096, 2 * kMiB + 52 * 1024}) {
      if (Stride() > 1 && space != kMiB) continue;
      const Context context("sync mode " + std::to_string(static_cast<int>(mode)) + ", space " + std::to_string(space));
      MemEnv memory;
      FaultEnv env(&memory);
      env.SetSpace(space);
      ModelLog log;
      int next = 0;
      auto store = OpenStore(&env, SmallOptions(mode));
      REQUIRE(store != nullptr);
      for (int round = 0; round < 3; round++) {
        // Puts may have been refused only until the reserve, which deletes have used up, is there again.
        bool full = false;
        for (int tries = 0; tries < 10 && !full; tries++) {
          FillDisk(store.get(), &log, &next);
          full = store->Stats().disk_full;
        }
        EXPECT(full);
        EXPECT_OK(store->Failure());
        EXPECT_EQ(Get(store.get(), "pair" + std::to_string(next - 1)), "(none)");
        if (!MemoryAgrees(store.get(), log)) return;
        // Deletes go on, for a good while.
        for (int i = 0; i < 20; i++) {
          const Changes changes = {Delete("k" + std::to_string(round * 20 + i))};
          Commit commit;
          EXPECT_OK(WriteAndWait(store.get(), changes, &commit));
          log.Add(commit, changes);
        }
        MemoryAgrees(store.get(), log);
        env.SetSpace(kMiB);
      }
      const Changes changes = {Put("there is", "space again")};
      Commit commit;
      EXPECT_OK(WriteAndWait(store.get(), changes, &commit));
      log.Add(commit, changes);
      for (int i = 0; i < 2000 && store->Stats().disk_full; i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT(!store->Stats().disk_full);
      auto killed = memory.KillProcess();
      EXPECT_OK(store->Close());
      store.reset();
      for (MemEnv* machine : {killed.get(), &memory}) {
        store = OpenStore(machine, SmallOptions(mode));
        REQUIRE(store != nullptr);
        ExpectPrefix(store.get(), &log, log.last_version());
        store.reset();
      }
    }
  }
}

// A person whose disk is full kills and restarts the program first of all.
TEST(A_store_on_a_full_disk_opens_reads_and_deletes) {
  for (const bool clean : {true, false}) {
    const Context context(clean ? "closed" : "killed");
    MemEnv memory;
    FaultEnv env(&memory);
    env.SetSpace(kMiB);
    ModelLog log;
    int next = 0;
    auto store = OpenStore(&env, SmallOptions());
    FillDisk(store.get(), &log, &next);
    if (clean) EXPECT_OK(store->Close());
    auto machine = memory.KillProcess();
    store.reset();
    FaultEnv full(machine.get());
    full.SetSpace(clean ? 0 : 4096);  // what closing made free, others took
    auto reopened = OpenStore(&full, SmallOptions());
    REQUIRE(reopened != nullptr);
    ExpectPrefix(reopened.get(), &log, log.last_version());
    EXPECT_CODE(WriteAndWait(reopened.get(), {Put("new", std::string(70'000, 'n'))}), Code::kDiskFull);
    EXPECT_OK(WriteAndWait(reopened.get(), {Delete("k0")}));
    EXPECT_EQ(Get(reopened.get(), "k0"), "(none)");
    full.SetSpace(kMiB);
    EXPECT_OK(WriteAndWait(reopened.get(), {Put("new", std::string(70'000, 'n'))}));
    EXPECT_OK(reopened->Close());
  }
}

TEST(A_sync_that_finds_no_space_is_a_failed_sync) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  env.FailNth(1, kSyncCall, ENOSPC);
  EXPECT_CODE(WriteAndWait(store.get(), {Put("b", "2")}), Code::kIndeterminate);
  EXPECT_CODE(WriteAndWait(store.get(), {Put("c", "3")}), Code::kFailed);
  EXPECT_EQ(Get(store.get(), "a"), "1");
  EXPECT_EQ(Get(store.get(), "b"), "(none)");
  EXPECT(!store->Close().ok());
}

TEST(Puts_keep_out_of_the_reserve_when_what_frees_space_needed_it_first) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1"), Put("b", "2")}));
  env.SetSpace(0);               // others took the rest
  const auto free_space = [&] {  // more than a block
    Changes changes;
    for (uint64_t i = 0; i < 100; i++) changes.push_back(Expire("a", 1'900'000'000'000 + i));
    return WriteAndWait(store.get(), changes);
  };
  EXPECT_OK(free_space());
  EXPECT(store->Stats().disk_full);
  EXPECT_CODE(WriteAndWait(store.get(), {Put("new", std::string(3000, 'n'))}), Code::kDiskFull);
  for (int i = 0; i < 5; i++) EXPECT_OK(free_space());
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
