// Many threads on one store: batches are seen whole or not at all, guards hold, scans show one moment, waiters and
// listeners hear of every group, failures under load take back what they must, and closing waits for nobody for ever.
// Run under TSan, too.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "native/core/coding.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr int kAccounts = 20;
constexpr int64_t kEach = 1000;

std::string Account(uint64_t i) { return "account" + std::to_string(i); }

void OpenAccounts(Store* store) {
  Changes changes;
  for (uint64_t i = 0; i < kAccounts; i++) changes.push_back(Put(Account(i), std::to_string(kEach)));
  EXPECT_OK(WriteAndWait(store, changes));
}

// Moves money between two accounts if nobody changed them meanwhile. The status of the write, or of its fate.
Status Transfer(Store* store, Random* random, uint64_t* done) {
  const uint64_t from = random->Below(kAccounts);
  const uint64_t to = (from + 1 + random->Below(kAccounts - 1)) % kAccounts;
  std::string keys[2] = {Account(from), Account(to)};
  std::string values[2];
  Operation operations[2];
  const int64_t amount = static_cast<int64_t>(random->Below(10));
  for (int i = 0; i < 2; i++) {
    ReadBuffer value;
    EntryInfo info;
    CRABKV_RETURN_IF_ERROR(store->Get(keys[i], DiskWait::kAllowed, &value, &info));
    if (!EXPECT(info.found)) return Status::Ok();
    values[i] = std::to_string(std::stoll(std::string(value.view())) + (i == 0 ? -amount : amount));
    operations[i].key = keys[i];
    operations[i].value = values[i];
    operations[i].guard = Guard::kVersion;
    operations[i].guard_version = info.version;
  }
  Commit commit;
  CRABKV_RETURN_IF_ERROR(store->Write(operations, 2, DiskWait::kAllowed, &commit));
  if (!commit.committed) return Status::Ok();
  if (random->OneIn(4)) return Status::Ok();
  const Status fate = store->WaitFor(commit.group, false);
  if (fate.ok()) (*done)++;
  return fate;
}

// All accounts at one moment, by GetMany or by a scan.
Status SumUp(Store* store, bool scan, int64_t* sum) {
  *sum = 0;
  if (scan) {
    ScanOptions options;
    options.prefix = "account";
    std::unique_ptr<Scan> walk;
    CRABKV_RETURN_IF_ERROR(store->NewScan(options, &walk));
    for (bool done = false; !done;) {
      ReadBuffer chunk;
      uint32_t entries = 0;
      CRABKV_RETURN_IF_ERROR(walk->Next(7, 1 << 20, &chunk, &entries, &done));
      const char* at = chunk.data();
      for (uint32_t i = 0; i < entries; i++) {
        *sum += std::stoll(std::string(at + 24 + GetU32(at), GetU32(at + 4)));
        at += 24 + GetU32(at) + GetU32(at + 4);
      }
    }
    return Status::Ok();
  }
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < kAccounts; i++) keys.push_back(Account(i));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  MultiGetResult result;
  CRABKV_RETURN_IF_ERROR(store->GetMany(views.data(), kAccounts, DiskWait::kAllowed, &result));
  for (const MultiGetResult::Item& item : result.items) {
    EXPECT(item.found);
    *sum += std::stoll(std::string(result.values.data() + item.offset, item.length));
  }
  return Status::Ok();
}

// Counts what it is told, and that marks only rise.
class Auditor final : public CommitListener {
 public:
  void OnAcknowledged(uint64_t up_to) override {
    EXPECT(up_to >= acknowledged);
    acknowledged = up_to;
    calls++;
  }
  void OnDurable(uint64_t up_to) override {
    EXPECT(up_to >= durable);
    durable = up_to;
    calls++;
  }
  void OnFailed(uint64_t first, uint64_t last, const Status& status) override {
    EXPECT(first <= last + 1);
    EXPECT(!status.ok());
    failures++;
  }
  void OnRoom() override {}
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<uint64_t> durable{0};
  std::atomic<uint64_t> failures{0};
  std::atomic<uint64_t> calls{0};
};

// Runs `body(seed, stop)` on several threads until `during` returns.
template <typename Body, typename During>
void OnThreads(int count, Body body, During during) {
  Random seeds;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) {
    threads.emplace_back([&body, &stop, seed = seeds.Next()] { body(seed, stop); });
  }
  during();
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(Transfers_by_many_threads_keep_the_sum_in_every_view) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    MemEnvOptions memory_options;
    memory_options.auto_advance = true;
    MemEnv env(memory_options);
    auto store = OpenStore(&env, SmallOptions(mode));
    OpenAccounts(store.get());
    std::atomic<uint64_t> transfers{0};
    const auto transfer = [&](uint64_t seed, std::atomic<bool>& stop) {
      Random random(seed);
      while (!stop) {
        uint64_t done = 0;
        EXPECT_OK(Transfer(store.get(), &random, &done));
        transfers += done;
      }
    };
    OnThreads(3, transfer, [&] {
      // At least until every thread had a chance to run.
      for (uint64_t i = 0; i < Rounds(400) || transfers < 100; i++) {
        int64_t sum = 0;
        EXPECT_OK(SumUp(store.get(), i % 8 == 0, &sum));
        EXPECT_EQ(sum, kAccounts * kEach);
        if (i % 50 == 0) {
          uint64_t group = 0;
          EXPECT_OK(store->RequestDurable(&group));
          EXPECT_OK(store->WaitFor(group, true));
        }
      }
    });
    auto killed = env.KillProcess();
    auto cut = env.PowerCutKeepRandom(Random().Next());
    for (MemEnv* machine : {killed.get(), cut.get()}) {
      auto reopened = OpenStore(machine, SmallOptions(mode));
      int64_t sum = 0;
      if (reopened != nullptr) EXPECT_OK(SumUp(reopened.get(), true, &sum));
      EXPECT_EQ(sum, kAccounts * kEach);
    }
    EXPECT_OK(store->Close());
  }
}

