// Expiry against a std::map, while the machine's clock jumps forwards and backwards: generated puts, deletes, new
// deadlines, guarded batches, active expiry and reopenings with another number of shards. What is expected follows from
// one number, the store's own time: it never goes back, follows the wall clock forward, and is in every frame.
#include <algorithm>
#include <cstdio>

#include "native/core/coding.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

struct Kept {
  std::string value;
  uint64_t deadline_ms = 0;  // 0: never
  uint64_t version = 0;
};

class ClockModel {
 public:
  explicit ClockModel(Random* random) : random_(random), env_(std::make_unique<MemEnv>(StoppedClocks())) { Open(); }

  // One command, or one turn of the clock.
  void Step() {
    switch (random_->Below(24)) {
      case 0:
      case 1:
        return TurnClock();
      case 2:
        return RemoveExpired();
      case 3:
        if (random_->OneIn(8)) Reopen();
        return;
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
        return WriteBatch();
      default:
        return CheckKey(Key());
    }
  }

  // Everything, by a scan and by keys.
  void CheckAll() {
    Contents expected;
    for (const auto& [key, kept] : kept_) {
      if (IsLive(kept)) expected[key] = {kept.value, kept.deadline_ms};
    }
    Contents found;
    EXPECT_OK(ReadAll(store_.get(), &found));
    EXPECT_EQ(Difference(expected, found), "the same");
  }

  void End() {
    CheckAll();
    EXPECT_OK(store_->Close());
  }

  uint64_t writes = 0;
  uint64_t refused = 0;  // batches whose guard did not hold
  uint64_t removed = 0;  // by active expiry
  uint64_t forwards = 0;
  uint64_t backwards = 0;
  uint64_t reopens = 0;
  uint64_t lookups = 0;
  uint64_t hits = 0;

 private:
  // Nothing but the test moves them.
  static MemEnvOptions StoppedClocks() {
    MemEnvOptions options;
    options.monotonic_step_ns = 0;
    return options;
  }

  bool IsLive(const Kept& kept) const { return kept.deadline_ms == 0 || kept.deadline_ms > now_ms_; }

  // Null when it is not there, or not any more.
  const Kept* Live(const std::string& key) const {
    const auto found = kept_.find(key);
    return found == kept_.end() || !IsLive(found->second) ? nullptr : &found->second;
  }

  std::string Key() { return "key " + std::to_string(random_->Below(60)); }

  uint64_t Deadline() {
    if (random_->Below(10) < 6) return 0;
    if (random_->OneIn(2)) return now_ms_ + 1'000'000'000;
    if (random_->OneIn(10)) return now_ms_ - random_->Below(1000);
    return now_ms_ + 1 + random_->Below(5000);
  }

  // The store looks at the clock at every call, so a test that wants it to notice a jump has to make one.
  void Expect(uint64_t least_ms, uint64_t most_ms) {
    now_ms_ = store_->NowMs();
    EXPECT(now_ms_ >= least_ms);
    EXPECT(now_ms_ <= most_ms);
  }

  void TurnClock() {
    const uint64_t before = now_ms_;
    if (random_->OneIn(3)) {
      const uint64_t passed = random_->Below(2000);
      env_->AdvanceMs(passed);
      return Expect(before + passed, std::max(before + passed, env_->WallMs()));
    }
    const uint64_t wall = JumpedWall();
    env_->SetWallMs(wall);
    Expect(std::max(before, wall), std::max(before, wall));
  }

