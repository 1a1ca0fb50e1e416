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

// Segments of 64 KiB, so about so many.
void WriteSegments(Store* store, int segments, uint64_t* version) {
  for (int i = 0; i < segments * 4; i++) {
    Commit commit;
    EXPECT_OK(WriteAndWait(store, {Put("k" + std::to_string(i % 8), std::string(16'000, 'v'))}, &commit));
    *version = commit.version;
  }
}

TEST(Many_segments_are_synced_before_it_is_time_to) {
  MemEnv env;
  auto store = OpenStore(&env, LazyOptions());
  uint64_t first = 0;
  WriteSegments(store.get(), 8, &first);
  EXPECT(store->Stats().durable_version < first);
  uint64_t last = 0;
  WriteSegments(store.get(), 16, &last);
  EXPECT(Within5s([&] { return store->Stats().durable_version >= first; }));
  EXPECT_OK(store->Close());
}

TEST(Writes_wait_for_syncs_that_are_very_far_behind) {
  for (const SyncMode mode : {SyncMode::kInterval, SyncMode::kOs}) {
    MemEnv memory;
    FaultEnv env(&memory);
    Options options = LazyOptions();
    options.sync = mode;
    auto store = OpenStore(&env, options);
    std::atomic<bool> held{true};
    env.SetHook([&](const Call& call) {
      // Not of a segment that is made ahead, under its temporary name.
      const bool is_of_log = call.kind == kSyncCall && call.path.rfind(".log") == call.path.size() - 4;
      while (held && is_of_log) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    std::atomic<int> segments{0};
    std::thread writer([&] {
      for (; segments < 200; segments++) {
        uint64_t version = 0;
        WriteSegments(store.get(), 1, &version);
      }
    });
    EXPECT(Within5s([&] { return segments >= 60; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT(segments < 120);
    held = false;
    writer.join();
    env.SetHook(nullptr);
    EXPECT_OK(store->Close());
  }
}

}  // namespace
}  // namespace crabkv::test