TEST(Writes_that_fail_under_load_are_taken_back_and_the_others_stay) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kAlways));
  OpenAccounts(store.get());
  Auditor auditor;
  store->AddListener(&auditor);
  ModelLog log;
  const auto write = [&](uint64_t seed, std::atomic<bool>& stop) {
    Random random(seed);
    std::map<std::string, std::string> last_told;
    uint64_t done = 0;
    for (uint64_t i = 0; !stop; i++) {
      if (random.OneIn(2)) {
        const Status status = Transfer(store.get(), &random, &done);
        if (!status.ok()) EXPECT_CODE(status, Code::kIo);
        continue;
      }
      const std::string key = "own" + std::to_string(seed) + "/" + std::to_string(i % 50);
      const Changes changes = {Put(key, std::to_string(i)), Put(key + "'", std::string(random.Below(3000), 'v'))};
      Commit commit;
      if (!EXPECT_OK(Write(store.get(), changes, &commit))) return;
      const Status fate = store->WaitFor(commit.group, false);
      if (!fate.ok()) EXPECT_CODE(fate, Code::kIo);
      if (fate.ok()) {
        log.Add(commit, changes);
        last_told[key] = std::to_string(i);
      }
      // Nobody else writes this key.
      EXPECT_EQ(Get(store.get(), key), last_told.count(key) == 1 ? last_told[key] : "(none)");
    }
  };
  uint64_t hit = 0;
  OnThreads(3, write, [&] {
    Random random;
    for (uint64_t i = 0; i < Rounds(300); i++) {
      Fault fault;
      fault.nth = 1 + random.Below(5);
      fault.kinds = random.OneIn(4) ? kOpenCall | kMapCall | kRenameCall : kWriteCall;
      fault.path_part = ".log";
      fault.write_prefix = random.Below(200);
      env.Inject(fault);
      int64_t sum = 0;
      EXPECT_OK(SumUp(store.get(), i % 4 == 0, &sum));
      EXPECT_EQ(sum, kAccounts * kEach);
      if (random.OneIn(3)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (i % 20 == 19) {
        hit += env.faults_hit();
        env.ClearFaults();
        env.ResetLog();
      }
    }
    env.ClearFaults();
  });
  EXPECT(hit > 0);
  EXPECT(auditor.failures > 0);
  EXPECT_OK(store->Failure());
  EXPECT_OK(WriteAndWait(store.get(), {Put("and", "on")}));
  Contents before;
  EXPECT_OK(ReadAll(store.get(), &before));
  const Contents expected = log.At(UINT64_MAX);
  for (const auto& [key, entry] : expected) EXPECT(before.count(key) == 1 && before[key] == entry);
  auto cut = memory.PowerCutKeepNothing();
  auto reopened = OpenStore(cut.get(), SmallOptions(SyncMode::kAlways));
  Contents after;
  if (reopened != nullptr) EXPECT_OK(ReadAll(reopened.get(), &after));
  EXPECT_EQ(Difference(before, after), "the same");
  store->RemoveListener(&auditor);
  EXPECT_OK(store->Close());
}

TEST(A_sync_that_fails_under_load_leaves_what_was_acknowledged_and_ends_every_wait) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    for (uint64_t round = 0; round < Rounds(10); round++) {
      MemEnvOptions memory_options;
      memory_options.auto_advance = true;
      MemEnv memory(memory_options);
      FaultEnv env(&memory);
      auto store = OpenStore(&env, SmallOptions(mode));
      OpenAccounts(store.get());
      const auto write = [&](uint64_t seed, std::atomic<bool>& stop) {
        Random random(seed);
        uint64_t done = 0;
        while (!stop) {
          const Status status = Transfer(store.get(), &random, &done);
          // kIo: the sync that failed was of a segment being made; nothing was kept, and the store goes on.
          if (status.Is(Code::kIo)) continue;
          if (!status.ok()) EXPECT(status.Is(Code::kIndeterminate) || status.Is(Code::kFailed));
          uint64_t group = 0;
          if (random.OneIn(20) && store->RequestDurable(&group).ok()) {
            const Status durable = store->WaitFor(group, true);
            if (!durable.ok()) EXPECT(durable.Is(Code::kIndeterminate) || durable.Is(Code::kIo));
          }
          if (!status.ok()) return;
        }
      };
      OnThreads(3, write, [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        for (int i = 0; i < 5000 && store->Failure().ok(); i++) {
          // Again and again, until it hits a sync of the log rather than one of a segment being made.
          env.FailNth(1, kSyncCall);
          int64_t sum = 0;
          EXPECT_OK(SumUp(store.get(), i % 4 == 0, &sum));
          EXPECT_EQ(sum, kAccounts * kEach);
          std::this_thread::sleep_for(std::chrono::milliseconds(mode == SyncMode::kAlways ? 0 : 1));
        }
      });
      EXPECT(!store->Failure().ok());
      int64_t sum = 0;
      EXPECT_OK(SumUp(store.get(), true, &sum));
      EXPECT_EQ(sum, kAccounts * kEach);
      EXPECT(!store->Close().ok());
    }
  }
}

