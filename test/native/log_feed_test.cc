// Feeds: every acknowledged change, once, in log order, from any position, across segments, openings and failures; and
// never one that was taken back, or that a power cut could still take in SyncMode::kAlways.
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "native/core/coding.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

struct Shown {
  uint32_t type;  // 1 put, 2 delete, 3 expire
  std::string key;
  std::string value;
  uint64_t version;
  uint64_t expires_at_ms;
  bool operator==(const Shown& other) const {
    return type == other.type && key == other.key && value == other.value && version == other.version &&
           expires_at_ms == other.expires_at_ms;
  }
};
using AllShown = std::vector<Shown>;

std::unique_ptr<Scan> FeedWith(Store* store, const FeedOptions& options) {
  std::unique_ptr<Scan> feed;
  EXPECT_OK(store->NewFeed(options, &feed));
  return feed;
}

std::unique_ptr<Scan> FeedAfter(Store* store, uint64_t version) {
  FeedOptions options;
  options.resume = true;
  options.after_version = version;
  return FeedWith(store, options);
}

std::unique_ptr<Scan> FeedFromNow(Store* store) { return FeedWith(store, FeedOptions()); }

// Everything that the feed has for now, added to `shown`.
Status TakeAll(Scan* feed, AllShown* shown, uint32_t entries_max = 7) {
  for (bool done = false; !done;) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    CRABKV_RETURN_IF_ERROR(feed->Next(entries_max, 64 << 10, &chunk, &entries, &done));
    const char* at = chunk.data();
    for (uint32_t i = 0; i < entries; i++) {
      const uint32_t key_bytes = GetU32(at + 4);
      const uint32_t value_bytes = GetU32(at + 8);
      const char* key = at + 28;
      shown->push_back({GetU32(at), std::string(key, key_bytes), std::string(key + key_bytes, value_bytes),
                        GetU64(at + 12), GetU64(at + 20)});
      at = key + key_bytes + value_bytes;
    }
    if (entries > 0) EXPECT(feed->version() >= shown->back().version);
  }
  return Status::Ok();
}

AllShown Take(Scan* feed) {
  AllShown shown;
  EXPECT_OK(TakeAll(feed, &shown));
  return shown;
}

std::string KeysOf(const AllShown& shown) {
  std::string keys;
  for (const Shown& change : shown) keys += change.key + " ";
  return keys;
}

// Writes `batches` random batches, one acknowledged after the other, and adds what a feed must show of them.
void WriteSome(Store* store, Random* random, uint64_t batches, AllShown* expected) {
  constexpr uint64_t kDeadline = 1'800'000'000'000;
  for (uint64_t i = 0; i < batches; i++) {
    Changes changes;
    const uint64_t count = 1 + random->Below(6);
    for (uint64_t j = 0; j < count; j++) {
      const std::string key = "key " + std::to_string(random->Below(20));
      if (random->OneIn(5)) {
        // A delete of an absent key would log nothing.
        changes.push_back(Put(key, "x"));
        changes.push_back(Delete(key));
      } else {
        changes.push_back(Put(key, random->Bytes(random->Below(2000)), random->OneIn(3) ? kDeadline : 0));
      }
      if (random->OneIn(6)) {
        changes.push_back(Put("expiring", "v"));
        changes.push_back(Expire("expiring", kDeadline + i));
      }
    }
    Commit commit;
    EXPECT_OK(WriteAndWait(store, changes, &commit));
    uint64_t version = commit.version - changes.size();
    for (const Change& change : changes) {
      const uint32_t type = change.kind == Change::Kind::kPut ? 1 : change.kind == Change::Kind::kDelete ? 2 : 3;
      expected->push_back({type, change.key, change.value, ++version, change.expires_at_ms});
    }
  }
}

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

Fault FailedAppend() {
  Fault fault;
  fault.kinds = kWriteCall;
  fault.path_part = ".log";
  fault.length_below = 4096;
  fault.error = ENOSPC;
  return fault;
}

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
  for (uint64_t i = 0; i < Rounds(400); i++) {
    if (random.OneIn(4)) env.Inject(FailedAppend());
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

}  // namespace
}  // namespace crabkv::test
