// Feeds beside failures: never a change that was taken back, or that a power cut could still take in SyncMode::kAlways,
// and none lost or shown twice.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/feed_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

TEST(A_write_that_failed_is_never_shown_and_its_versions_are_a_gap) {
  for (const SyncMode sync : {SyncMode::kAlways, SyncMode::kOs}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, SmallOptions(sync));
    auto feed = FeedFromNow(store.get());
    std::string keys;
    for (int round = 0; round < 20; round++) {
      EXPECT_OK(WriteAndWait(store.get(), {Put("kept", "1"), Put("kept", "2")}));
      env.Inject(FailedAppend());
      Commit failed;
      EXPECT_CODE(WriteAndWait(store.get(), {Put("lost", "3")}, &failed), Code::kDiskFull);
      // Its version was given out, so it is a position; and the changes behind it are those with higher versions.
      auto after_failed = FeedAfter(store.get(), failed.version);
      Commit next;
      EXPECT_OK(WriteAndWait(store.get(), {Put("next", "4")}, &next));
      EXPECT(next.version > failed.version);
      const AllShown shown = Take(feed.get());
      EXPECT_EQ(KeysOf(shown), "kept kept next ");
      if (!shown.empty()) EXPECT_EQ(shown.back().version, next.version);
      EXPECT_EQ(KeysOf(Take(after_failed.get())), "next ");
      keys += "kept kept next ";
    }
    EXPECT_EQ(KeysOf(Take(FeedAfter(store.get(), 0).get())), keys);
    feed.reset();
    EXPECT_OK(store->Close());
    store = OpenStore(&env, SmallOptions(sync));
    EXPECT_EQ(KeysOf(Take(FeedAfter(store.get(), 0).get())), keys);
    EXPECT_OK(store->Close());
  }
}

TEST(Failures_around_a_rotation_neither_lose_nor_repeat_a_change) {
  MemEnv memory;
  FaultEnv env(&memory);
  Random random;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  auto feed = FeedFromNow(store.get());
  std::vector<uint64_t> versions;
  AllShown shown;
  for (uint64_t i = 0; i < Rounds(400) || store->Stats().segments < 2; i++) {
    if (random.OneIn(4)) {
      Fault fault = FailedAppend();
      fault.length_from = 0;  // frames without records, too
      env.Inject(fault);
    }
    Commit commit;
    // More than a few of these fill a segment.
    if (WriteAndWait(store.get(), {Put("k", random.Bytes(random.Below(3500)))}, &commit).ok())
      versions.push_back(commit.version);
    if (random.OneIn(3)) EXPECT_OK(TakeAll(feed.get(), &shown));
    if (random.OneIn(10)) env.ClearFaults();
  }
  env.ClearFaults();
  EXPECT_OK(TakeAll(feed.get(), &shown));
  std::vector<uint64_t> seen;
  for (const Shown& change : shown) seen.push_back(change.version);
  EXPECT(seen == versions);
  EXPECT(store->Stats().segments > 1);
  feed.reset();
  EXPECT_OK(store->Close());
}

TEST(In_always_nothing_is_shown_before_its_sync_has_returned) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  auto feed = FeedFromNow(store.get());
  AllShown shown;
  std::mutex mutex;           // guards the feed and what follows
  uint64_t acknowledged = 0;  // batches of two
  uint64_t looks = 0;
  std::thread::id writer;
  // Between a frame's write and its acknowledgement, and after its sync: on the writer thread, which writes the frames.
  env.SetHook([&](const Call& call) {
    if ((call.kind & (kWriteCall | kSyncCall)) == 0 || call.path.find(".log") == std::string::npos) return;
    const std::lock_guard<std::mutex> hold(mutex);
    if (call.kind == kWriteCall && call.length > 1000 && call.length < 2000) writer = std::this_thread::get_id();
    if (std::this_thread::get_id() != writer) return;
    EXPECT_OK(TakeAll(feed.get(), &shown));
    EXPECT(shown.size() <= 2 * acknowledged);
    looks++;
  });
  for (uint64_t i = 1; i <= 100; i++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", std::string(1000, 'x')), Put("b", std::to_string(i))}));
    const std::lock_guard<std::mutex> hold(mutex);
    acknowledged = i;
    EXPECT_OK(TakeAll(feed.get(), &shown));
    EXPECT_EQ(shown.size(), 2 * i);
  }
  EXPECT(looks >= 200);
  env.SetHook(nullptr);
  feed.reset();
  EXPECT_OK(store->Close());
}

