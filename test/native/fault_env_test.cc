// The fault-injecting Env: a test that injects a fault and sees nothing break proves something only if the fault
// happened.
#include "test/native/fault_env.h"

#include <chrono>
#include <thread>

#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

struct Machine {
  MemEnv memory;
  FaultEnv env{&memory};
  Machine() { CRABKV_ASSERT(memory.CreateDirectory("data").ok()); }

  std::unique_ptr<File> Create(const std::string& path) {
    std::unique_ptr<File> file;
    CRABKV_ASSERT(env.OpenFile(path, OpenMode::kCreate, &file).ok());
    return file;
  }
  std::string Content(const std::string& path) {
    std::string content = "(none)";
    memory.Content(path, &content);
    return content;
  }
};

TEST(Only_the_nth_matching_call_fails_unless_asked_for_ever) {
  Machine machine;
  const auto file = machine.Create("data/a");
  machine.env.FailNth(2, kWriteCall);
  EXPECT_OK(file->WriteAt(0, "a"));
  EXPECT_OK(file->Sync());
  EXPECT_CODE(file->WriteAt(1, "b"), Code::kIo);
  EXPECT_OK(file->WriteAt(1, "c"));
  EXPECT_EQ(machine.Content("data/a"), std::string("ac"));
  EXPECT_EQ(machine.env.faults_hit(), uint64_t{1});
  machine.env.FailNth(1, kWriteCall | kTruncateCall, ENOSPC, true);
  EXPECT_CODE(file->WriteAt(2, "d"), Code::kDiskFull);
  EXPECT_CODE(file->Truncate(0), Code::kDiskFull);
  machine.env.ClearFaults();
  EXPECT_OK(file->Truncate(0));
}

TEST(A_fault_can_be_meant_for_one_file) {
  Machine machine;
  const auto file = machine.Create("data/a");
  const auto other = machine.Create("data/b");
  Fault fault;
  fault.path_part = "/b";
  machine.env.Inject(fault);
  EXPECT_OK(file->WriteAt(0, "x"));
  EXPECT_CODE(other->WriteAt(0, "x"), Code::kIo);
}

TEST(A_shortened_write_leaves_its_first_part) {
  Machine machine;
  const auto file = machine.Create("data/a");
  machine.env.ShortenNthWrite(1, 3);
  EXPECT_CODE(file->WriteAt(0, "abcdef"), Code::kIo);
  EXPECT_EQ(machine.Content("data/a"), std::string("abc"));
}

TEST(A_sync_tried_again_after_a_failure_says_ok_and_saves_nothing) {
  Machine machine;
  const auto file = machine.Create("data/a");
  EXPECT_OK(machine.env.SyncDirectory("data"));
  EXPECT_OK(file->WriteAt(0, "lost"));
  machine.env.FailNth(1, kSyncCall);
  EXPECT_CODE(file->Sync(), Code::kIo);
  EXPECT_OK(file->Sync());
  EXPECT_EQ(machine.Content("data/a"), std::string("lost"));
  std::string content;
  EXPECT(machine.memory.PowerCutKeepNothing()->Content("data/a", &content));
  EXPECT_EQ(content, std::string());
}

TEST(A_full_disk_takes_what_fits_and_has_room_again_when_something_goes) {
  Machine machine;
  const auto before = machine.Create("data/before");
  EXPECT_OK(before->WriteAt(0, std::string(8192, 'x')));
  machine.env.SetSpace(8192);
  const auto file = machine.Create("data/a");
  EXPECT_OK(file->WriteAt(0, std::string(5000, 'a')));
  uint64_t free_bytes = 1;
  EXPECT_OK(machine.env.FreeSpace("data", &free_bytes));
  EXPECT_EQ(free_bytes, uint64_t{0});
  EXPECT_OK(file->WriteAt(5000, std::string(3192, 'b')));  // the rest of a block that is allocated
  EXPECT_OK(file->WriteAt(0, std::string(8192, 'c')));
  EXPECT_CODE(file->WriteAt(8000, std::string(1000, 'd')), Code::kDiskFull);
  EXPECT_EQ(machine.Content("data/a"), std::string(8000, 'c') + std::string(192, 'd'));
  EXPECT_OK(file->Truncate(100));
  EXPECT_EQ(machine.env.space_left(), uint64_t{4096});
  EXPECT_OK(machine.env.Remove("data/before"));
  EXPECT_EQ(machine.env.space_left(), uint64_t{4096 + 8192});
  EXPECT_OK(file->WriteAt(100, std::string(8000, 'e')));
}

