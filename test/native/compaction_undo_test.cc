// Writes that fail around the moment in which a compaction takes effect: what they replaced has moved to another file
// meanwhile, and is found there when they are taken back.
#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "native/core/coding.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kLater = 1'900'000'000'000;

void SleepUntil(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Entries as a scan shows them, without reading each by its key as well.
std::map<std::string, std::string> ScanAll(Scan* scan) {
  std::map<std::string, std::string> entries;
  for (bool done = false; !done;) {
    ReadBuffer chunk;
    uint32_t count = 0;
    if (!EXPECT_OK(scan->Next(1000, 1 << 20, &chunk, &count, &done))) return entries;
    const char* at = chunk.data();
    for (; count > 0; count--) {
      const uint32_t key_bytes = GetU32(at);
      const uint32_t value_bytes = GetU32(at + 4);
      entries[std::string(at + 24, key_bytes)] = std::string(at + 24 + key_bytes, value_bytes);
      at += 24 + key_bytes + value_bytes;
    }
  }
  return entries;
}

TEST(A_write_that_fails_after_what_it_replaced_was_moved_gives_the_moved_value_back) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("changed", "old"), Put("dated", "old", kLater), Put("deleted", "old"),
                                       Put("left alone", "old"), Put("dead", "x")}));
  EXPECT_OK(WriteAndWait(store.get(), {Put("dead", "y"), Delete("dead")}));
  EXPECT_OK(EndSegment(store.get()));
  EXPECT_OK(WriteAndWait(store.get(), {Put("behind", "it")}));

  // When the compaction writes the MANIFEST that lists its outputs, three keys are changed by a write that will fail;
  // the writer is held until the compaction has moved the index.
  std::atomic<bool> written{false}, moved{false};
  Commit commit;
  std::unique_ptr<Scan> before_moves;
  env.SetHook([&](const Call& call) {
    if (call.kind == kRenameCall && call.to.find("MANIFEST") != std::string::npos && !written) {
      env.Inject(FailedAppend(EIO));
      EXPECT_OK(store->NewScan(ScanOptions(), &before_moves));
      EXPECT_OK(Write(store.get(), {Put("changed", "new"), Put("dated", "new"), Delete("deleted")}, &commit));
      store->Kick();
      written = true;
    } else if (call.kind == kWriteCall && !call.ok) {
      SleepUntil(moved);
    }
  });
  std::thread compaction([&] { EXPECT_OK(CompactRun(store.get(), 0, 1)); });
  SleepUntil(written);
  EXPECT_EQ(Get(store.get(), "changed"), "new");
  // It waits for the fate of the write with all in its new place.
  for (int i = 0; i < 2000 && Get(store.get(), "left alone") == "old" && store->FeedFloor() == 0; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::unique_ptr<Scan> between;
  EXPECT_OK(store->NewScan(ScanOptions(), &between));
  moved = true;
  compaction.join();
  env.SetHook(nullptr);
  EXPECT(!store->WaitFor(commit.group, false).ok());

  const Contents expected = {{"changed", {"old", 0}},
                             {"dated", {"old", kLater}},
                             {"deleted", {"old", 0}},
                             {"left alone", {"old", 0}},
                             {"behind", {"it", 0}}};
  ExpectContents(store.get(), expected);
  for (Scan* scan : {before_moves.get(), between.get()}) {
    const auto entries = ScanAll(scan);
    EXPECT_EQ(entries.size(), expected.size());
    for (const auto& [key, value] : entries) EXPECT_EQ(value, key == "behind" ? "it" : "old");
  }
  before_moves.reset();
  between.reset();
  auto killed = memory.KillProcess();
  EXPECT_OK(store->Close());
  for (MemEnv* machine : {killed.get(), &memory}) {
    store.reset();
    store = OpenStore(machine, ManualOptions());
    REQUIRE(store != nullptr);
    ExpectContents(store.get(), expected);
  }
}

}  // namespace
}  // namespace crabkv::test