TEST(What_a_feed_showed_in_always_is_there_after_a_power_cut) {
  for (int cut = 1; cut <= 12; cut++) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, SmallOptions());
    auto feed = FeedFromNow(store.get());
    env.DieAfter(static_cast<uint64_t>(cut * 3), kWriteCall | kSyncCall);
    for (int i = 0; i < 20; i++) static_cast<void>(WriteAndWait(store.get(), {Put("k" + std::to_string(i), "v")}));
    AllShown shown;
    const Status end = TakeAll(feed.get(), &shown);
    EXPECT(end.ok() || end.Is(Code::kFailed) || end.Is(Code::kIo));
    auto after = memory.PowerCutKeepNothing();
    feed.reset();
    static_cast<void>(store->Close());
    auto reopened = OpenStore(after.get(), SmallOptions());
    REQUIRE(reopened != nullptr);
    for (const Shown& change : shown) EXPECT_EQ(Get(reopened.get(), change.key), "v");
    EXPECT_OK(reopened->Close());
  }
}

TEST(After_a_failed_sync_a_feed_shows_what_was_acknowledged_and_then_says_that_nothing_follows) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  auto feed = FeedFromNow(store.get());
  EXPECT_OK(WriteAndWait(store.get(), {Put("kept", "v")}));
  env.FailNth(1, kSyncCall);
  EXPECT_CODE(WriteAndWait(store.get(), {Put("doubtful", "v")}), Code::kIndeterminate);
  EXPECT_EQ(KeysOf(Take(feed.get())), "kept ");
  AllShown shown;
  EXPECT_CODE(TakeAll(feed.get(), &shown), Code::kFailed);
  EXPECT(shown.empty());
  feed.reset();
  EXPECT(!store->Close().ok());
}

TEST(A_read_that_fails_is_reported_and_the_feed_can_go_on) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  for (const char* key : {"a", "b", "c"}) EXPECT_OK(WriteAndWait(store.get(), {Put(key, "value")}));
  Fault fault;
  fault.kinds = kReadCall;
  env.Inject(fault);
  AllShown shown;
  auto feed = FeedAfter(store.get(), 0);
  EXPECT_CODE(TakeAll(feed.get(), &shown), Code::kIo);
  EXPECT(shown.empty());
  // A read that failed for a while is no reason to lose anything.
  EXPECT_EQ(KeysOf(Take(feed.get())), "a b c ");
  feed.reset();
  EXPECT_OK(store->Close());
}

// Four segments of three keys each, the last one open; their keys, each with a space behind it.
std::string FillFourSegments(Store* store) {
  std::string keys;
  for (int segment = 0; segment < 4; segment++) {
    for (int i = 0; i < 3; i++) {
      const std::string key = std::to_string(segment) + std::to_string(i);
      EXPECT_OK(WriteAndWait(store, {Put(key, "v")}));
      keys += key + " ";
    }
    if (segment < 3) EXPECT_OK(EndSegment(store));
  }
  return keys;
}

