// Compaction as its users see it: what is live stays, what is dead goes, whatever happens meanwhile.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

std::string Key(uint64_t i) { return "key-" + std::to_string(i); }

// Overwrites `keys` keys `rounds` times.
void Churn(Store* store, uint64_t keys, uint64_t rounds, size_t value_bytes = 200) {
  for (uint64_t round = 0; round < rounds; round++) {
    Changes changes;
    for (uint64_t i = 0; i < keys; i++) {
      changes.push_back(Put(Key(i), std::to_string(round) + std::string(value_bytes, 'v')));
      if (changes.size() < 100 && i + 1 < keys) continue;
      EXPECT_OK(WriteAndWait(store, changes));
      changes.clear();
    }
  }
}

TEST(Compaction_keeps_what_is_live_and_frees_the_rest) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  REQUIRE(store != nullptr);
  Churn(store.get(), 500, 10);
  EXPECT_OK(WriteAndWait(store.get(), {Delete(Key(3)), Expire(Key(4), 1'900'000'000'000), Put("", "empty")}));
  Contents before;
  EXPECT_OK(ReadAll(store.get(), &before));
  const StoreStats stats = store->Stats();
  CompactionReport report;
  EXPECT_OK(Compact(store.get(), &report));
  EXPECT(report.segments_in > 10 && report.segments_out < report.segments_in);
  const StoreStats after = store->Stats();
  EXPECT(after.log_bytes < stats.log_bytes / 5);
  EXPECT(after.log_bytes < after.live_bytes * 3 / 2 + 4096);
  EXPECT_EQ(after.live_bytes, stats.live_bytes);
  EXPECT_EQ(after.keys, stats.keys);
  ExpectContents(store.get(), before);
  EXPECT_OK(store->Close());
  store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  REQUIRE(store != nullptr);
  ExpectContents(store.get(), before);
  EXPECT_EQ(store->Stats().live_bytes, stats.live_bytes);
  EXPECT_OK(store->Close());
}

TEST(Compacting_again_finds_nothing_to_do) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  Churn(store.get(), 300, 5);
  EXPECT_OK(Compact(store.get()));
  CompactionReport report;
  EXPECT_OK(Compact(store.get(), &report));
  EXPECT_OK(Compact(store.get(), &report));
  EXPECT_EQ(report.compactions, 0u);
  EXPECT_OK(store->Close());
}

TEST(An_emptied_store_shrinks_to_next_to_nothing) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  Churn(store.get(), 2000, 1);
  for (uint64_t i = 0; i < 2000; i++) {
    Commit commit;
    EXPECT_OK(Write(store.get(), {Delete(Key(i))}, &commit));
  }
  EXPECT_OK(Compact(store.get()));
  EXPECT(store->Stats().log_bytes < 8192);
  EXPECT_EQ(store->Stats().keys, 0u);
  EXPECT_OK(store->Close());
}

// --- Each way in which something could come back, or be lost: the runs are chosen so that each rule is needed.

// A store on a machine, reopened after a kill by every look at it.
class Machine {
 public:
  Machine() : env_(std::make_unique<MemEnv>()), store_(OpenStore(env_.get(), ManualOptions(SyncMode::kOs))) {}
  ~Machine() {
    if (store_ != nullptr) EXPECT_OK(store_->Close());
  }
  Store* store() { return store_.get(); }
  MemEnv* env() { return env_.get(); }
  // One segment with these changes.
  void Segment(const Changes& changes) {
    EXPECT_OK(WriteAndWait(store_.get(), changes));
    EXPECT_OK(EndSegment(store_.get()));
  }
  void Run(uint64_t first, uint64_t count) { EXPECT_OK(CompactRun(store_.get(), first, count)); }
  // What the index says, and what the next opening would.
  std::string Get(std::string_view key) {
    const std::string here = test::Get(store_.get(), key);
    auto killed = env_->KillProcess();
    auto next = OpenStore(killed.get(), ManualOptions(SyncMode::kOs));
    if (next == nullptr) return "(does not open)";
    const std::string there = test::Get(next.get(), key);
    return here == there ? here : here + ", and after reopening " + there;
  }
  void Kill() {
    auto killed = env_->KillProcess();
    EXPECT_OK(store_->Close());
    store_.reset();
    env_ = std::move(killed);
    store_ = OpenStore(env_.get(), ManualOptions(SyncMode::kOs));
  }

 private:
  std::unique_ptr<MemEnv> env_;
  std::shared_ptr<Store> store_;
};

TEST(A_tombstone_stays_while_an_older_segment_may_hold_its_key) {
  Machine m;
  m.Segment({Put("k", "old"), Put("other", "1")});
  m.Segment({Delete("k"), Put("more", "1")});
  m.Segment({Put("last", "1")});
  m.Run(1, 1);  // the tombstone's segment alone
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Run(1, 2);
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Run(0, 1);  // the old value goes
  m.Run(1, 1);  // and now the tombstone can
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Kill();
  EXPECT_EQ(m.Get("k"), "(none)");
}

