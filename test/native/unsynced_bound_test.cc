// How much may be in the log and not be durable in the lazy modes: after a crash all of it has to be copied.
#include <atomic>
#include <chrono>
#include <thread>

#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

Options LazyOptions() {
  Options options = SmallOptions(SyncMode::kInterval);
  options.sync_every_ms = 60'000;
  options.auto_compaction = false;
  return options;
}

// Segments are of 64 KiB, but for those of a larger value.
void WriteBytes(Store* store, uint64_t bytes, uint64_t value_bytes, uint64_t* version) {
  for (uint64_t i = 0; i * value_bytes < bytes; i++) {
    Commit commit;
    EXPECT_OK(WriteAndWait(store, {Put("k" + std::to_string(i % 8), std::string(value_bytes, 'v'))}, &commit));
    *version = commit.version;
  }
}

constexpr uint64_t kSegmentBytes = 64 << 10;
constexpr uint64_t kSmallValue = 16'000;
constexpr uint64_t kLargeValue = 1 << 20;

TEST(Many_segments_are_synced_before_it_is_time_to) {
  MemEnv env;
  auto store = OpenStore(&env, LazyOptions());
  uint64_t first = 0;
  WriteBytes(store.get(), 8 * kSegmentBytes, kSmallValue, &first);
  EXPECT(store->Stats().durable_version < first);
  uint64_t last = 0;
  WriteBytes(store.get(), 16 * kSegmentBytes, kSmallValue, &last);
  EXPECT(Within5s([&] { return store->Stats().durable_version >= first; }));
  EXPECT_OK(store->Close());
}

void ExpectThatWritesWait(SyncMode mode, uint64_t value_bytes) {
  MemEnv memory;
  FaultEnv env(&memory);
  Options options = LazyOptions();
  options.sync = mode;
  auto store = OpenStore(&env, options);
  std::atomic<bool> held{true};
  env.SetHook([&](const Call& call) {
    // Not of a segment that is made ahead, under its temporary name.
    const bool is_of_log = call.kind == kSyncCall && call.path.rfind(".log") == call.path.size() - 4;
    while (held && is_of_log) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  std::atomic<uint64_t> bytes{0};
  std::thread writer([&] {
    uint64_t version = 0;
    for (; bytes < 200 * kSegmentBytes; bytes += value_bytes) {
      WriteBytes(store.get(), value_bytes, value_bytes, &version);
    }
  });
  EXPECT(Within5s([&] { return bytes >= 60 * kSegmentBytes; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT(bytes < 120 * kSegmentBytes);
  held = false;
  writer.join();
  env.SetHook(nullptr);
  EXPECT_OK(store->Close());
}

TEST(Writes_wait_for_syncs_that_are_very_far_behind) {
  for (const SyncMode mode : {SyncMode::kInterval, SyncMode::kOs}) {
    for (const uint64_t value_bytes : {kSmallValue, kLargeValue}) ExpectThatWritesWait(mode, value_bytes);
  }
}

}  // namespace
}  // namespace crabkv::test