// It was within its lag when its position was checked, and is not when the compaction asks.
TEST(A_feed_that_a_compaction_overtakes_says_so_and_skips_nothing) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  const std::string expected = FillFourSegments(store.get());
  FeedOptions options;
  options.resume = true;
  options.lag_bytes_max = 1;
  auto feed = FeedWith(store.get(), options);
  std::atomic<bool> compacted{false}, reading{false};
  std::atomic<std::thread::id> reader_id;
  AllShown shown;
  Status status;
  const auto nap = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  env.SetHook([&](const Call& call) {
    if (call.kind != kReadCall || std::this_thread::get_id() != reader_id.load() || reading.exchange(true)) return;
    while (!compacted) nap();
  });
  std::thread reader([&] {
    reader_id = std::this_thread::get_id();
    status = TakeAll(feed.get(), &shown);
  });
  while (!reading) nap();
  EXPECT_OK(WriteAndWait(store.get(), {Put("more", std::string(8 << 10, 'v'))}));
  EXPECT_OK(CompactRun(store.get(), 1, 1));
  compacted = true;
  reader.join();
  env.SetHook(nullptr);
  EXPECT(store->FeedFloor() > 0);
  EXPECT_CODE(status, Code::kPositionGone);
  EXPECT_EQ(expected.find(KeysOf(shown)), 0u);
  feed.reset();
  EXPECT_OK(store->Close());
}

// The compaction has looked at the feeds that there are, and reads what this one is to show.
TEST(A_feed_begun_while_a_compaction_is_under_way_is_left_what_it_has_to_show) {
  for (const bool chosen : {false, true}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, ManualOptions());
    std::string expected = FillFourSegments(store.get());
    EXPECT_OK(WriteAndWait(store.get(), {Delete("00")}));
    expected += "00 ";
    std::atomic<bool> begun{false};
    std::unique_ptr<Scan> feed;
    env.SetHook([&](const Call& call) {
      if (call.kind == kReadCall && !begun.exchange(true)) feed = FeedAfter(store.get(), 0);
    });
    EXPECT_OK(chosen ? CompactRun(store.get(), 0, 2) : Compact(store.get()));
    env.SetHook(nullptr);
    REQUIRE(feed != nullptr);
    EXPECT_EQ(store->FeedFloor(), 0u);
    EXPECT_EQ(KeysOf(Take(feed.get())), expected);
    // It has shown them: now they may go, and with them a feed that nobody has asked yet.
    EXPECT_OK(Compact(store.get()));
    EXPECT(store->FeedFloor() > 0);
    AllShown shown;
    EXPECT_CODE(TakeAll(FeedAfter(store.get(), 0).get(), &shown), Code::kPositionGone);
    feed.reset();
    EXPECT_OK(store->Close());
  }
}

// A floor that is passed before the commit comes back down with what is still there.
TEST(A_compaction_that_can_not_commit_leaves_feeds_where_they_may_begin) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  const std::string expected = FillFourSegments(store.get());
  Fault fault;
  fault.kinds = kOpenCall;
  fault.path_part = "MANIFEST";
  env.Inject(fault);
  EXPECT_CODE(CompactRun(store.get(), 0, 2), Code::kIo);
  EXPECT_EQ(store->FeedFloor(), 0u);
  auto feed = FeedAfter(store.get(), 0);
  EXPECT_EQ(KeysOf(Take(feed.get())), expected);
  feed.reset();
  EXPECT_OK(store->Close());
}

// A segment without records has the last LSN of the one before, and no feed needs it.
TEST(A_feed_passes_a_segment_without_records_that_a_compaction_took) {
  MemEnv memory;
  auto store = OpenStore(&memory, ManualOptions(SyncMode::kOs));
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  auto feed = FeedFromNow(store.get());
  EXPECT_OK(EndSegment(store.get()));                                                 // as a backup does
  EXPECT_OK(WriteAndWait(store.get(), {Put("large", std::string(200 << 10, 'v'))}));  // which needs one of its own
  EXPECT_EQ(store->Stats().segments, 3u);
  EXPECT_OK(CompactRun(store.get(), 0, 2));
  EXPECT_EQ(KeysOf(Take(feed.get())), "large ");
  feed.reset();
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
