// Walks and feeds that have little to show: a call reads so much of the log and no more, however few records match.
#include <functional>

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

// How many entries a walk of the store had that got these keys and their large values, and then `last`.
uint64_t WalkOver(const std::function<std::string(int)>& key_of, const Changes& last, const ScanOptions& options,
                  bool* paused) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  for (int i = 0; i < kValues; i++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put(key_of(i), std::string(kValueBytes, 'v'))}));
  }
  if (!last.empty()) EXPECT_OK(WriteAndWait(store.get(), last));
  std::unique_ptr<Scan> scan;
  EXPECT_OK(store->NewScan(options, &scan));
  const uint64_t entries = TakeInBoundedCalls(&env, scan.get(), paused);
  EXPECT_OK(store->Close());
  return entries;
}

TEST(A_call_that_finds_no_key_of_the_prefix_ends_after_so_much_of_the_log) {
  ScanOptions options;
  options.values = false;
  options.prefix = "b";
  bool paused = false;
  EXPECT_EQ(WalkOver([](int i) { return "a" + std::to_string(i); }, {Put("b", "last")}, options, &paused), 1u);
  EXPECT(paused);
}

TEST(A_call_that_finds_only_what_is_dead_ends_after_so_much_of_the_log) {
  bool paused = false;
  EXPECT_EQ(WalkOver([](int) { return "k"; }, {}, ScanOptions(), &paused), 1u);
  EXPECT(paused);
}

// The values of a walk over keys are read and not handed on: the chunk's own bounds are far.
TEST(A_call_for_keys_of_large_values_ends_after_so_much_of_the_log) {
  ScanOptions options;
  options.values = false;
  bool paused = false;
  const uint64_t keys = WalkOver([](int i) { return "k" + std::to_string(i); }, {}, options, &paused);
  EXPECT_EQ(keys, static_cast<uint64_t>(kValues));
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
