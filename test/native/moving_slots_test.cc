// Slots that move between shards while the store works: batches stay whole, failed writes are taken back over moves,
// scans show one moment, and the loads that moving goes by are what was asked of each slot.
#include <atomic>
#include <cmath>
#include <thread>

#include "native/core/coding.h"
#include "native/core/slot_loads.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint32_t kShards = 4;  // of SmallOptions

bool MoveTo(Store* store, std::string_view key, uint32_t to) {
  bool moved = false;
  EXPECT_OK(store->MoveSlot(store->SlotOf(key), store->ShardOf(key), to, &moved));
  return moved;
}

TEST(A_moved_slot_keeps_its_keys_and_its_new_shard_has_it) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a{t}", "1"), Put("b{t}", "2", 4'000'000'000'000)}));
  EXPECT_EQ(store->ShardOf("a{t}"), store->ShardOf("t"));
  for (uint32_t to = 0; to < kShards; to++) {
    const bool there = store->ShardOf("t") == to;
    EXPECT_EQ(MoveTo(store.get(), "t", to), !there);
    EXPECT_EQ(store->ShardOf("a{t}"), to);
    EXPECT_EQ(Get(store.get(), "a{t}"), "1");
    EXPECT_OK(WriteAndWait(store.get(), {Put("a{t}", "1"), Put("elsewhere", std::to_string(to))}));
  }
  EntryInfo info;
  EXPECT_OK(store->Has("b{t}", &info));
  EXPECT_EQ(info.expires_at_ms, 4'000'000'000'000u);
  EXPECT_EQ(store->Stats().slots_moved, kShards - 1);
  EXPECT_EQ(store->Stats().keys, 3u);
}

TEST(A_move_by_who_does_not_know_of_another_move_does_nothing) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  const uint32_t slot = store->SlotOf("a");
  const uint32_t home = store->ShardOf("a");
  bool moved = false;
  EXPECT_OK(store->MoveSlot(slot, home, (home + 1) % kShards, &moved));
  EXPECT(moved);
  EXPECT_OK(store->MoveSlot(slot, home, (home + 2) % kShards, &moved));
  EXPECT(!moved);
  EXPECT_EQ(store->ShardOf("a"), (home + 1) % kShards);
  EXPECT_CODE(store->MoveSlot(kSlotCount, 0, 1, &moved), Code::kInvalidArgument);
  EXPECT_CODE(store->MoveSlot(slot, kShards, 0, &moved), Code::kInvalidArgument);
  EXPECT_CODE(store->MoveSlot(slot, (home + 1) % kShards, kShards, &moved), Code::kInvalidArgument);
  EXPECT_OK(store->Close());
  EXPECT_CODE(store->MoveSlot(slot, 0, 1, &moved), Code::kClosed);
}

// The undo entries of one key are then in the lists of several shards.
TEST(Writes_that_fail_after_their_slot_moved_are_taken_back_in_their_order) {
  for (uint32_t home = 0; home < kShards; home++) {
    for (uint32_t away = 0; away < kShards; away++) {
      MemEnv memory;
      FaultEnv env(&memory);
      auto store = OpenStore(&env, SmallOptions());
      MoveTo(store.get(), "a{t}", home);
      EXPECT_OK(WriteAndWait(store.get(), {Put("a{t}", "1"), Put("b{t}", "1"), Put("x", "1")}));
      // However the writer cuts what follows into groups, all of it fails.
      Fault fault = FailedAppend(EIO);
      fault.forever = true;
      env.Inject(fault);
      Commit commit;
      EXPECT_OK(Write(store.get(), {Put("a{t}", "2"), Delete("b{t}"), Put("c{t}", "2"), Put("x", "2")}, &commit));
      MoveTo(store.get(), "a{t}", away);
      EXPECT_OK(Write(store.get(), {Delete("a{t}"), Put("b{t}", "3"), Put("c{t}", "3"), Put("x", "3")}, &commit));
      MoveTo(store.get(), "a{t}", home);
      EXPECT_OK(Write(store.get(), {Put("a{t}", "4"), Expire("b{t}", 4'000'000'000'000)}, &commit));
      MoveTo(store.get(), "a{t}", away);
      EXPECT_CODE(store->WaitFor(commit.group, false), Code::kIo);
      EXPECT_EQ(Get(store.get(), "a{t}"), "1");
      EXPECT_EQ(Get(store.get(), "b{t}"), "1");
      EXPECT_EQ(Get(store.get(), "c{t}"), "(none)");
      EXPECT_EQ(Get(store.get(), "x"), "1");
      EXPECT_EQ(store->Stats().keys, 3u);
      EXPECT_EQ(store->Stats().keys_with_deadline, 0u);
      env.ClearFaults();
      EXPECT_OK(WriteAndWait(store.get(), {Put("a{t}", "5")}));
      EXPECT_EQ(Get(store.get(), "a{t}"), "5");
    }
  }
}

