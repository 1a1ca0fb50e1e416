// Machines that stop, and calls that fail, at any moment of a backup: the store loses nothing, and the directory holds
// the backup that was there, the new one, or none that opens.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "native/core/coding.h"
#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"

namespace crabkv::test {
namespace {

// In CI every other call, and from run to run others.
uint64_t Step() { return LongRun() ? 1 : 2 * Stride(); }

// A store, perhaps with a backup, of which one is to be made.
struct Scene {
  std::unique_ptr<MemEnv> machine = std::make_unique<MemEnv>();
  ModelLog log;
  uint64_t durable = 0;
  uint64_t old_backup = 0;  // version; 0: none
  SyncMode mode = SyncMode::kAlways;
  bool links = true;
};

Scene MakeScene(SyncMode mode, bool incremental, bool links) {
  Scene scene;
  scene.mode = mode;
  scene.links = links;
  auto store = OpenStore(scene.machine.get(), SmallOptions(mode));
  Writer writer(store.get(), &scene.log, 1);
  EXPECT(writer.Write(90));
  if (incremental) {
    BackupReport report;
    EXPECT_OK(BackUp(store.get(), &report));
    scene.old_backup = report.version;
    EXPECT(writer.Write(40));
    EXPECT_OK(Compact(store.get()));
    EXPECT(writer.Write(60));
  }
  EXPECT_OK(store->Close());
  scene.durable = writer.last_version();
  return scene;
}

void InjectNoLinks(FaultEnv* env, const Scene& scene) {
  if (scene.links) return;
  Fault fault;
  fault.kinds = kLinkCall;
  fault.error = EXDEV;
  fault.forever = true;
  env->Inject(fault);
}

// The directory of the backup is what it may be: the old one, the new one, or nothing that opens. Backing up again
// works.
void ExpectOldOrNew(MemEnv* machine, const Scene& scene, const ModelLog& log, uint64_t new_version) {
  Contents contents;
  uint64_t version = 0;
  const Status opened = ReadDirectory(machine, kBackup, &contents, &version);
  if (opened.ok()) {
    EXPECT(version == new_version || version == scene.old_backup || new_version == 0);
    EXPECT_EQ(ExpectBackup(machine, log, scene.old_backup), version);
  } else {
    EXPECT_EQ(scene.old_backup, 0u);
    // Never a store that has lost its MANIFEST, or anything else that somebody might take for one.
    EXPECT(opened.Is(Code::kMissing) || opened.Is(Code::kCorruption));
    RestoreReport report;
    EXPECT_CODE(RestoreTo(machine, kRestored, &report), Code::kMissing);
  }
  auto store = OpenStore(machine, SmallOptions(scene.mode));
  if (store == nullptr) return;
  ModelLog again(log);
  if (!ExpectPrefix(store.get(), &again, scene.durable)) return;
  BackupReport report;
  EXPECT_OK(BackUp(store.get(), &report));
  EXPECT_EQ(ExpectBackup(machine, again, report.version), report.version);
  EXPECT_EQ(FilesIn(*machine, kBackup).size(), report.files + 2);
}

// Lets the machine die after `calls` calls of a backup that changes something; false when it lived. `kill` or a power
// cut with a random part of what was not synced.
bool StopAt(const Scene& scene, uint64_t calls, Random* random) {
  auto machine = scene.machine->KillProcess();
  FaultEnv env(machine.get());
  InjectNoLinks(&env, scene);
  ModelLog log(scene.log);
  auto store = OpenStore(&env, SmallOptions(scene.mode));
  if (store == nullptr) return false;
  Writer writer(store.get(), &log, 7);
  EXPECT(writer.Write(15));
  env.DieAfter(calls, kChangingCalls);
  BackupReport report;
  const Status status = BackUp(store.get(), &report);
  const bool died = env.dead();
  std::unique_ptr<MemEnv> rests[] = {machine->KillProcess(), machine->PowerCutKeepNothing(),
                                     machine->PowerCutKeepRandom(random->Next())};
  store.reset();
  const char* names[] = {", killed", ", power cut", ", power cut with remains"};
  for (int i = 0; i < 3; i++) {
    const Context context("call " + std::to_string(calls) + names[i] + (scene.links ? "" : ", copies") +
                          (scene.old_backup != 0 ? ", incremental" : "") + ", sync mode " +
                          std::to_string(static_cast<int>(scene.mode)));
    ExpectOldOrNew(rests[i].get(), scene, log, status.ok() ? report.version : 0);
    if (status.ok() && !died) EXPECT(ExpectBackup(rests[i].get(), log, report.version) >= report.version);
  }
  return died;
}

TEST(A_machine_that_stops_at_any_call_of_a_backup_has_the_old_one_the_new_one_or_none) {
  Random random;
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kOs}) {
    for (const bool incremental : {false, true}) {
      for (const bool links : {true, false}) {
        const Scene scene = MakeScene(mode, incremental, links);
        uint64_t calls = 1 + random.Below(Step());
        for (; StopAt(scene, calls, &random); calls += Step()) continue;
        EXPECT(calls > 15);
      }
    }
  }
}

