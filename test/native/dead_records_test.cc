// What compaction need not look up: whatever happens to a write, a mark never stands where a record lives.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "native/core/dead_records.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/repair_fixture.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

std::string Key(uint64_t i) { return "key-" + std::to_string(100 + i); }

TEST(A_mark_is_of_the_record_that_begins_there_and_of_no_other) {
  DeadMarks marks(1 << 20);
  EXPECT(!marks.Has(0));
  const std::vector<uint64_t> set = {0, 40, 128, 4096, 8192 - 40, (1 << 20) - 48};
  for (const uint64_t offset : set) marks.Set(offset);
  // Neighbours begin at least a header away.
  for (uint64_t offset = 0; offset < 1 << 20; offset += 8) {
    const bool is_near = std::any_of(set.begin(), set.end(), [offset](uint64_t other) {
      return other != offset && std::max(offset, other) - std::min(offset, other) < RecordHeader::kBytes;
    });
    if (is_near) continue;
    EXPECT_EQ(marks.Has(offset), std::count(set.begin(), set.end(), offset) != 0);
  }
  marks.Clear();
  for (const uint64_t offset : set) EXPECT(!marks.Has(offset));
}

// The value that the write replaced is marked by a compaction that runs while the write's fate is open.
TEST(What_a_failed_write_had_replaced_is_kept_by_later_compactions) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("replaced", "old"), Put("deleted", "old"), Put("other", "x")}));
  EXPECT_OK(WriteAndWait(store.get(), {Put("other", "y")}));
  EXPECT_OK(EndSegment(store.get()));
  EXPECT_OK(WriteAndWait(store.get(), {Put("behind", "it")}));

  std::atomic<bool> failing{false}, decided{false};
  env.SetHook([&](const Call& call) {
    if (call.kind == kSyncCall && call.path.find(".seg") != std::string::npos) decided = true;
    if (call.kind != kWriteCall || call.ok) return;
    failing = true;
    while (!decided) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  env.Inject(FailedAppend(EIO));
  Commit commit;
  EXPECT_OK(Write(store.get(), {Put("replaced", "new"), Delete("deleted")}, &commit));
  store->Kick();
  while (!failing) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT(!CompactRun(store.get(), 0, 1).ok());
  env.SetHook(nullptr);
  EXPECT(!store->WaitFor(commit.group, false).ok());

  EXPECT_OK(CompactRun(store.get(), 0, 1));
  ExpectContents(store.get(),
                 {{"replaced", {"old", 0}}, {"deleted", {"old", 0}}, {"other", {"y", 0}}, {"behind", {"it", 0}}});
  EXPECT_OK(store->Close());
}

// In one batch that fails, the second value has replaced the first; what is written next lies where that lay.
TEST(What_lies_where_a_failed_write_had_lain_is_kept) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("first", "x")}));
  for (uint64_t round = 0; round < 3; round++) {
    env.Inject(FailedAppend(EIO));
    Commit commit;
    EXPECT_OK(Write(store.get(), {Put(Key(round), "one"), Put(Key(round), "two")}, &commit));
    store->Kick();
    EXPECT(!store->WaitFor(commit.group, false).ok());
    EXPECT_OK(WriteAndWait(store.get(), {Put(Key(10 + round), "one")}));
    EXPECT_OK(EndSegment(store.get()));
  }
  EXPECT_OK(WriteAndWait(store.get(), {Put("behind", "it")}));
  EXPECT_OK(Compact(store.get()));
  for (uint64_t round = 0; round < 3; round++) EXPECT_EQ(Get(store.get(), Key(10 + round)), "one");
  EXPECT_EQ(Get(store.get(), "first"), "x");
  EXPECT_OK(store->Close());
}

// Keys are overwritten while the compaction that has copied them takes effect: the places that the index then stops
// pointing at are of segments that are about to go, and other segments get their handles.
TEST(What_died_in_a_segment_that_is_gone_is_not_taken_for_dead_in_the_next) {
  constexpr uint64_t kKeys = 50;
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  const auto put_all = [&](const std::string& value) {
    for (uint64_t i = 0; i < kKeys; i++) EXPECT_OK(WriteAndWait(store.get(), {Put(Key(i), value)}));
    EXPECT_OK(EndSegment(store.get()));
  };
  put_all("0000");
  for (uint64_t round = 1; round < 8; round++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put(Key(kKeys), "0000")}));  // what is compacted has something behind it
    bool overwritten = false;
    env.SetHook([&](const Call& call) {
      if (call.kind != kRenameCall || call.to.find("MANIFEST") == std::string::npos || overwritten) return;
      overwritten = true;
      Commit commit;
      for (uint64_t i = 0; i < kKeys; i += 2) EXPECT_OK(Write(store.get(), {Put(Key(i), "half")}, &commit));
      store->Kick();
    });
    EXPECT_OK(CompactRun(store.get(), 0, 1));
    env.SetHook(nullptr);
    put_all(std::to_string(1000 + round));
    EXPECT_OK(Compact(store.get()));
    for (uint64_t i = 0; i < kKeys; i++) EXPECT_EQ(Get(store.get(), Key(i)), std::to_string(1000 + round));
  }
  EXPECT_OK(store->Close());
}

// Outputs of one compaction share its span of LSNs, and each ends with what was decided by then. Of these records 32
// fill an output, and 64 are looked up together: every other output ends where that begins.
TEST(Records_that_are_passed_over_do_not_move_the_end_of_an_output_behind_records_that_are_still_to_come) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions());
  constexpr uint64_t kKeys = 600;
  Changes changes;
  for (uint64_t i = 0; i < kKeys; i++) {
    const std::string key = Key(2 * i);
    changes.push_back(Put(key, std::string(2056 - RecordHeader::kBytes - key.size(), 'v')));
    changes.push_back(Put(Key(2 * i + 1), std::string(300, 'd')));
  }
  EXPECT_OK(WriteAndWait(store.get(), changes));
  for (uint64_t i = 0; i < kKeys; i++) EXPECT_OK(WriteAndWait(store.get(), {Put(Key(2 * i + 1), "x")}));
  CompactionReport report;
  EXPECT_OK(Compact(store.get(), &report));
  EXPECT(report.segments_out >= 10);
  for (const PlacedRecord& placed : RecordsOf(&env)) {
    uint64_t number = 0;
    if (!ParseCompactedFileName(placed.file, &number)) continue;
    std::string content;
    SegmentHeader span;
    REQUIRE(env.Content(kDirectory + ("/" + placed.file), &content));
    REQUIRE_OK(DecodeSegmentHeader(content, placed.file, &span));
    EXPECT(span.min_lsn <= placed.lsn && placed.lsn <= span.max_lsn);
  }
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
