// Lives that end at random moments, by a kill or a power cut, while several threads write; and openings that die
// half-way. What was promised is there, in whole batches, and what is there is a prefix of the log.
#include <algorithm>
#include <thread>

#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr int kThreads = 3;

// What all threads of a life have been told.
struct Told {
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<uint64_t> durable{0};
};

void Raise(std::atomic<uint64_t>* mark, uint64_t to) {
  uint64_t current = mark->load();
  while (current < to && !mark->compare_exchange_weak(current, to)) {
  }
}

Changes RandomChanges(Random* random) {
  Changes changes;
  const uint64_t count = random->OneIn(2) ? 1 : 1 + random->Below(6);
  for (uint64_t i = 0; i < count; i++) {
    const std::string key = random->OneIn(30) ? "" : "k" + std::to_string(random->Below(40));
    const uint64_t deadline = random->OneIn(4) ? 1'800'000'000'000 + random->Below(1000) : 0;
    const uint64_t kind = random->Below(10);
    if (kind < 7) {
      const uint64_t size = random->OneIn(40)  ? random->Below(90'000)
                            : random->OneIn(4) ? random->Below(4000)
                                               : random->Below(80);
      changes.push_back(Put(key, std::to_string(random->Next()) + std::string(size, 'p'), deadline));
    } else if (kind < 9) {
      changes.push_back(Delete(key));
    } else {
      changes.push_back(Expire(key, deadline));
    }
  }
  return changes;
}

// Writes until something fails or enough is written.
void WriteForALife(Store* store, const FaultEnv& env, SyncMode mode, uint64_t seed, ModelLog* log, Told* told) {
  Random random(seed);
  for (uint64_t i = random.Below(120); i > 0; i--) {
    const Changes changes = RandomChanges(&random);
    Commit commit;
    // Versions are given out before the others hear of them, so the model learns of a batch before its fate is known.
    if (!Write(store, changes, &commit).ok()) return;
    log->Add(commit, changes);
    if (commit.group == 0 || random.OneIn(3)) continue;
    // What a dead process is told, nobody hears.
    if (!store->WaitFor(commit.group, false).ok()) return;
    if (env.dead()) return;
    Raise(&told->acknowledged, commit.version);
    if (mode == SyncMode::kAlways) Raise(&told->durable, commit.version);
    if (!random.OneIn(20)) continue;
    const uint64_t before = told->acknowledged;
    uint64_t group = 0;
    if (!store->RequestDurable(&group).ok() || !store->WaitFor(group, true).ok() || env.dead()) return;
    Raise(&told->durable, before);
  }
}

// Runs of segments that nobody would choose.
void CompactForALife(Store* store, uint64_t seed) {
  Random random(seed);
  for (uint64_t i = random.Below(8); i > 0; i--) {
    if (random.OneIn(3) && !EndSegment(store).ok()) return;
    // Failing is as good as any other way to go on.
    const Status ignored = random.OneIn(5) ? Compact(store) : CompactRun(store, random.Next(), 1 + random.Below(4));
    static_cast<void>(ignored);
  }
}

// The machine after the end of a life, what must be found on it, and what if it now loses power.
struct Rest {
  std::unique_ptr<MemEnv> machine;
  uint64_t acknowledged = 0;
  uint64_t durable = 0;
  std::string how = "new";
};

Rest EndLife(const MemEnv& memory, uint64_t acknowledged, uint64_t durable, Random* random) {
  const uint64_t way = random->Below(4);
  if (way == 0) return {memory.KillProcess(), acknowledged, durable, "killed"};
  if (way == 1) return {memory.PowerCutKeepNothing(), durable, durable, "power cut"};
  return {memory.PowerCutKeepRandom(random->Next()), durable, durable, "power cut with remains"};
}

Rest Live(const Rest& before, ModelLog* log, Random* random) {
  MemEnv* const memory = before.machine.get();
  const SyncMode mode = static_cast<SyncMode>(random->Below(3));
  FaultEnv env(memory);
  if (random->OneIn(2)) env.DieAfter(1 + random->Below(120));
  Told told;
  Options options = SmallOptions(mode);
  options.compression = random->OneIn(2) ? Codec::kSnappy : Codec::kNone;
  options.auto_compaction = random->OneIn(2);
  options.compaction_log_bytes_min = 64 << 10;
  options.compaction_io_percent = 100;
  std::shared_ptr<Store> store;
  const Status opened = Store::Open(&env, kDirectory, options, &store);
  if (!opened.ok()) {
    if (!env.dead()) EXPECT_OK(opened);
    Rest rest = EndLife(*memory, before.acknowledged, before.durable, random);
    rest.how += " while opening";
    return rest;
  }
  // Here as in a program: what an opening shows has been made durable.
  const uint64_t shown = store->Stats().last_version;
  if (env.dead()) {
    EXPECT(shown >= before.acknowledged);
    log->CutBehind(shown);
  } else {
    env.ClearFaults();  // to look at it
    if (!ExpectPrefix(store.get(), log, before.acknowledged)) return Rest();
    if (!random->OneIn(5)) env.DieAfter(1 + random->Below(400));
  }
  told.acknowledged = told.durable = shown;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    const uint64_t seed = random->Next();
    threads.emplace_back([&, seed] { WriteForALife(store.get(), env, mode, seed, log, &told); });
  }
  const uint64_t compactor_seed = random->Next();
  threads.emplace_back([&, compactor_seed] { CompactForALife(store.get(), compactor_seed); });
  for (uint64_t i = random->Below(40); i > 0; i--) {
    memory->AdvanceMs(10);
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  const bool close = random->OneIn(3);
  if (close && store->Close().ok() && !env.dead()) Raise(&told.durable, log->last_version());
  if (close) Raise(&told.acknowledged, told.durable);
  Rest rest = EndLife(*memory, told.acknowledged, told.durable, random);
  rest.how += ", sync mode " + std::to_string(static_cast<int>(mode)) + (close ? ", closed" : "") +
              (env.dead() ? ", dead" : "");
  store.reset();
  return rest;
}

TEST(Whatever_ends_a_life_the_next_one_finds_what_was_promised_in_whole_batches) {
  Random seeds;
  for (uint64_t round = 0; round < Rounds(120); round++) {
    Random random(seeds.Next());
    ModelLog log;
    Rest rest;
    rest.machine = std::make_unique<MemEnv>();
    for (int life = 0; life < 6 && rest.machine != nullptr; life++) {
      const Context context("round " + std::to_string(round) + ", life " + std::to_string(life) + " after " + rest.how);
      Rest next = Live(rest, &log, &random);
      rest = std::move(next);
    }
    if (rest.machine == nullptr) return;  // failed, and said so
    auto store = OpenStore(rest.machine.get(), SmallOptions());
    if (store != nullptr) ExpectPrefix(store.get(), &log, rest.acknowledged);
    store.reset();
  }
}

// Recovery reads what it rewrites a second time; a disk may answer differently then.
TEST(Rot_between_the_two_readings_of_an_opening_is_reported_and_not_made_durable) {
  MemEnv memory;
  auto store = OpenStore(&memory, SmallOptions(SyncMode::kOs));
  for (int i = 0; i < 20; i++)
    EXPECT_OK(WriteAndWait(store.get(), {Put("k" + std::to_string(i), std::string(100, 'v'))}));
  auto killed = memory.KillProcess();
  EXPECT_OK(store->Close());
  const std::string path = std::string(kDirectory) + "/00000001.log";
  std::string content;
  REQUIRE(killed->Content(path, &content));
  FaultEnv env(killed.get());
  bool done = false;
  env.SetHook([&](const Call& call) {
    if (done || call.kind != kOpenCall || call.path != std::string(kDirectory) + "/00000002.log.tmp") return;
    done = true;
    std::string damaged = content;
    damaged[1000] = static_cast<char>(damaged[1000] ^ 1);
    killed->SetContent(path, damaged);
  });
  std::shared_ptr<Store> opened;
  EXPECT_CODE(Store::Open(&env, kDirectory, SmallOptions(), &opened), Code::kCorruption);
  EXPECT(done);
  killed->SetContent(path, content);
  opened = OpenStore(killed.get(), SmallOptions());
  REQUIRE(opened != nullptr);
  EXPECT_EQ(opened->Stats().keys, 20u);
  EXPECT_OK(opened->Close());
}

// --- Openings that die.

// A machine that lost power with something torn at the end of its log, in a lazy mode: recovery has to rewrite.
std::unique_ptr<MemEnv> TornMachine(ModelLog* log, uint64_t seed) {
  Random random(seed);
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  Told told;
  for (int i = 0; i < 4; i++) WriteForALife(store.get(), env, SyncMode::kOs, random.Next(), log, &told);
  return random.OneIn(3) ? memory.KillProcess() : memory.PowerCutKeepRandom(random.Next());
}

// Lets the opening of a copy of `torn` die after `calls` calls, and whatever is left be opened. False when it lived.
bool DieOpening(const MemEnv& torn, const ModelLog& log, uint64_t at_least, uint64_t calls, Random* random) {
  auto machine = torn.KillProcess();
  FaultEnv env(machine.get());
  env.DieAfter(calls);
  std::shared_ptr<Store> store;
  const bool opened = Store::Open(&env, kDirectory, SmallOptions(), &store).ok();
  std::unique_ptr<MemEnv> rests[] = {machine->KillProcess(), machine->PowerCutKeepNothing(),
                                     machine->PowerCutKeepRandom(random->Next())};
  store.reset();
  for (auto& rest : rests) {
    ModelLog model(log);
    Options read_only = SmallOptions();
    read_only.read_only = true;
    // A look without writing, half-way through, sees the same.
    std::shared_ptr<Store> seen;
    EXPECT_OK(Store::Open(rest.get(), kDirectory, read_only, &seen));
    if (seen != nullptr) ExpectPrefix(seen.get(), &model, at_least);
    seen.reset();
    seen = OpenStore(rest.get(), SmallOptions());
    if (seen == nullptr || !ExpectPrefix(seen.get(), &model, at_least)) return false;
    EXPECT_OK(WriteAndWait(seen.get(), {Put("and", "on")}));
    seen.reset();
  }
  return !opened;
}

TEST(An_opening_that_dies_at_any_call_loses_nothing) {
  Random random;
  for (uint64_t round = 0; round < Rounds(6); round++) {
    ModelLog log;
    auto torn = TornMachine(&log, random.Next());
    // What an opening of the torn machine shows is on its disk, or will be before anything else happens.
    ModelLog shown_log(log);
    auto probe = torn->KillProcess();
    uint64_t at_least = 0;
    {
      auto store = OpenStore(probe.get(), SmallOptions());
      if (store == nullptr || !ExpectPrefix(store.get(), &shown_log, 0)) return;
      at_least = store->Stats().last_version;
    }
    // A killed machine's page cache may hold more than its disk; only what the disk holds is promised.
    auto cut = torn->PowerCutKeepNothing();
    {
      auto store = OpenStore(cut.get(), SmallOptions());
      if (store == nullptr) return;
      at_least = std::min(at_least, store->Stats().last_version);
    }
    for (uint64_t calls = 1 + random.Below(Stride());; calls += Stride()) {
      const Context context("round " + std::to_string(round) + ", dies after call " + std::to_string(calls));
      if (!DieOpening(*torn, shown_log, at_least, calls, &random)) break;
    }
  }
}

}  // namespace
}  // namespace crabkv::test