TEST(A_horizon_that_is_older_than_a_tombstone_does_not_let_it_go) {
  Machine m;
  m.Segment({Put("k", "old"), Put("other", "1")});
  m.Segment({Put("a", "1")});
  m.Run(0, 1);  // the old value is live: it stays, and the horizon is before the tombstone
  m.Segment({Delete("k")});
  m.Segment({Put("last", "1")});
  m.Run(2, 1);
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Run(1, 3);
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Kill();
  EXPECT_EQ(m.Get("k"), "(none)");
}

TEST(A_put_without_deadline_does_not_come_back_behind_an_expired_one) {
  Machine m;
  const uint64_t soon = m.store()->NowMs() + 1000;
  m.Segment({Put("k", "old, for ever")});
  m.Segment({Put("k", "new, for a second", soon)});
  m.Segment({Put("last", "1")});
  m.env()->AdvanceMs(2000);
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Run(1, 1);
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Run(1, 2);
  m.Kill();
  EXPECT_EQ(m.Get("k"), "(none)");
  m.Run(0, 3);
  EXPECT_EQ(m.Get("k"), "(none)");
}

TEST(A_change_of_deadline_stays_until_its_put_carries_it) {
  Machine m;
  const uint64_t soon = m.store()->NowMs() + 1000;
  m.Segment({Put("k", "v")});
  m.Segment({Expire("k", soon), Put("b", "1")});
  m.Segment({Put("last", "1")});
  m.Run(1, 1);
  EXPECT_EQ(m.Get("k"), "v");
  m.Kill();
  m.Run(0, 1);  // the put is moved with its deadline
  m.Run(1, 1);
  EXPECT_EQ(m.Get("k"), "v");
  m.Kill();
  m.env()->AdvanceMs(2000);
  EXPECT_EQ(m.Get("k"), "(none)");
}

TEST(Deadlines_set_to_and_fro_end_as_they_were_set_last) {
  Machine m;
  const uint64_t soon = m.store()->NowMs() + 1000;
  m.Segment({Put("k", "v", soon)});
  m.Segment({Expire("k", soon + 5000)});
  m.Segment({Expire("k", soon)});
  m.Segment({Expire("k", 0)});
  m.Segment({Put("last", "1")});
  m.Run(1, 2);
  m.Run(2, 1);
  m.Run(0, 1);
  m.Run(1, 3);
  m.Kill();
  m.env()->AdvanceMs(20000);
  EXPECT_EQ(m.Get("k"), "v");
}

TEST(What_is_wholly_dead_is_not_even_read) {
  Machine m;
  Changes changes;
  for (uint64_t i = 0; i < 100; i++) changes.push_back(Put(Key(i), std::string(200, 'v')));
  for (int segment = 0; segment < 3; segment++) m.Segment(changes);
  m.Segment({Put("last", "1")});
  CompactionReport report;
  EXPECT_OK(Compact(m.store(), &report));
  EXPECT_EQ(report.records_dropped, 200u);
  EXPECT(report.bytes_read < 30'000);  // of three times 26 KB
  EXPECT_EQ(m.Get(Key(42)), std::string(200, 'v'));
  m.Kill();
  EXPECT_EQ(m.store()->Stats().keys, 101u);
}

TEST(A_key_that_is_written_while_its_old_value_is_copied_keeps_the_new_one) {
  Machine m;
  for (int round = 0; round < 20; round++) {
    for (int segment = 0; segment < 3; segment++) {
      Changes changes;
      for (int i = 0; i < 100; i++) changes.push_back(Put(Key(static_cast<uint64_t>(i)), std::to_string(round)));
      m.Segment(changes);
    }
    std::thread writer([&] {
      for (uint64_t i = 0; i < 100; i++)
        EXPECT_OK(WriteAndWait(m.store(), {Put(Key(i), "new " + std::to_string(round))}));
    });
    m.Run(0, 3);
    m.Run(0, 9);
    writer.join();
    for (uint64_t i = 0; i < 100; i += 7) EXPECT_EQ(Get(m.store(), Key(i)), "new " + std::to_string(round));
  }
  EXPECT_EQ(m.Get(Key(5)), "new 19");
}

// The machine as a kill and two power cuts leave it, after each call that changes the disk.
class Disks {
 public:
  struct Disk {
    std::unique_ptr<MemEnv> machine;
    bool killed;
    std::string after;
  };
  Disks(MemEnv* memory, FaultEnv* env) : env_(env) {
    env->SetHook([this, memory](const Call& call) {
      if ((call.kind & kChangingCalls) == 0) return;
      const std::lock_guard<std::mutex> hold(mutex_);
      const std::string after = "call of kind " + std::to_string(call.kind) + " on " + call.path;
      disks_.push_back({memory->KillProcess(), true, after + ", killed"});
      disks_.push_back({memory->PowerCutKeepNothing(), false, after + ", power cut"});
      disks_.push_back({memory->PowerCutKeepRandom(disks_.size()), false, after + ", power cut with remains"});
    });
  }
  std::vector<Disk> Take() {
    env_->SetHook(nullptr);
    const std::lock_guard<std::mutex> hold(mutex_);
    return std::move(disks_);
  }

 private:
  FaultEnv* const env_;
  std::mutex mutex_;
  std::vector<Disk> disks_;
};

TEST(A_machine_that_stops_at_any_call_of_a_compaction_has_lost_nothing) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kOs}) {
    MemEnv memory;
    FaultEnv env(&memory);
    auto store = OpenStore(&env, ManualOptions(mode));
    REQUIRE(store != nullptr);
    ModelLog log;
    const auto write = [&](const Changes& changes) {
      Commit commit;
      EXPECT_OK(WriteAndWait(store.get(), changes, &commit));
      log.Add(commit, changes);
    };
    for (int segment = 0; segment < 4; segment++) {
      const std::string value = "value " + std::to_string(segment);
      write({Put("all", value), Put("only " + std::to_string(segment), value), Put("gone", value)});
      write({Delete("gone"), Put("late", value), Expire("all", segment % 2 == 0 ? 0 : 1'900'000'000'000)});
      EXPECT_OK(EndSegment(store.get()));
    }
    uint64_t group = 0;
    EXPECT_OK(store->RequestDurable(&group));
    if (group != 0) EXPECT_OK(store->WaitFor(group, true));
    const uint64_t durable = log.last_version();
    // In the lazy mode, what makes older records void is not on the disk yet.
    write({Put("all", "new"), Delete("only 1"), Put("late", "new")});
    Disks disks(&memory, &env);
    EXPECT_OK(CompactRun(store.get(), 1, 2));
    EXPECT_OK(CompactRun(store.get(), 0, 9));
    EXPECT_OK(Compact(store.get()));
    for (const auto& disk : disks.Take()) {
      const Context context("sync mode " + std::to_string(static_cast<int>(mode)) + ", " + disk.after);
      ModelLog found(log);
      auto opened = OpenStore(disk.machine.get(), ManualOptions(SyncMode::kOs));
      if (opened != nullptr) ExpectPrefix(opened.get(), &found, disk.killed ? log.last_version() : durable);
      if (opened != nullptr) EXPECT_OK(opened->Close());
    }
    EXPECT_OK(store->Close());
  }
}