// Returns whether the call was made.
bool FailCall(const Scene& scene, uint64_t nth, int error, bool forever, uint64_t* failures, Random* random) {
  auto machine = scene.machine->KillProcess();
  FaultEnv env(machine.get());
  InjectNoLinks(&env, scene);
  ModelLog log(scene.log);
  auto store = OpenStore(&env, SmallOptions(scene.mode));
  if (store == nullptr) return false;
  Writer writer(store.get(), &log, 7);
  EXPECT(writer.Write(15));
  const uint64_t acknowledged = writer.last_version();
  Fault fault;
  fault.nth = nth;
  fault.error = error;
  fault.forever = forever;
  fault.kinds = kAllCalls & ~kLinkCall;
  fault.path_part = kBackup;
  fault.sync_keeps_seed = random->OneIn(2) ? random->Next() : 0;
  env.Inject(fault);
  env.ResetLog();
  BackupReport report;
  const Status status = BackUp(store.get(), &report);
  // Links may fail by design, each of which is a fault hit, too.
  const std::vector<Call> links = env.log(kLinkCall);
  const auto refused = std::count_if(links.begin(), links.end(), [](const Call& call) { return !call.ok; });
  const bool hit = env.faults_hit() > static_cast<uint64_t>(refused);
  env.ClearFaults();
  if (!status.ok()) ++*failures;
  const Context context("call " + std::to_string(nth) + (forever ? " and all later" : "") + ", " +
                        (scene.links ? "links" : "copies") + (scene.old_backup != 0 ? ", incremental" : ""));
  // The store goes on as if nothing had been.
  EXPECT_OK(store->Failure());
  EXPECT(writer.Write(5));
  if (status.ok()) EXPECT_EQ(ExpectBackup(machine.get(), log, report.version), report.version);
  auto cut = machine->PowerCutKeepNothing();
  auto remains = machine->PowerCutKeepRandom(random->Next());
  EXPECT_OK(store->Close());
  store.reset();
  Scene after;
  after.mode = scene.mode;
  after.old_backup = scene.old_backup;
  after.durable = scene.mode == SyncMode::kAlways ? acknowledged : scene.durable;
  if (status.ok()) EXPECT(ExpectBackup(cut.get(), log, report.version) >= report.version);
  ExpectOldOrNew(cut.get(), after, log, 0);
  ExpectOldOrNew(remains.get(), after, log, 0);
  ExpectOldOrNew(machine.get(), after, log, 0);
  return hit;
}

TEST(When_any_call_of_a_backup_fails_the_store_goes_on_and_the_old_backup_or_a_whole_one_is_there) {
  Random random;
  uint64_t failures = 0;
  for (const bool incremental : {false, true}) {
    for (const bool links : {true, false}) {
      for (const bool forever : {false, true}) {
        const Scene scene = MakeScene(random.OneIn(2) ? SyncMode::kAlways : SyncMode::kOs, incremental, links);
        uint64_t nth = 1 + random.Below(Step());
        while (FailCall(scene, nth, random.OneIn(2) ? EIO : ENOSPC, forever, &failures, &random)) nth += Step();
        EXPECT(nth > 10);
      }
    }
  }
  EXPECT(failures > 40 / Step());
}

