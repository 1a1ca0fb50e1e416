// What a failed write leaves behind: nothing of it, in memory, in scans, in the log's numbering, or in what waiters are
// told; and the store goes on as if it had never been asked.
#include <atomic>
#include <chrono>
#include <thread>

#include "test/native/call_gate.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// Lets the syncer see that the store has been idle, and waits for what it does then.
void BeIdle(MemEnv* env, FaultEnv* fault) {
  for (int round = 0; round < 3; round++) {
    const uint64_t writes = fault->calls(kWriteCall);
    env->AdvanceMs(60);
    for (int i = 0; i < 30 && fault->calls(kWriteCall) == writes; i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

// The machine after a store of whose writes one failed, and which was idle then, was closed or lost its power.
std::unique_ptr<MemEnv> AfterFailedWrite(bool closed, const Changes& before, const Changes& behind) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  for (const Change& change : before) EXPECT_OK(WriteAndWait(store.get(), {change}));
  env.Inject(FailedAppend(EIO));
  EXPECT_CODE(WriteAndWait(store.get(), {Put("c", "3"), Put("d", "4")}), Code::kIo);
  BeIdle(&memory, &env);
  for (const Change& change : behind) {
    EXPECT_OK(WriteAndWait(store.get(), {change}));
    BeIdle(&memory, &env);
  }
  if (closed) EXPECT_OK(store->Close());
  auto after = closed ? memory.KillProcess() : memory.PowerCutKeepNothing();
  EXPECT_OK(store->Close());
  return after;
}

TEST(A_store_that_was_idle_after_a_failed_write_opens_again) {
  for (const bool closed : {false, true}) {
    auto after = AfterFailedWrite(closed, {Put("a", "1"), Put("b", "2")}, {Put("e", "5")});
    auto reopened = OpenStore(after.get(), SmallOptions());
    if (reopened != nullptr) {
      EXPECT_EQ(Get(reopened.get(), "a"), "1");
      EXPECT_EQ(Get(reopened.get(), "c"), "(none)");
      EXPECT_EQ(Get(reopened.get(), "e"), "5");
    }
  }
}

TEST(A_store_that_ends_idle_after_a_failed_write_opens_again) {
  for (const bool closed : {false, true}) {
    auto after = AfterFailedWrite(closed, {Put("a", "1")}, {});
    auto reopened = OpenStore(after.get(), SmallOptions());
    if (reopened != nullptr) {
      EXPECT_EQ(Get(reopened.get(), "a"), "1");
      EXPECT_EQ(Get(reopened.get(), "d"), "(none)");
    }
  }
}

// Any step of taking the next segment into use may fail; the one after it must not leave a hole in the log.
TEST(A_segment_that_could_not_be_begun_leaves_no_hole_in_the_log) {
  for (const uint32_t kind : {kMapCall, kOpenCall, kRenameCall, kSyncDirectoryCall, kStatCall}) {
    const Context context("failing calls of kind " + std::to_string(kind));
    MemEnv memory;
    FaultEnv env(&memory);
    ModelLog log;
    auto store = OpenStore(&env, SmallOptions());
    Fault fault;
    fault.kinds = kind;
    fault.forever = true;
    env.Inject(fault);
    for (int i = 0; i < 200; i++) {
      if (i == 150) env.ClearFaults();
      const Changes changes = {Put("k" + std::to_string(i), std::string(1000, 'v'))};
      Commit commit;
      if (WriteAndWait(store.get(), changes, &commit).ok()) log.Add(commit, changes);
    }
    EXPECT_OK(store->Failure());
    EXPECT(log.At(UINT64_MAX).count("k199") == 1);
    auto after = memory.PowerCutKeepNothing();
    auto reopened = OpenStore(after.get(), SmallOptions());
    if (reopened != nullptr) ExpectPrefix(reopened.get(), &log, log.last_version());
  }
}

TEST(A_flush_after_a_failed_write_ends_and_does_not_report_that_write) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, SmallOptions(mode));
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
    env.Inject(FailedAppend());
    EXPECT_CODE(WriteAndWait(store.get(), {Delete("a")}), Code::kOk);  // the reserve helps
    env.Inject(FailedAppend(EIO));
    EXPECT_CODE(WriteAndWait(store.get(), {Put("b", "2")}), Code::kIo);
    uint64_t group = 0;
    EXPECT_OK(store->RequestDurable(&group));
    EXPECT_OK(store->WaitFor(group, true));
    auto after = memory.PowerCutKeepNothing();
    auto reopened = OpenStore(after.get(), SmallOptions(mode));
    if (reopened != nullptr) EXPECT_EQ(Get(reopened.get(), "a"), "(none)");
  }
}