// --- Under load: pairs of keys in two slots, always written together and alike.

constexpr uint64_t kPairs = 12;

std::string Left(uint64_t i) { return "left" + std::to_string(i); }
std::string Right(uint64_t i) { return "right" + std::to_string(i); }

void ExpectPairsAlike(Store* store) {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < kPairs; i++) {
    keys.push_back(Left(i));
    keys.push_back(Right(i));
  }
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  MultiGetResult result;
  EXPECT_OK(store->GetMany(views.data(), 2 * kPairs, DiskWait::kAllowed, &result));
  const auto value = [&](uint64_t i) {
    return std::string(result.values.data() + result.items[i].offset, result.items[i].length);
  };
  for (uint64_t i = 0; i < kPairs; i++) {
    EXPECT_EQ(result.items[2 * i].found, result.items[2 * i + 1].found);
    EXPECT_EQ(value(2 * i), value(2 * i + 1));
  }
}

void ExpectPairsAlikeInScan(Store* store) {
  std::unique_ptr<Scan> scan;
  REQUIRE_OK(store->NewScan(ScanOptions(), &scan));
  Contents contents;
  for (bool done = false; !done;) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    REQUIRE_OK(scan->Next(5, 1 << 20, &chunk, &entries, &done));
    const char* at = chunk.data();
    for (uint32_t i = 0; i < entries; i++) {
      const uint32_t key_bytes = GetU32(at);
      const uint32_t value_bytes = GetU32(at + 4);
      contents[std::string(at + 24, key_bytes)].value = std::string(at + 24 + key_bytes, value_bytes);
      at += 24 + key_bytes + value_bytes;
    }
  }
  for (uint64_t i = 0; i < kPairs; i++) {
    EXPECT_EQ(contents.count(Left(i)), contents.count(Right(i)));
    EXPECT_EQ(contents[Left(i)].value, contents[Right(i)].value);
  }
}

// Writes pairs until told to stop; those of its own it knows by heart.
void WritePairs(Store* store, uint64_t seed, uint64_t own, const std::atomic<bool>& stop,
                std::atomic<uint64_t>* failures) {
  Random random(seed);
  std::string told = "(none)";
  for (uint64_t i = 0; !stop; i++) {
    const bool is_own = random.OneIn(3);
    const uint64_t pair = is_own ? own : 3 + random.Below(kPairs - 3);
    const std::string value = std::to_string(seed) + "/" + std::to_string(i);
    const bool erase = random.OneIn(5);
    const Changes changes = erase ? Changes{Delete(Left(pair)), Delete(Right(pair))}
                                  : Changes{Put(Left(pair), value), Put(Right(pair), value)};
    Commit commit;
    if (!EXPECT_OK(Write(store, changes, &commit))) return;
    if (!is_own && !random.OneIn(3)) continue;
    const Status fate = store->WaitFor(commit.group, false);
    if (!fate.ok()) EXPECT_CODE(fate, Code::kIo);
    if (!fate.ok()) (*failures)++;
    if (!is_own) continue;
    // What it deleted may not have been there, and then there was nothing to fail.
    if (fate.ok()) told = erase ? "(none)" : value;
    EXPECT_EQ(Get(store, Left(pair)), told);
  }
}

