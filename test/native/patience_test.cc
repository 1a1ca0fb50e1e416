// When compaction by itself begins: not at what a growing log has just written, and at all of it once the log is at
// rest.
#include <thread>

#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kKeys = 100;

// Overwrites the same keys in turn until the log has been given so many bytes.
void Overwrite(Store* store, uint64_t bytes) {
  const std::string value(600, 'v');
  for (uint64_t written = 0; written < bytes; written += kKeys * value.size()) {
    Changes changes;
    for (uint64_t i = 0; i < kKeys; i++) changes.push_back(Put("key-" + std::to_string(i), value));
    EXPECT_OK(WriteAndWait(store, changes));
  }
}

Options FastOptions() {
  Options options = SmallOptions(SyncMode::kOs);
  options.segment_bytes = 1 << 20;
  options.compaction_io_percent = 100;
  return options;
}

TEST(What_a_growing_log_overwrites_is_not_copied) {
  MemEnv env;
  auto store = OpenStore(&env, FastOptions());
  REQUIRE(store != nullptr);
  uint64_t wanted = 0;
  // Virtual time stands still: the log is never at rest. What is looked at is a segment that was ended, all dead by
  // now.
  for (int segment = 0; segment < 8; segment++) {
    Overwrite(store.get(), 1 << 20);
    if (segment >= 2) wanted++;
    EXPECT(Within5s([&] { return store->Stats().compactions >= wanted; }));
  }
  const StoreStats grown = store->Stats();
  EXPECT(grown.compaction_written_bytes < 64 << 10);
  EXPECT(grown.compaction_read_bytes < 64 << 10);
  EXPECT(grown.log_bytes < 4 << 20);
  EXPECT_OK(store->Close());
}

TEST(A_log_at_rest_is_compacted) {
  MemEnv env;
  auto store = OpenStore(&env, FastOptions());
  REQUIRE(store != nullptr);
  Overwrite(store.get(), (1 << 20) + (1 << 18));
  EXPECT(store->Stats().log_bytes > FastOptions().compaction_log_bytes_min);
  EXPECT(Within5s([&] {
    env.AdvanceMs(50);
    return store->Stats().log_bytes < FastOptions().compaction_log_bytes_min;
  }));
  EXPECT_OK(store->Close());
}

// All of it lies in the segment that the log is in, which no compaction takes before it was ended.
TEST(What_is_dead_in_the_log_s_own_end_is_freed_at_rest) {
  MemEnv env;
  Options options = FastOptions();
  options.compaction_log_bytes_min = 100 << 10;
  auto store = OpenStore(&env, options);
  REQUIRE(store != nullptr);
  Overwrite(store.get(), 300 << 10);
  EXPECT(store->Stats().log_bytes > options.compaction_log_bytes_min);
  EXPECT(Within5s([&] {
    env.AdvanceMs(50);
    return store->Stats().log_bytes < options.compaction_log_bytes_min;
  }));
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
