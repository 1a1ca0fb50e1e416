// Feeds: every acknowledged change, once, in log order, from any position, across segments and openings.
#include <atomic>
#include <thread>
#include <vector>

#include "test/native/compaction_fixture.h"
#include "test/native/feed_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

TEST(A_feed_shows_every_change_in_log_order_across_segments_and_openings_and_then_goes_on) {
  Random random;
  for (const Codec codec : {Codec::kNone, Codec::kSnappy}) {
    MemEnv env;
    Options options = SmallOptions(SyncMode::kOs);
    options.compression = codec;
    auto store = OpenStore(&env, options);
    AllShown expected;
    AllShown live;
    auto from_now = FeedFromNow(store.get());
    for (int round = 0; round < 10; round++) {
      WriteSome(store.get(), &random, 30, &expected);
      EXPECT_OK(TakeAll(from_now.get(), &live));
      EXPECT(live == expected);
    }
    EXPECT(store->Stats().segments > 3);
    from_now.reset();
    EXPECT_OK(store->Close());

    store = OpenStore(&env, options);
    auto feed = FeedAfter(store.get(), 0);
    AllShown again = Take(feed.get());
    EXPECT(again == expected);
    WriteSome(store.get(), &random, 50, &expected);
    EXPECT_OK(TakeAll(feed.get(), &again));
    EXPECT(again == expected);
    feed.reset();
    EXPECT_OK(store->Close());
  }
}

TEST(A_feed_goes_on_after_any_version) {
  Random random;
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  AllShown expected;
  WriteSome(store.get(), &random, 150, &expected);
  const uint64_t last = expected.back().version;
  for (uint64_t version = 0; version <= last; version += 1 + random.Below(9)) {
    auto feed = FeedAfter(store.get(), version);
    EXPECT_EQ(feed->version(), version);
    const AllShown shown = Take(feed.get());
    EXPECT(shown == AllShown(expected.begin() + static_cast<long>(version), expected.end()));
    EXPECT_EQ(feed->version(), last);
  }
  auto feed = FeedAfter(store.get(), last);
  EXPECT(Take(feed.get()).empty());
  EXPECT_OK(WriteAndWait(store.get(), {Put("after", "v")}));
  EXPECT_EQ(KeysOf(Take(feed.get())), "after ");
  feed.reset();
  EXPECT_OK(store->Close());
}

TEST(A_feed_begun_now_shows_nothing_older_also_in_an_empty_store) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  auto first = FeedFromNow(store.get());
  EXPECT(Take(first.get()).empty());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  auto second = FeedFromNow(store.get());
  EXPECT_EQ(second->version(), 1u);
  EXPECT_OK(WriteAndWait(store.get(), {Put("b", "2")}));
  EXPECT_EQ(KeysOf(Take(first.get())), "a b ");
  EXPECT_EQ(KeysOf(Take(second.get())), "b ");
  first.reset();
  second.reset();
  EXPECT_OK(store->Close());
}

TEST(A_prefix_limits_a_feed_and_its_version_passes_what_it_leaves_out) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  FeedOptions options;
  options.prefix = "user:";
  auto feed = FeedWith(store.get(), options);
  EXPECT_OK(WriteAndWait(store.get(), {Put("user:1", "v"), Put("other", "v"), Put("user:2", "v"), Delete("user:1")}));
  EXPECT_OK(WriteAndWait(store.get(), {Put("use", "v"), Put("", "v")}));
  EXPECT_EQ(KeysOf(Take(feed.get())), "user:1 user:2 user:1 ");
  EXPECT_EQ(feed->version(), 6u);
  feed.reset();
  EXPECT_OK(store->Close());
}

TEST(What_active_expiry_removes_is_shown_as_deleted) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("k", "v", store->NowMs() + 1000)}));
  auto feed = FeedFromNow(store.get());
  env.AdvanceMs(2000);
  ReadBuffer keys;
  uint32_t removed = 0;
  bool more = false;
  Commit commit;
  EXPECT_OK(store->RemoveExpired(10, &keys, &removed, &more, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
  const AllShown shown = Take(feed.get());
  EXPECT(shown == AllShown({{2, "k", "", 2, 0}}));
  feed.reset();
  EXPECT_OK(store->Close());
}

TEST(A_version_that_the_log_never_had_or_has_lost_is_a_position_gone) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  EXPECT_OK(store->Close());
  store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  Commit lost;
  EXPECT_OK(WriteAndWait(store.get(), {Put("b", "2")}, &lost));
  auto after = env.PowerCutKeepNothing();
  EXPECT_OK(store->Close());
  auto reopened = OpenStore(after.get(), SmallOptions(SyncMode::kOs));
  REQUIRE(reopened != nullptr);
  auto feed = FeedAfter(reopened.get(), lost.version);
  AllShown shown;
  EXPECT_CODE(TakeAll(feed.get(), &shown), Code::kPositionGone);
  // Also when the version has been given again meanwhile: it is another change's.
  EXPECT_OK(WriteAndWait(reopened.get(), {Put("c", "3"), Put("d", "4")}));
  EXPECT_CODE(TakeAll(feed.get(), &shown), Code::kPositionGone);
  EXPECT(shown.empty());
  feed.reset();
  EXPECT_OK(reopened->Close());
}

