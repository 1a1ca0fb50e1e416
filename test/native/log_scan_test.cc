// Walks and feeds that have little to show: a call reads so much of the log and no more, however few records match.
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/feed_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kValueBytes = 60 << 10;
constexpr int kValues = 200;  // about three times what a call reads

uint64_t BytesRead(const FaultEnv& env) {
  uint64_t bytes = 0;
  for (const Call& call : env.log(kReadCall)) bytes += call.length;
  return bytes;
}

// To the end; no call may read more than the bound, the rest of a frame, and what is read ahead. How many entries there
// were.
uint64_t TakeInBoundedCalls(FaultEnv* env, Scan* scan, bool* paused) {
  constexpr uint64_t kBeyondMax = 2 << 20;
  uint64_t total = 0;
  for (bool done = false; !done;) {
    env->ResetLog();
    ReadBuffer chunk;
    uint32_t entries = 0;
    if (!EXPECT_OK(scan->Next(1000, 1 << 20, &chunk, &entries, &done))) break;
    EXPECT(BytesRead(*env) <= Scan::kReadBytesMax + kBeyondMax);
    if (!done && entries == 0) *paused = true;
    total += entries;
  }
  return total;
}

uint64_t WalkInBoundedCalls(FaultEnv* env, Store* store, const ScanOptions& options, bool* paused) {
  std::unique_ptr<Scan> scan;
  EXPECT_OK(store->NewScan(options, &scan));
  return TakeInBoundedCalls(env, scan.get(), paused);
}

TEST(A_call_that_finds_no_key_of_the_prefix_ends_after_so_much_of_the_log) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  for (int i = 0; i < kValues; i++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("a" + std::to_string(i), std::string(kValueBytes, 'v'))}));
  }
  EXPECT_OK(WriteAndWait(store.get(), {Put("b", "last")}));
  ScanOptions options;
  options.values = false;
  options.prefix = "b";
  bool paused = false;
  EXPECT_EQ(WalkInBoundedCalls(&env, store.get(), options, &paused), 1u);
  EXPECT(paused);
  EXPECT_OK(store->Close());
}

TEST(A_call_that_finds_only_what_is_dead_ends_after_so_much_of_the_log) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  for (int i = 0; i < kValues; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("k", std::string(kValueBytes, 'v'))}));
  bool paused = false;
  EXPECT_EQ(WalkInBoundedCalls(&env, store.get(), ScanOptions(), &paused), 1u);
  EXPECT(paused);
  EXPECT_OK(store->Close());
}

// The values of a walk over keys are read and not handed on: the chunk's own bounds are far.
TEST(A_call_for_keys_of_large_values_ends_after_so_much_of_the_log) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  for (int i = 0; i < kValues; i++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("k" + std::to_string(i), std::string(kValueBytes, 'v'))}));
  }
  ScanOptions options;
  options.values = false;
  bool paused = false;
  EXPECT_EQ(WalkInBoundedCalls(&env, store.get(), options, &paused), static_cast<uint64_t>(kValues));
  EXPECT_OK(store->Close());
}

TEST(A_call_of_a_feed_that_passes_what_lies_before_its_version_ends_after_so_much_of_the_log) {
  MemEnv memory;
  FaultEnv env(&memory);
  Options options = ManualOptions(SyncMode::kOs);
  options.segment_bytes = 64 << 20;  // all in one, so that the feed begins where the segment does
  auto store = OpenStore(&env, options);
  Commit commit;
  for (int i = 0; i < kValues; i++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("k", std::string(kValueBytes, 'v'))}, &commit));
  }
  auto feed = FeedAfter(store.get(), commit.version - 1);
  bool paused = false;
  EXPECT_EQ(TakeInBoundedCalls(&env, feed.get(), &paused), 1u);
  EXPECT(paused);
  feed.reset();
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