// What is new in a segment is only seen by whoever sees that there is something in it. TSan is who fails this.
TEST(Values_may_be_asked_for_ahead_while_segments_begin) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  const auto key = [](uint64_t i) { return "key" + std::to_string(i % 100); };
  const auto look_ahead = [&](uint64_t, std::atomic<bool>& stop) {
    for (uint64_t i = 0; !stop; i++) {
      const KeyHash hash = store->PrefetchSlot(key(i));
      const KeyHash* const hashes[] = {&hash};
      store->PrefetchValues(hashes, 1);
    }
  };
  OnThreads(2, look_ahead, [&] {
    for (uint64_t i = 0; i < Rounds(2000); i++)
      EXPECT_OK(WriteAndWait(store.get(), {Put(key(i), std::string(500, 'v'))}));
  });
  EXPECT(store->Stats().segments > 2u);
  EXPECT_OK(store->Close());
}

TEST(A_store_closed_under_load_keeps_what_it_acknowledged_and_ends_every_wait) {
  for (uint64_t round = 0; round < Rounds(60); round++) {
    const SyncMode mode = static_cast<SyncMode>(round % 3);
    MemEnv memory;
    auto store = OpenStore(&memory, SmallOptions(mode));
    std::mutex mutex;
    std::set<std::string> told;
    Auditor auditor;
    store->AddListener(&auditor);
    const auto write = [&](uint64_t seed, std::atomic<bool>&) {
      for (uint64_t i = 0;; i++) {
        const std::string key = std::to_string(seed) + "/" + std::to_string(i);
        Commit commit;
        const Status status = store->Put(key, std::string(500, 'v'), 0, &commit);
        if (!status.ok()) {
          EXPECT_CODE(status, Code::kClosed);
          return;
        }
        // Accepted before the store closed: then it is written.
        if (i % 3 == 0) EXPECT_OK(store->WaitFor(commit.group, false));
        const std::lock_guard<std::mutex> hold(mutex);
        told.insert(key);
      }
    };
    OnThreads(3, write, [&] {
      for (int i = 0; i < 20; i++) {
        Auditor passing;
        store->AddListener(&passing);
        Contents contents;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        store->RemoveListener(&passing);
        const uint64_t calls = passing.calls;
        std::this_thread::yield();
        EXPECT_EQ(passing.calls.load(), calls);
      }
      EXPECT_OK(store->Close());
    });
    EXPECT_EQ(auditor.failures.load(), 0u);
    store.reset();
    auto cut = memory.PowerCutKeepNothing();
    auto reopened = OpenStore(cut.get(), SmallOptions(mode));
    REQUIRE(reopened != nullptr);
    EXPECT(reopened->Stats().clean_open);
    EXPECT_EQ(reopened->Stats().keys, told.size());
  }
}

// The writer may just have found nothing to write.
TEST(What_is_put_just_before_the_store_is_closed_is_written_and_acknowledged) {
  for (uint64_t round = 0; round < Rounds(40); round++) {
    MemEnv env;
    auto store = OpenStore(&env, SmallOptions(static_cast<SyncMode>(round % 3)));
    Auditor auditor;
    store->AddListener(&auditor);
    Commit commit;
    EXPECT_OK(store->Put("key", "value", 0, &commit));
    EXPECT_OK(store->Close());
    EXPECT(auditor.acknowledged >= commit.group);
    EXPECT(auditor.durable >= commit.group);
  }
}

// A group may be written at any moment while somebody looks which one is the newest.
TEST(Nothing_is_called_durable_that_was_not_synced) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  std::atomic<bool> done{false};
  std::thread other([&] {
    uint64_t group = 0;
    while (!done) EXPECT_OK(store->RequestDurable(&group));
  });
  for (uint64_t i = 0; i < Rounds(2500); i++) {
    Commit commit;
    uint64_t group = 0;
    EXPECT_OK(Write(store.get(), {Put("a", std::to_string(i))}, &commit));
    EXPECT_OK(store->RequestDurable(&group));
    if (group != 0) EXPECT_OK(store->WaitFor(group, true));
    EXPECT(store->Stats().durable_version >= commit.version);
  }
  done = true;
  other.join();
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv::test