// Else a power cut could leave a store that is behind its own backup. The backup is of copies: nothing else that it
// does waits for a sync of the log.
TEST(A_backup_waits_until_the_log_is_as_durable_as_it) {
  std::atomic<bool> held{true};
  MemEnv machine;
  FaultEnv env(&machine);
  Scene copies;
  copies.links = false;
  InjectNoLinks(&env, copies);
  ModelLog log;
  auto store = OpenStore(&env, SmallOptions(SyncMode::kOs));
  REQUIRE(store != nullptr);
  Writer writer(store.get(), &log, 1);
  EXPECT(writer.Write(30));
  env.SetHook([&](const Call& call) {
    const bool of_log = call.kind == kSyncCall && call.path == std::string(kDirectory) + "/00000001.log";
    while (of_log && held) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  StartedBackup backup(store.get());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT(!backup.ended());
  held = false;
  BackupReport report;
  EXPECT_OK(backup.Wait(&report));
  env.SetHook(nullptr);
  EXPECT_EQ(report.version, writer.last_version());
  EXPECT(report.copied_bytes > 0);
}

TEST(A_backup_that_finds_no_space_leaves_what_was_there_and_succeeds_when_there_is_some) {
  for (const bool incremental : {false, true}) {
    Scene scene = MakeScene(SyncMode::kAlways, incremental, false);
    FaultEnv env(scene.machine.get());
    InjectNoLinks(&env, scene);
    auto store = OpenStore(&env, SmallOptions());
    REQUIRE(store != nullptr);
    Writer writer(store.get(), &scene.log, 3);
    EXPECT(writer.Write(30));
    const auto before = FilesIn(*scene.machine, kBackup);
    Fault full;
    full.kinds = kWriteCall;
    full.path_part = kBackup;
    full.error = ENOSPC;
    full.nth = 3;
    full.forever = true;
    full.write_prefix = 100;
    env.Inject(full);
    EXPECT_CODE(BackUp(store.get()), Code::kDiskFull);
    EXPECT(FilesIn(*scene.machine, kBackup) == before);
    EXPECT(writer.Write(10));
    env.ClearFaults();
    InjectNoLinks(&env, scene);
    BackupReport report;
    REQUIRE_OK(BackUp(store.get(), &report));
    EXPECT_EQ(report.version, writer.last_version());
    EXPECT_EQ(ExpectBackup(scene.machine.get(), scene.log, report.version), report.version);
    EXPECT_OK(store->Close());
  }
}

// --- Restoring.

bool FailRestoring(const MemEnv& backed_up, const ModelLog& log, uint64_t version, uint64_t nth, uint64_t* failures) {
  auto machine = backed_up.KillProcess();
  const auto before = FilesIn(*machine, kBackup);
  FaultEnv env(machine.get());
  env.FailNth(nth, kAllCalls & ~(kListCall | kRemoveCall));
  const Status status = RestoreTo(&env, kRestored);
  const bool hit = env.faults_hit() > 0;
  env.ClearFaults();
  const Context context("call " + std::to_string(nth));
  if (!status.ok()) ++*failures;
  bool partial = false, exists = false;
  EXPECT_OK(machine->Exists(std::string(kRestored) + ".partial", &partial));
  EXPECT_OK(machine->Exists(kRestored, &exists));
  EXPECT(!partial);
  EXPECT(exists || !status.ok());
  EXPECT(FilesIn(*machine, kBackup) == before);
  if (exists) {
    auto cut = machine->PowerCutKeepNothing();
    Contents contents;
    uint64_t found = 0;
    EXPECT_OK(ReadDirectory(cut.get(), kRestored, &contents, &found));
    EXPECT_EQ(found, version);
    EXPECT_EQ(Difference(log.At(version), contents), "the same");
  }
  return hit;
}

TEST(When_any_call_of_a_restoration_fails_there_is_a_whole_store_or_none) {
  Scene scene = MakeScene(SyncMode::kAlways, true, true);
  auto store = OpenStore(scene.machine.get(), SmallOptions());
  BackupReport report;
  REQUIRE_OK(BackUp(store.get(), &report));
  EXPECT_OK(store->Close());
  uint64_t failures = 0;
  for (uint64_t nth = 1; FailRestoring(*scene.machine, scene.log, report.version, nth, &failures); nth++) continue;
  EXPECT(failures > 30);
}

// --- While others write.

TEST(A_backup_taken_while_threads_write_shows_one_moment) {
  constexpr int kAccounts = 12;
  constexpr int64_t kEach = 1000;
  MemEnvOptions memory_options;
  memory_options.auto_advance = true;
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kOs}) {
    MemEnv env(memory_options);
    auto store = OpenStore(&env, SmallOptions(mode));
    REQUIRE(store != nullptr);
    Changes opening;
    for (int i = 0; i < kAccounts; i++) opening.push_back(Put("a" + std::to_string(i), std::to_string(kEach)));
    EXPECT_OK(WriteAndWait(store.get(), opening));
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> transfers{0};
    Random seeds;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) {
      // Each has accounts of its own, so that what it writes needs no guard.
      threads.emplace_back([&, i, seed = seeds.Next()] {
        Random random(seed);
        std::vector<int64_t> balances(kAccounts / 3, kEach);
        while (!stop) {
          const uint64_t from = random.Below(balances.size());
          const uint64_t to = random.Below(balances.size());
          balances[from] -= 1;
          balances[to] += 1;
          const auto put = [&](uint64_t n) {
            return Put("a" + std::to_string(static_cast<uint64_t>(i) * balances.size() + n),
                       std::to_string(balances[n]));
          };
          Changes changes = {put(from), put(to),
                             Put("filler" + std::to_string(random.Below(50)), std::string(700, 'f'))};
          Commit commit;
          EXPECT_OK(Write(store.get(), changes, &commit));
          if (random.OneIn(3)) EXPECT_OK(store->WaitFor(commit.group, false));
          transfers++;
        }
      });
    }
    uint64_t seen = 0;
    for (uint64_t round = 0; round < Rounds(20) || transfers < 200; round++) {
      if (round % 4 == 3) EXPECT_OK(Compact(store.get()));
      BackupReport report;
      if (!EXPECT_OK(BackUp(store.get(), &report))) break;
      Contents contents;
      uint64_t version = 0;
      EXPECT_OK(ReadDirectory(&env, kBackup, &contents, &version));
      EXPECT_EQ(version, report.version);
      EXPECT(version >= seen);
      seen = version;
      int64_t sum = 0;
      for (int i = 0; i < kAccounts; i++) sum += std::stoll(contents["a" + std::to_string(i)].value);
      EXPECT_EQ(sum, kAccounts * kEach);
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_OK(store->Close());
  }
}

}  // namespace
}  // namespace crabkv::test