TEST(After_its_death_a_process_changes_nothing_any_more) {
  Machine machine;
  const auto file = machine.Create("data/a");
  machine.env.DieAfter(2, kChangingCalls);
  char byte;
  uint64_t got;
  EXPECT_OK(file->WriteAt(0, "a"));
  EXPECT_OK(file->ReadAt(0, 1, &byte, &got));
  EXPECT_OK(file->WriteAt(1, "b"));
  EXPECT(machine.env.dead());
  EXPECT_CODE(file->WriteAt(2, "c"), Code::kIo);
  EXPECT_CODE(file->ReadAt(0, 1, &byte, &got), Code::kIo);
  EXPECT_CODE(file->Sync(), Code::kIo);
  EXPECT_CODE(machine.env.Remove("data/a"), Code::kIo);
  EXPECT_EQ(machine.Content("data/a"), std::string("ab"));
  // The sync of a dead process did not drop anything either: the next one can still sync.
  machine.env.ClearFaults();
  EXPECT_OK(file->Sync());
  std::string content;
  EXPECT_OK(machine.env.SyncDirectory("data"));
  EXPECT(machine.memory.DurableContent("data/a", &content));
  EXPECT_EQ(content, std::string("ab"));
}

TEST(The_log_tells_every_call_in_its_order_with_its_outcome) {
  Machine machine;
  machine.env.FailNth(1, kSyncCall);
  const auto file = machine.Create("data/a");
  EXPECT_OK(file->WriteAt(7, "abc"));
  EXPECT_CODE(file->Sync(), Code::kIo);
  EXPECT_OK(machine.env.Rename("data/a", "data/b"));
  const std::vector<Call> log = machine.env.log();
  REQUIRE(log.size() == 4);
  EXPECT(log[0].kind == kOpenCall && log[0].path == "data/a" && log[0].ok);
  EXPECT(log[1].kind == kWriteCall && log[1].offset == 7 && log[1].length == 3);
  EXPECT(log[2].kind == kSyncCall && !log[2].ok);
  EXPECT(log[3].kind == kRenameCall && log[3].path == "data/a" && log[3].to == "data/b");
  EXPECT_EQ(machine.env.calls(kSyncCall | kRenameCall), uint64_t{2});
}

TEST(The_hook_can_cut_the_power_after_any_call) {
  Machine machine;
  std::vector<std::unique_ptr<MemEnv>> cuts;
  machine.env.SetHook([&](const Call&) { cuts.push_back(machine.memory.PowerCutKeepNothing()); });
  const auto file = machine.Create("data/a");
  EXPECT_OK(file->WriteAt(0, "x"));
  EXPECT_OK(file->Sync());
  EXPECT_OK(machine.env.SyncDirectory("data"));
  REQUIRE(cuts.size() == 4);
  for (size_t index = 0; index < 4; ++index) EXPECT_EQ(cuts[index]->AllFiles().size(), size_t{index == 3 ? 1U : 0U});
}

// A store writes these by itself when it is idle, and after the end of a segment.
TEST(A_failed_append_is_of_records_though_a_frame_without_any_comes_first) {
  Machine machine;
  auto store = OpenStore(&machine.env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  machine.env.Inject(FailedAppend());
  const uint64_t writes = machine.env.calls(kWriteCall);
  machine.memory.AdvanceMs(60);
  while (machine.env.calls(kWriteCall) == writes) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(machine.env.faults_hit(), uint64_t{0});
  EXPECT_CODE(WriteAndWait(store.get(), {Put("a", "")}), Code::kDiskFull);
  EXPECT_EQ(machine.env.faults_hit(), uint64_t{1});
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