TEST(A_feed_that_falls_behind_by_more_than_its_bound_ends_but_history_does_not_count) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  const std::string value(1000, 'x');
  for (int i = 0; i < 300; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("old", value)}));
  FeedOptions options;
  options.lag_bytes_max = 50'000;
  options.resume = true;
  auto feed = FeedWith(store.get(), options);
  AllShown shown;
  EXPECT_OK(TakeAll(feed.get(), &shown));
  EXPECT_EQ(shown.size(), 300u);
  for (int i = 0; i < 40; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("new", value)}));
  EXPECT_OK(TakeAll(feed.get(), &shown));
  EXPECT_EQ(feed->version(), 340u);
  for (int i = 0; i < 60; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("newer", value)}));
  EXPECT_CODE(TakeAll(feed.get(), &shown), Code::kLagged);
  EXPECT_EQ(feed->version(), 340u);
  // From there it can go on.
  options.after_version = feed->version();
  feed = FeedWith(store.get(), options);
  EXPECT_EQ(Take(feed.get()).size(), 60u);
  // Nor may it fall farther behind while it catches up.
  options.after_version = 0;
  feed = FeedWith(store.get(), options);
  for (int i = 0; i < 60; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("newest", value)}));
  EXPECT_CODE(TakeAll(feed.get(), &shown), Code::kLagged);
  feed.reset();
  EXPECT_OK(store->Close());
}

TEST(A_store_that_is_open_read_only_shows_what_its_log_has) {
  MemEnv env;
  Options options = SmallOptions();
  auto store = OpenStore(&env, options);
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1"), Put("b", "2")}));
  EXPECT_OK(store->Close());
  options.read_only = true;
  store = OpenStore(&env, options);
  EXPECT_EQ(KeysOf(Take(FeedAfter(store.get(), 1).get())), "b ");
  EXPECT(Take(FeedFromNow(store.get()).get()).empty());
  AllShown shown;
  EXPECT_CODE(TakeAll(FeedAfter(store.get(), 3).get(), &shown), Code::kPositionGone);
  EXPECT_OK(store->Close());
}

TEST(While_threads_write_a_feed_shows_each_of_their_changes_once_in_order) {
  constexpr int kWriters = 4;
  const uint64_t writes = Rounds(3000);
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  auto feed = FeedFromNow(store.get());
  std::atomic<int> writing{kWriters};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; writer++) {
    writers.emplace_back([&, writer] {
      Commit commit;
      for (uint64_t i = 0; i < writes; i++) {
        const std::string key = std::to_string(writer);
        EXPECT_OK(Write(store.get(), {Put(key, std::to_string(i)), Put(key + " too", "v")}, &commit));
        if (i % 16 == 0) store->Kick();
      }
      EXPECT_OK(store->WaitFor(commit.group, false));
      writing--;
    });
  }
  AllShown shown;
  while (writing > 0) EXPECT_OK(TakeAll(feed.get(), &shown, 1000));
  for (std::thread& writer : writers) writer.join();
  EXPECT_OK(TakeAll(feed.get(), &shown, 1000));
  EXPECT_EQ(shown.size(), 2 * kWriters * writes);
  uint64_t next[kWriters] = {};
  for (size_t i = 0; i < shown.size(); i++) {
    EXPECT_EQ(shown[i].version, i + 1);
    if (i % 2 != 0) continue;
    const int writer = shown[i].key[0] - '0';
    EXPECT_EQ(shown[i].value, std::to_string(next[writer]++));
    if (i + 1 < shown.size()) EXPECT_EQ(shown[i + 1].key, shown[i].key + " too");
  }
  feed.reset();
  EXPECT_OK(store->Close());
}

// All but the rest of the segment that it is in counts, and no more.
TEST(Compaction_leaves_what_a_feed_within_its_lag_has_still_to_show) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions());
  FeedOptions options;
  options.lag_bytes_max = 64 << 10;  // as long as a segment
  auto feed = FeedWith(store.get(), options);
  EXPECT_EQ(KeysOf(Take(feed.get())), "");
  for (int i = 0; i < 58; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("k", std::string(1000, 'v'))}));
  EXPECT_EQ(Take(feed.get()).size(), 58u);
  for (int i = 0; i < 10; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("k", std::string(1000, 'w'))}));
  EXPECT_OK(Compact(store.get()));
  EXPECT_EQ(Take(feed.get()).size(), 10u);
  feed.reset();
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
