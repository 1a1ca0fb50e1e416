// Everything that a store does, at once: whatever goes on, readers see what was written and nothing else, and nobody is
// told of damage. Mostly for TSan, which sees what no result tells.
#include <atomic>
#include <thread>

#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/feed_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kKeys = 200;

std::string Key(uint64_t i) { return "key" + std::to_string(i % kKeys); }
bool IsOf(std::string_view key, std::string_view value) {
  return value.substr(0, key.size() + 1) == std::string(key) + "=";
}

class BusyStore {
 public:
  explicit BusyStore(SyncMode mode) : memory_(Idling()), env_(&memory_), store_(OpenStore(&env_, OptionsOf(mode))) {}

  void Run() {
    using Does = void (BusyStore::*)(Random*);
    std::vector<std::thread> threads;
    Random random;
    for (const Does does : {&BusyStore::Write, &BusyStore::Write, &BusyStore::Read, &BusyStore::Walk,
                            &BusyStore::Follow, &BusyStore::Observe, &BusyStore::Keep}) {
      threads.emplace_back([this, does, seed = random.Next()] {
        Random own(seed);
        while (!stop_) (this->*does)(&own);
      });
    }
    for (uint64_t i = 0; i < 300; i++) {
      memory_.AdvanceMs(7);
      if (i % 8 == 0) env_.Inject(FailedAppend(EIO));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
    env_.ClearFaults();
    EXPECT_OK(store_->Failure());
    EXPECT_OK(store_->Close());
  }

 private:
  // Waits of the store end also when time stands still otherwise.
  static MemEnvOptions Idling() {
    MemEnvOptions options;
    options.auto_advance = true;
    return options;
  }
  static Options OptionsOf(SyncMode mode) {
    Options options = SmallOptions(mode);
    options.compaction_log_bytes_min = 128 << 10;
    options.compaction_io_percent = 100;
    return options;
  }

  void Write(Random* random) {
    Changes changes;
    for (uint64_t i = 0; i <= random->Below(4); i++) {
      const std::string key = Key(random->Next());
      const uint64_t deadline_ms = random->OneIn(3) ? store_->NowMs() + random->Below(100) : 0;
      const uint64_t what = random->Below(8);
      if (what == 0) changes.push_back(Delete(key));
      if (what == 1) changes.push_back(Expire(key, deadline_ms));
      if (what > 1) changes.push_back(Put(key, key + "=" + std::string(random->Below(3000), 'v'), deadline_ms));
    }
    Commit commit;
    const Status status = test::Write(store_.get(), changes, &commit);
    store_->Kick();
    if (!EXPECT_OK(status) || commit.group == 0 || !random->OneIn(4)) return;
    const Status fate = store_->WaitFor(commit.group, false);
    if (!fate.ok()) EXPECT_CODE(fate, Code::kIo);
  }

  void Read(Random* random) {
    const std::string keys[] = {Key(random->Next()), Key(random->Next())};
    const std::string_view views[] = {keys[0], keys[1]};
    const KeyHash hashes[] = {store_->PrefetchSlot(views[0]), store_->PrefetchSlot(views[1])};
    const KeyHash* const places[] = {&hashes[0], &hashes[1]};
    for (const KeyHash& hash : hashes) store_->PrefetchEntry(hash);
    store_->PrefetchValues(places, 2);
    const DiskWait wait = random->OneIn(2) ? DiskWait::kAllowed : DiskWait::kNever;
    ReadBuffer value;
    EntryInfo info;
    const Status got = store_->Get(views[0], wait, &value, &info);
    if (!got.ok()) EXPECT_CODE(got, Code::kNotResident);
    if (got.ok() && info.found) EXPECT(IsOf(keys[0], value.view()));
    MultiGetResult result;
    const Status many = store_->GetMany(views, 2, wait, &result);
    if (!many.ok()) EXPECT_CODE(many, Code::kNotResident);
    for (size_t i = 0; many.ok() && i < 2; i++) {
      const MultiGetResult::Item& item = result.items[i];
      if (item.found) EXPECT(IsOf(keys[i], result.values.view().substr(item.offset, item.length)));
    }
    bool found[2];
    EXPECT_OK(store_->HasMany(views, 2, found));
  }

  void Walk(Random* random) {
    std::unique_ptr<Scan> scan;
    REQUIRE_OK(store_->NewScan(ScanOptions(), &scan));
    for (bool done = false; !done;) {
      ReadBuffer chunk;
      uint32_t entries = 0;
      REQUIRE_OK(scan->Next(20, 1 << 20, &chunk, &entries, &done));
      if (random->OneIn(10)) break;
    }
    if (!random->OneIn(8)) return;
    uint64_t cursor = 0;
    do {
      ReadBuffer keys;
      uint32_t count = 0;
      REQUIRE_OK(store_->NextKeys(cursor, 50, &keys, &count, &cursor));
    } while (cursor != 0);
  }

  void Follow(Random*) {
    if (feed_ == nullptr) feed_ = FeedFromNow(store_.get());
    AllShown shown;
    const Status status = TakeAll(feed_.get(), &shown);
    for (const Shown& change : shown) EXPECT(change.type != 1 || IsOf(change.key, change.value));
    if (!EXPECT_OK(status)) feed_.reset();
  }

  void Observe(Random* random) {
    bool moved = false;
    const std::string key = Key(random->Next());
    const uint32_t to = static_cast<uint32_t>(random->Below(store_->options().shard_count));
    EXPECT_OK(store_->MoveSlot(store_->SlotOf(key), store_->ShardOf(key), to, &moved));
    if (random->OneIn(16)) {  // these look at all slots
      SlotReport slots;
      store_->ReportSlots(&slots);
      EXPECT(store_->Stats().keys <= kKeys);
    }
    uint64_t group = store_->VisibleGroup();
    if (random->OneIn(4) && EXPECT_OK(store_->RequestDurable(&group)) && group != 0) {
      const Status fate = store_->WaitFor(group, true);
      if (!fate.ok()) EXPECT_CODE(fate, Code::kIo);
    }
  }

  void Keep(Random* random) {
    ReadBuffer keys;
    uint32_t removed = 0;
    bool more = false;
    Commit commit;
    if (store_->NextDeadlineMs() <= store_->NowMs())
      EXPECT_OK(store_->RemoveExpired(50, &keys, &removed, &more, &commit));
    const StartedCompaction compaction(store_.get());
    const StartedBackup backup(store_.get());
    if (random->OneIn(4)) store_->CancelCompaction(compaction.request());
    if (random->OneIn(4)) store_->CancelBackup(backup.request());
    VerifyReport report;
    EXPECT_OK(store_->Verify([](uint64_t) { return true; }, &report));
    EXPECT_EQ(report.fault_count, 0u);
    // What was cancelled, and what writes failed beside.
    for (const Status& status : {compaction.Wait(), backup.Wait()}) {
      if (!status.ok() && !status.Is(Code::kIo) && !status.Is(Code::kBusy) && !status.Is(Code::kAborted))
        EXPECT_CODE(status, Code::kClosed);
    }
  }

  MemEnv memory_;
  FaultEnv env_;
  std::shared_ptr<Store> store_;
  std::unique_ptr<Scan> feed_;
  std::atomic<bool> stop_{false};
};

TEST(Whatever_a_store_does_at_once_its_readers_see_what_was_written) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) BusyStore(mode).Run();
}

}  // namespace
}  // namespace crabkv::test
