// What a thread sees that is stopped at the worst moment: between two looks at what others change meanwhile.
#include "test/native/standstill.h"

#include <thread>

#include "test/native/call_gate.h"
#include "test/native/feed_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// Large groups wait while the disk does, so segments without frames follow each other, and all get theirs at once. The
// feed that stood still meanwhile may have looked at one of them before, and at the next one after.
TEST(A_feed_passes_no_segment_by_that_was_written_while_it_looked_for_the_next) {
  constexpr uint64_t kBatches = 60;
  const std::string value(65'400, 'v');  // as much as a group takes, and a segment
  for (uint64_t round = 0; round < Rounds(30); round++) {
    MemEnv memory;
    FaultEnv env(&memory);
    Options options = SmallOptions(SyncMode::kOs);
    options.auto_compaction = false;
    auto store = OpenStore(&env, options);
    EXPECT_OK(WriteAndWait(store.get(), {Put("first", value)}));
    auto feed = FeedFromNow(store.get());
    AllShown shown;
    std::thread follower([&] {
      while (shown.size() < kBatches && EXPECT_OK(TakeAll(feed.get(), &shown))) continue;
    });
    Commit commit;
    {
      CallGate gate(&env, kWriteCall);
      for (uint64_t i = 0; i < kBatches; i++) {
        EXPECT_OK(store->Put("key" + std::to_string(i), value, 0, &commit));
      }
      store->Kick();
      Standstill standstill(follower.native_handle());
      gate.Open();
      EXPECT_OK(store->WaitFor(commit.group - 2, false));
      standstill.GoOn();
      EXPECT_OK(store->WaitFor(commit.group, false));
    }
    follower.join();
    EXPECT_EQ(shown.size(), kBatches);
  }
}

}  // namespace
}  // namespace crabkv::test