// --- Readers of replaced segments.

TEST(A_scan_that_began_before_a_compaction_shows_what_was_there) {
  Machine m;
  Churn(m.store(), 400, 3);
  Contents before;
  EXPECT_OK(ReadAll(m.store(), &before));
  std::unique_ptr<Scan> scan;
  EXPECT_OK(m.store()->NewScan(ScanOptions(), &scan));
  ReadBuffer chunk;
  uint32_t entries = 0;
  uint64_t shown = 0;
  bool done = false;
  for (int step = 0; !done; step++) {
    EXPECT_OK(scan->Next(50, 1 << 20, &chunk, &entries, &done));
    shown += entries;
    chunk.Clear();
    if (step < 3) {
      Churn(m.store(), 100, 2);
      EXPECT_OK(Compact(m.store()));
    }
  }
  EXPECT_EQ(shown, before.size());
  scan.reset();
  EXPECT_EQ(m.Get(Key(399)), before.at(Key(399)).value);
}

TEST(A_feed_keeps_the_changes_that_it_has_not_shown) {
  Machine m;
  std::unique_ptr<Scan> feed;
  EXPECT_OK(m.store()->NewFeed(FeedOptions(), &feed));
  Churn(m.store(), 50, 20);
  EXPECT_OK(Compact(m.store()));
  EXPECT_EQ(m.store()->FeedFloor(), 0u);
  ReadBuffer chunk;
  uint64_t shown = 0;
  for (bool done = false; !done;) {
    uint32_t entries = 0;
    EXPECT_OK(feed->Next(1000, 1 << 20, &chunk, &entries, &done));
    shown += entries;
    chunk.Clear();
  }
  EXPECT_EQ(shown, 1000u);
  // It has: now they may go, and a feed from before them can't begin.
  EXPECT_OK(Compact(m.store()));
  EXPECT(m.store()->FeedFloor() > 0);
  FeedOptions from;
  from.resume = true;
  from.after_version = 1;
  std::unique_ptr<Scan> late;
  EXPECT_OK(m.store()->NewFeed(from, &late));
  uint32_t entries = 0;
  bool done = false;
  EXPECT_CODE(late->Next(10, 1 << 20, &chunk, &entries, &done), Code::kPositionGone);
}

TEST(Closing_gives_a_compaction_up_at_once) {
  MemEnv env;
  Options options = ManualOptions(SyncMode::kOs);
  options.compaction_io_percent = 1;
  options.segment_bytes = 1 << 20;
  auto store = OpenStore(&env, options);
  Churn(store.get(), 5000, 6);
  const StartedCompaction given_up(store.get());
  EXPECT_OK(store->Close());
  EXPECT(given_up.ended());
  EXPECT_CODE(given_up.Wait(), Code::kClosed);
  store = OpenStore(&env, ManualOptions(SyncMode::kOs));
  EXPECT_EQ(store->Stats().keys, 5000u);
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