TEST(A_write_that_failed_does_not_come_back_with_a_power_cut) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, SmallOptions(mode));
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
    Fault fault = FailedAppend(EIO);
    fault.write_prefix = UINT64_MAX;  // all of it is there
    env.Inject(fault);
    EXPECT_CODE(WriteAndWait(store.get(), {Put("b", "2")}), Code::kIo);
    for (uint64_t seed = 1; seed <= 20; seed++) {
      auto after = memory.PowerCutKeepRandom(seed);
      auto reopened = OpenStore(after.get(), SmallOptions(mode));
      if (reopened != nullptr) EXPECT_EQ(Get(reopened.get(), "b"), "(none)");
    }
  }
}

TEST(A_write_whose_traces_could_not_be_removed_is_reported_as_indeterminate) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  Fault fault = FailedAppend(EIO);
  fault.write_prefix = UINT64_MAX;  // all of it is there
  env.Inject(fault);
  env.FailNth(1, kTruncateCall);
  EXPECT_CODE(WriteAndWait(store.get(), {Put("a", "2")}), Code::kIndeterminate);
  EXPECT_EQ(Get(store.get(), "a"), "1");
  EXPECT_CODE(WriteAndWait(store.get(), {Put("a", "3")}), Code::kFailed);
  EXPECT(!store->Failure().ok());
}

TEST(A_scan_begun_before_a_write_failed_shows_what_that_write_would_have_replaced) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1"), Put("b", "1"), Put("c", "1", 1'800'000'000'000)}));
  env.Inject(FailedAppend(EIO));
  // The writer thread may take the first write at once; it learns of its failure behind the second.
  CallGate gate(&env, kWriteCall);
  Commit commit;
  EXPECT_OK(Write(store.get(), {Put("a", "2"), Delete("b"), Expire("c", 1'900'000'000'000), Put("d", "2")}, &commit));
  std::unique_ptr<Scan> scan;
  EXPECT_OK(store->NewScan(ScanOptions(), &scan));
  // In the same slots, after the scan was made.
  EXPECT_OK(Write(store.get(), {Put("a", "3"), Put("b", "3")}, &commit));
  gate.Open();
  EXPECT_CODE(store->WaitFor(commit.group, false), Code::kIo);
  EXPECT_EQ(Get(store.get(), "a"), "1");
  EXPECT_EQ(Get(store.get(), "b"), "1");
  EXPECT_EQ(Get(store.get(), "d"), "(none)");
  // The log goes on where the undone records were to lie.
  EXPECT_OK(WriteAndWait(store.get(), {Put("x", "another length"), Put("a", "4"), Put("b", "4")}));
  ReadBuffer chunk;
  uint32_t entries = 0;
  bool done = false;
  EXPECT_OK(scan->Next(100, 1 << 20, &chunk, &entries, &done));
  EXPECT_EQ(entries, 3u);
  std::string seen;
  const char* at = chunk.data();
  for (uint32_t i = 0; i < entries; i++, at += 26) {
    seen += std::string(at + 24, 2) + (at[16] == 0 && at[17] == 0 ? "" : "!") + " ";
  }
  EXPECT_EQ(seen, "a1 b1 c1! ");
  scan.reset();
}

// Tells a test what a listener was told.
class Recorder : public CommitListener {
 public:
  void OnAcknowledged(uint64_t) override {}
  void OnDurable(uint64_t up_to) override { durable = up_to; }
  void OnFailed(uint64_t first, uint64_t last, const Status&) override {
    if (failed_first == 0 || first < failed_first) failed_first = first;
    if (last > failed_last) failed_last = last;
  }
  void OnTakenBack(uint64_t first, uint64_t last) override {
    taken_back_first = first;
    taken_back_last = last;
  }
  void OnRoom() override {}
  std::atomic<uint64_t> taken_back_first{0};
  std::atomic<uint64_t> taken_back_last{0};
  std::atomic<uint64_t> durable{0};
  std::atomic<uint64_t> failed_first{0};
  std::atomic<uint64_t> failed_last{0};
};