  uint64_t JumpedWall() {
    if (random_->OneIn(2)) {
      forwards++;
      return now_ms_ + random_->Below(6000);
    }
    backwards++;
    return now_ms_ - random_->Below(random_->OneIn(2) ? 10'000 : 100'000'000);
  }

  void CheckKey(const std::string& key) {
    const Kept* kept = Live(key);
    lookups++;
    if (kept != nullptr) hits++;
    EXPECT_EQ(Get(store_.get(), key), kept == nullptr ? "(none)" : kept->value);
    EntryInfo info;
    EXPECT_OK(store_->Has(key, &info));
    EXPECT_EQ(info.found, kept != nullptr);
    if (kept != nullptr) EXPECT_EQ(info.expires_at_ms, kept->deadline_ms);
  }

  // A guard for the key, which holds or not.
  bool Guarded(Operation* operation, const std::string& key) {
    const Kept* live = Live(key);
    switch (random_->Below(4)) {
      case 0:
        operation->guard = Guard::kAbsent;
        return live == nullptr;
      case 1:
        operation->guard = Guard::kPresent;
        return live != nullptr;
      case 2:
        operation->guard = Guard::kVersion;
        operation->guard_version = live == nullptr ? 0 : live->version;
        return true;
      default:
        operation->guard = Guard::kVersion;
        operation->guard_version = live == nullptr ? 1 : live->version - 1;
        return false;
    }
  }

  Operation AnyOperation(const std::string& key, const std::string& value) {
    Operation operation;
    operation.key = key;
    const uint64_t kind = random_->Below(10);
    if (kind < 6) {
      operation.value = value;
      operation.keep_expiry = random_->OneIn(4);
      operation.expires_at_ms = operation.keep_expiry ? 0 : Deadline();
    } else if (kind < 7) {
      operation.kind = Operation::Kind::kDelete;
    } else if (kind < 9) {
      operation.kind = Operation::Kind::kExpire;
      operation.expires_at_ms = Deadline();
    } else {
      operation.kind = Operation::Kind::kCheck;
    }
    return operation;
  }

  // What the operation does to the model. Whether it is logged.
  bool Apply(const Operation& operation) {
    const std::string key(operation.key);
    const Kept* live = Live(key);
    EXPECT_EQ(operation.existed, live != nullptr);
    switch (operation.kind) {
      case Operation::Kind::kCheck:
        return false;
      case Operation::Kind::kDelete:
        return kept_.erase(key) == 1;
      case Operation::Kind::kExpire:
        if (live != nullptr) kept_[key].deadline_ms = operation.expires_at_ms;
        return live != nullptr;
      case Operation::Kind::kPut:
        const uint64_t old_ms = live == nullptr ? 0 : live->deadline_ms;
        kept_[key] = {std::string(operation.value), operation.keep_expiry ? old_ms : operation.expires_at_ms, 0};
        return true;
    }
    return false;
  }

  void WriteBatch() {
    const uint64_t count = 1 + random_->Below(4);
    std::vector<std::string> keys;
    std::vector<std::string> values;
    for (uint64_t i = 0; i < count; i++) {
      keys.push_back(Key());
      values.push_back(std::to_string(writes) + random_->Bytes(random_->Below(60)));
    }
    std::vector<Operation> operations;
    uint32_t fails_at = UINT32_MAX;
    for (uint64_t i = 0; i < count; i++) {
      operations.push_back(AnyOperation(keys[i], values[i]));
      if (!random_->OneIn(6)) continue;
      if (!Guarded(&operations[i], keys[i])) fails_at = std::min(fails_at, static_cast<uint32_t>(i));
    }
    Commit commit;
    EXPECT_OK(store_->Write(operations.data(), static_cast<uint32_t>(count), DiskWait::kAllowed, &commit));
    writes++;
    EXPECT_EQ(commit.committed, fails_at == UINT32_MAX);
    if (!commit.committed) {
      EXPECT_EQ(commit.failed_index, fails_at);
      refused++;
      return;
    }
    EXPECT_OK(store_->WaitFor(commit.group, false));
    std::vector<const Operation*> logged;
    for (const Operation& operation : operations) {
      if (Apply(operation)) logged.push_back(&operation);
    }
    EXPECT_EQ(commit.version != 0, !logged.empty());
    if (logged.empty()) return;
    logged_ms_ = now_ms_;
    uint64_t version = commit.version - logged.size();
    for (const Operation* operation : logged) {
      version++;
      if (operation->kind != Operation::Kind::kPut) continue;
      const auto kept = kept_.find(std::string(operation->key));
      if (kept != kept_.end()) kept->second.version = version;
    }
  }

  // The expired keys go, those with the earliest deadlines first.
  void RemoveExpired() {
    ReadBuffer bytes;
    uint32_t count = 0;
    bool more = false;
    Commit commit;
    const auto keys_max = static_cast<uint32_t>(1 + random_->Below(8));
    EXPECT_OK(store_->RemoveExpired(keys_max, &bytes, &count, &more, &commit));
    EXPECT_OK(store_->WaitFor(commit.group, false));
    if (count > 0) logged_ms_ = now_ms_;
    for (uint64_t at = 0; at < bytes.size();) {
      const uint32_t length = GetU32(bytes.data() + at);
      const std::string key(bytes.data() + at + 4, length);
      EXPECT(kept_.count(key) == 1 && !IsLive(kept_[key]));
      kept_.erase(key);
      removed++;
      at += 4 + length;
    }
    const auto expired = [this](const auto& entry) { return !IsLive(entry.second); };
    EXPECT_EQ(more, std::any_of(kept_.begin(), kept_.end(), expired));
  }

  void Open() {
    // A scan takes every latch, and TSan lets a thread hold 64 locks.
    const uint32_t shards[] = {1, 2, 7, 33, 60};
    Options options = SmallOptions();
    options.shard_count = shards[random_->Below(5)];
    options.compression = random_->OneIn(2) ? Codec::kSnappy : Codec::kNone;
    store_ = OpenStore(env_.get(), options);
    CRABKV_ASSERT(store_ != nullptr);
    now_ms_ = store_->NowMs();
  }

  // Closed, killed or without power, and the clock may be another one afterwards.
  void Reopen() {
    reopens++;
    const uint64_t before = now_ms_;
    const uint64_t how = random_->Below(3);
    if (how == 0) EXPECT_OK(store_->Close());
    auto machine = how == 2 ? env_->PowerCutKeepRandom(random_->Next()) : env_->KillProcess();
    if (how != 0) EXPECT_OK(store_->Close());
    store_.reset();
    env_ = std::move(machine);
    if (random_->OneIn(2)) env_->SetWallMs(JumpedWall());
    const uint64_t wall = env_->WallMs();
    Open();
    // What the log remembers, and no time that nobody has seen.
    Expect(std::max(logged_ms_, wall), std::max(before, wall));
    CheckAll();
  }

  Random* const random_;
  std::unique_ptr<MemEnv> env_;
  std::shared_ptr<Store> store_;
  std::map<std::string, Kept> kept_;  // expired keys too, until something removes them
  uint64_t now_ms_ = 0;               // the store's
  uint64_t logged_ms_ = 0;            // the store's time at the last write
};

TEST(Expiry_agrees_with_a_map_whatever_the_clock_does) {
  Random random;
  ClockModel model(&random);
  const uint64_t steps = Rounds(40'000);
  for (uint64_t step = 0; step < steps; step++) {
    const Context context("step " + std::to_string(step));
    model.Step();
    if (step % 500 == 499) model.CheckAll();
  }
  model.End();
  std::printf(
      "  %llu writes (%llu refused by a guard), %llu keys removed by active expiry, %llu reopens, the clock %llu "
      "times forwards and %llu times backwards, %llu of %llu lookups hit\n",
      static_cast<unsigned long long>(model.writes), static_cast<unsigned long long>(model.refused),
      static_cast<unsigned long long>(model.removed), static_cast<unsigned long long>(model.reopens),
      static_cast<unsigned long long>(model.forwards), static_cast<unsigned long long>(model.backwards),
      static_cast<unsigned long long>(model.hits), static_cast<unsigned long long>(model.lookups));
  EXPECT(2 * model.hits >= model.lookups);
  if (steps < 40'000) return;
  EXPECT(model.reopens >= 100);
  EXPECT(model.removed >= 100);
  EXPECT(model.forwards >= 500);
  EXPECT(model.backwards >= 500);
}

}  // namespace
}  // namespace crabkv::test