TEST(Slots_that_move_under_load_and_failing_writes_lose_nothing_and_show_no_half_batch) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> moves{0};
  std::atomic<uint64_t> failures{0};
  std::vector<std::thread> threads;
  Random random;
  for (uint64_t own = 0; own < 3; own++) {
    threads.emplace_back([&, own, seed = random.Next()] { WritePairs(store.get(), seed, own, stop, &failures); });
  }
  for (int movers = 0; movers < 2; movers++) {
    threads.emplace_back([&, seed = random.Next()] {
      Random choice(seed);
      while (!stop) {
        const uint64_t i = choice.Below(kPairs);
        const std::string key = choice.OneIn(2) ? Left(i) : Right(i);
        if (MoveTo(store.get(), key, static_cast<uint32_t>(choice.Below(kShards)))) moves++;
        if (choice.OneIn(8)) std::this_thread::yield();
      }
    });
  }
  for (uint64_t i = 0; i < Rounds(400) || moves < 1000 || failures < 20; i++) {
    Fault fault = FailedAppend(EIO);
    fault.length_from = 0;  // frames without records, too
    fault.nth = 1 + random.Below(4);
    fault.write_prefix = random.Below(100);
    env.Inject(fault);
    ExpectPairsAlike(store.get());
    if (i % 4 == 0) ExpectPairsAlikeInScan(store.get());
    if (i % 16 == 15) {
      env.ClearFaults();
      env.ResetLog();
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  env.ClearFaults();
  EXPECT_OK(store->Failure());
  ExpectPairsAlike(store.get());
  Commit commit;
  EXPECT_OK(WriteAndWait(store.get(), {Put("last", "one")}, &commit));
  Contents before;
  EXPECT_OK(ReadAll(store.get(), &before));
  auto cut = memory.PowerCutKeepNothing();
  auto reopened = OpenStore(cut.get(), SmallOptions());
  REQUIRE(reopened != nullptr);
  ExpectContents(reopened.get(), before);
  EXPECT_EQ(store->Stats().slots_moved, moves.load());
}

// --- Loads.

constexpr uint64_t kSecondNs = 1'000'000'000;

bool Near(double value, double expected) { return std::abs(value - expected) <= 0.01 * std::abs(expected) + 0.001; }

TEST(The_load_of_a_slot_is_its_operations_a_second_and_forgets_the_past_by_halves) {
  SlotLoads loads(kSecondNs);
  std::vector<double> rates(kSlotCount, -1);
  loads.Read(kSecondNs, rates.data());
  EXPECT_EQ(rates[7], 0.0);
  // Right from the first second on, however short it is beside the half-life.
  for (int i = 0; i < 500; i++) loads.Count(7);
  loads.Read(2 * kSecondNs, rates.data());
  EXPECT(Near(rates[7], 500));
  EXPECT_EQ(rates[8], 0.0);
  // The same however often it is read.
  for (int i = 0; i < 500; i++) loads.Count(7);
  loads.Read(2 * kSecondNs + kSecondNs / 2, rates.data());
  loads.Read(2 * kSecondNs + kSecondNs / 2, rates.data());
  loads.Read(2 * kSecondNs, rates.data());  // by an earlier clock
  EXPECT(Near(rates[7], 1000 / 1.5));
  // A long time, evenly.
  for (int i = 0; i < 60'000; i++) loads.Count(7);
  loads.Read(602 * kSecondNs, rates.data());
  EXPECT(Near(rates[7], 100));
  // Half a minute of nothing.
  loads.Read(632 * kSecondNs, rates.data());
  EXPECT(Near(rates[7], 50));
  loads.Read(1232 * kSecondNs, rates.data());
  EXPECT(Near(rates[7], 0));
}

TEST(Every_operation_on_a_key_counts_as_load_of_its_slot) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  Commit commit;
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1"), Put("b", "1"), Delete("c"), Expire("a", 4'000'000'000'000)}));
  EXPECT_OK(store->Put("a", "2", 0, &commit));
  EXPECT_EQ(Get(store.get(), "a"), "2");
  EXPECT_EQ(Get(store.get(), "none"), "(none)");
  EntryInfo info;
  EXPECT_OK(store->Has("a", &info));
  const std::string_view keys[] = {"a", "b"};
  MultiGetResult result;
  EXPECT_OK(store->GetMany(keys, 2, DiskWait::kAllowed, &result));
  bool found[2];
  EXPECT_OK(store->HasMany(keys, 2, found));
  env.AdvanceMs(2000);
  SlotReport report;
  store->ReportSlots(&report);
  const auto per_two_seconds = [&](std::string_view key) {
    EXPECT_EQ(report.shards[store->SlotOf(key)], store->ShardOf(key));
    return std::lround(2 * report.operations_second[store->SlotOf(key)]);
  };
  EXPECT_EQ(per_two_seconds("a"), 7);
  EXPECT_EQ(per_two_seconds("b"), 3);
  EXPECT_EQ(per_two_seconds("c"), 1);
  EXPECT_EQ(per_two_seconds("none"), 1);
  EXPECT_EQ(per_two_seconds("another"), 0);
}

}  // namespace
}  // namespace crabkv::test