TEST(Who_writes_by_what_it_saw_does_not_write_by_what_was_taken_back_since) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  const uint64_t before = store->Rollbacks();
  EXPECT_EQ(store->RollbacksDone(), before);
  env.Inject(FailedAppend(EIO));
  EXPECT_CODE(WriteAndWait(store.get(), {Put("a", "2"), Put("b", "2")}), Code::kIo);
  const auto write = [&](uint64_t rollbacks, Commit* commit) {
    Operation operations[2];
    operations[0].kind = Operation::Kind::kDelete;
    operations[0].key = "b";
    operations[1].key = "c";
    operations[1].value = "3";
    operations[1].guard = Guard::kAbsent;
    EXPECT_OK(store->Write(operations, 2, DiskWait::kNever, rollbacks, commit));
  };
  Commit commit;
  write(before, &commit);
  EXPECT(!commit.committed);
  EXPECT_EQ(commit.failed_index, 2u);
  EXPECT_EQ(commit.group, 0u);
  EXPECT_EQ(Get(store.get(), "c"), "(none)");
  const uint64_t done = store->RollbacksDone();
  EXPECT(done != before);
  EXPECT_EQ(done, store->Rollbacks());
  write(done, &commit);
  EXPECT(commit.committed);
  EXPECT_OK(store->WaitFor(commit.group, false));
  EXPECT_EQ(Get(store.get(), "c"), "3");
}

TEST(Listeners_are_told_of_what_was_taken_back_before_the_disk_is_done_with_it) {
  for (const bool sticky : {false, true}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, SmallOptions());
    Recorder recorder;
    store->AddListener(&recorder);
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
    const uint64_t before = store->Rollbacks();
    env.Inject(FailedAppend(EIO));
    CallGate gate(&env, kTruncateCall);
    if (sticky) env.FailNth(1, kTruncateCall);
    Commit commit;
    EXPECT_OK(Write(store.get(), {Put("a", "2")}, &commit));
    store->Kick();
    while (Get(store.get(), "a") != "1") std::this_thread::yield();
    EXPECT(store->Rollbacks() != before);
    EXPECT_EQ(store->RollbacksDone(), store->Rollbacks());
    EXPECT_EQ(recorder.taken_back_first.load(), commit.group);
    EXPECT(recorder.taken_back_last >= commit.group);  // and the group that was open behind it
    EXPECT_EQ(recorder.failed_last.load(), 0u);
    gate.Open();
    EXPECT_CODE(store->WaitFor(commit.group, false), sticky ? Code::kIndeterminate : Code::kIo);
    EXPECT(Within5s([&] { return recorder.failed_last >= commit.group; }));
    EXPECT_EQ(store->Failure().ok(), !sticky);
    store->RemoveListener(&recorder);
  }
}

TEST(A_sync_that_fails_while_the_store_closes_is_told_to_those_who_wait_for_it) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  Recorder recorder;
  store->AddListener(&recorder);
  Commit commit;
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}, &commit));
  std::atomic<bool> syncing{false};
  std::atomic<bool> closing{false};
  env.SetHook([&](const Call& call) {
    if (call.kind != kSyncCall) return;
    syncing = true;
    while (!closing) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the writer thread ends meanwhile
  });
  env.FailNth(1, kSyncCall);
  uint64_t group = 0;
  EXPECT_OK(store->RequestDurable(&group));
  EXPECT_EQ(group, commit.group);
  while (!syncing) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  closing = true;
  EXPECT(!store->Close().ok());
  EXPECT(recorder.failed_first <= group && recorder.failed_first != 0);
  EXPECT(recorder.failed_last >= group);
  EXPECT_EQ(recorder.durable.load(), 0u);
}

// What was undone is given out again by the next opening: a compaction that had counted it must not have the store
// forget what is deleted, or gets another deadline, then.
TEST(LSNs_that_were_undone_before_a_compaction_are_behind_it_when_they_are_given_out_again) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  const uint64_t soon = store->NowMs() + 5000;
  EXPECT_OK(WriteAndWait(store.get(), {Put("deleted", "old"), Put("kept", "k", soon), Put("other", "1")}));
  EXPECT_OK(EndSegment(store.get()));
  env.Inject(FailedAppend(EIO));
  Changes undone;
  for (int i = 0; i < 10; i++) undone.push_back(Put("undone:" + std::to_string(i), "1"));
  EXPECT_CODE(WriteAndWait(store.get(), undone), Code::kIo);
  EXPECT_OK(CompactRun(store.get(), 0, 1));
  const auto reopen = [&] {
    EXPECT_OK(store->Close());
    store.reset();
    store = OpenStore(&env, ManualOptions());
  };
  reopen();
  EXPECT_OK(WriteAndWait(store.get(), {Delete("deleted"), Expire("kept", 0)}));
  EXPECT_OK(EndSegment(store.get()));
  reopen();  // twice: the first opening has written down what it found
  EXPECT_OK(CompactRun(store.get(), 1, 1));
  reopen();
  memory.AdvanceMs(6000);
  EXPECT_EQ(Get(store.get(), "deleted"), "(none)");
  EXPECT_EQ(Get(store.get(), "kept"), "k");
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
