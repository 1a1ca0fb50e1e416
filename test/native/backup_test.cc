// Backups of an open store: what they hold, that they share what nothing changes and copy the rest, that taking one
// again takes only what is new, and that nothing that happens to the store or to what was restored of one changes it.
#include <algorithm>
#include <atomic>
#include <thread>

#include "native/core/format.h"
#include "native/core/manifest.h"
#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"

namespace crabkv::test {
namespace {

std::string PathOf(const std::string& name) { return std::string(kBackup) + "/" + name; }

// Those are there as they were; others may be, too: a power cut brings names back that were removed.
bool HasAll(const MemEnv& env, const std::map<std::string, std::string>& files) {
  auto found = FilesIn(env, kBackup);
  return std::all_of(files.begin(), files.end(), [&](const auto& file) {
    return found.count(file.first) != 0 && found[file.first] == file.second;
  });
}

Fault NoLinks() {
  Fault fault;
  fault.kinds = kLinkCall;
  fault.error = EXDEV;
  fault.forever = true;
  return fault;
}

TEST(A_backup_holds_all_that_was_acknowledged_and_can_be_restored) {
  Random random;
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    for (const bool links : {true, false}) {
      const Context context("sync mode " + std::to_string(static_cast<int>(mode)) + (links ? ", links" : ", copies"));
      MemEnv memory;
      FaultEnv env(&memory);
      if (!links) env.Inject(NoLinks());
      ModelLog log;
      auto store = OpenStore(&env, SmallOptions(mode));
      REQUIRE(store != nullptr);
      Writer writer(store.get(), &log, random.Next());
      for (uint64_t round = 0; round < std::max<uint64_t>(Rounds(6), 2); round++) {
        EXPECT(writer.Write(60));
        if (round % 3 == 1) EXPECT_OK(Compact(store.get()));
        if (round == 4) EXPECT_OK(CompactRun(store.get(), random.Next(), 2));
        BackupReport report;
        REQUIRE_OK(BackUp(store.get(), &report));
        EXPECT_EQ(report.version, writer.last_version());
        EXPECT(links ? report.copied_bytes == 0 : report.linked_bytes == 0);
        if (round == 0) EXPECT_EQ(report.skipped_bytes, 0u);
        EXPECT(writer.Write(30));
        // As it is on the disk of a machine that loses power now.
        auto cut = memory.PowerCutKeepNothing();
        EXPECT_EQ(ExpectBackup(cut.get(), log, report.version), report.version);
        ExpectRestorable(&memory, log, report.version);
      }
      EXPECT_OK(store->Close());
    }
  }
}

TEST(A_backup_of_an_empty_store_is_one) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  BackupReport report;
  REQUIRE_OK(BackUp(store.get(), &report));
  EXPECT_EQ(report.version, 0u);
  const ModelLog log;
  EXPECT_EQ(ExpectBackup(&env, log, 0), 0u);
  ExpectRestorable(&env, log, 0);
}

TEST(Taking_a_backup_again_takes_what_is_new_and_removes_what_is_gone) {
  MemEnv env;
  ModelLog log;
  auto store = OpenStore(&env, SmallOptions());
  Writer writer(store.get(), &log, Seed());
  BackupReport first, again, later, compacted;
  EXPECT(writer.Write(200));
  REQUIRE_OK(BackUp(store.get(), &first));
  const auto files = FilesIn(env, kBackup);
  // Nothing has happened: not even a segment was ended.
  REQUIRE_OK(BackUp(store.get(), &again));
  EXPECT_EQ(again.linked_bytes + again.copied_bytes, 0u);
  EXPECT_EQ(again.skipped_bytes, first.linked_bytes);
  EXPECT_EQ(again.files, first.files);
  EXPECT_EQ(again.version, first.version);
  // A batch may change nothing: it removes what is not there.
  while (writer.last_version() == first.version) REQUIRE(writer.Write(1));
  REQUIRE_OK(BackUp(store.get(), &later));
  EXPECT_EQ(later.skipped_bytes, first.linked_bytes);
  EXPECT_EQ(later.files, first.files + 1);
  EXPECT(later.linked_bytes > 0 && later.linked_bytes < 64 << 10);
  EXPECT_OK(Compact(store.get()));
  REQUIRE_OK(BackUp(store.get(), &compacted));
  EXPECT(compacted.version == later.version);
  const auto left = FilesIn(env, kBackup);
  EXPECT(std::any_of(files.begin(), files.end(), [&](const auto& file) { return left.count(file.first) == 0; }));
  EXPECT_EQ(FilesIn(env, kBackup).size(), compacted.files + 2);
  EXPECT_EQ(ExpectBackup(&env, log, compacted.version), compacted.version);
  ExpectRestorable(&env, log, compacted.version);
}

// The log's last segments are cut by the opening that follows, and a backup shares them.
TEST(What_a_kill_and_a_recovery_do_to_the_store_does_not_change_a_backup) {
  Random random;
  for (uint64_t round = 0; round < Rounds(180); round++) {
    const SyncMode mode = static_cast<SyncMode>(round % 3);
    const Context context("round " + std::to_string(round));
    auto machine = std::make_unique<MemEnv>();
    ModelLog log;
    uint64_t backed_up = 0;
    for (int life = 0; life < 4; life++) {
      FaultEnv env(machine.get());
      if (round % 2 == 1) env.Inject(NoLinks());
      auto store = OpenStore(&env, SmallOptions(mode));
      if (store == nullptr || !ExpectPrefix(store.get(), &log, backed_up)) return;
      Writer writer(store.get(), &log, random.Next());
      EXPECT(writer.Write(random.Below(80)));
      if (random.OneIn(3)) EXPECT_OK(Compact(store.get()));
      BackupReport report;
      if (!EXPECT_OK(BackUp(store.get(), &report))) return;
      backed_up = report.version;
      const auto files = FilesIn(*machine, kBackup);
      EXPECT(writer.Write(random.Below(4)));
      auto after = random.OneIn(2)   ? machine->KillProcess()
                   : random.OneIn(2) ? machine->PowerCutKeepNothing()
                                     : machine->PowerCutKeepRandom(random.Next());
      store.reset();
      machine = std::move(after);
      EXPECT(HasAll(*machine, files));
      store = OpenStore(machine.get(), SmallOptions(mode));
      if (store == nullptr || !ExpectPrefix(store.get(), &log, backed_up)) return;
      EXPECT(HasAll(*machine, files));
      if (random.OneIn(2)) {
        after = machine->KillProcess();
        store.reset();
        machine = std::move(after);
      }
      EXPECT_EQ(ExpectBackup(machine.get(), log, backed_up), backed_up);
    }
    ExpectRestorable(machine.get(), log, backed_up);
  }
}

// A SEAL is a convenience; where the disk refused it, or what is around it, the segment is whole without.
// What was copied by a backup during which one append of `bytes` bytes (0: of any few) failed, the nth of those.
void BackUpWithFailedAppend(uint64_t nth, uint64_t bytes, uint64_t* copied) {
  MemEnv memory;
  FaultEnv env(&memory);
  ModelLog log;
  auto store = OpenStore(&env, SmallOptions());
  Writer writer(store.get(), &log, nth);
  EXPECT(writer.Write(30));
  Fault fault = FailedAppend(EIO);
  fault.length_from = bytes;
  fault.length_below = bytes == 0 ? 200 : bytes + 1;
  fault.nth = nth;
  env.Inject(fault);
  BackupReport report;
  Status status = BackUp(store.get(), &report);
  env.ClearFaults();
  if (!status.ok()) status = BackUp(store.get(), &report);
  EXPECT_OK(status);
  *copied = report.copied_bytes;
  EXPECT_EQ(report.version, writer.last_version());
  EXPECT(writer.Write(10));
  EXPECT_EQ(ExpectBackup(&memory, log, report.version), report.version);
  ExpectRestorable(&memory, log, report.version);
}

TEST(A_segment_without_SEAL_is_copied) {
  for (const uint64_t bytes : {FrameHeader::kBytes + SealPayload::kBytes, Trailer::kBytes}) {
    const Context context(std::to_string(bytes) + " bytes");
    uint64_t copied = 0;
    BackUpWithFailedAppend(1, bytes, &copied);
    EXPECT(copied > 0);
  }
}

TEST(Any_append_of_the_end_of_a_segment_may_fail_during_a_backup) {
  for (uint64_t nth = 1; nth < 8; nth++) {
    const Context context("write " + std::to_string(nth));
    uint64_t copied = 0;
    BackUpWithFailedAppend(nth, 0, &copied);
  }
}

TEST(A_backup_is_not_opened_for_writing) {
  BackedUpStore backed_up(10);
  auto& [env, log, store, writer] = backed_up;
  const auto files = FilesIn(env, kBackup);
  std::shared_ptr<Store> opened;
  const Status status = Store::Open(&env, kBackup, SmallOptions(), &opened);
  EXPECT_CODE(status, Code::kReadOnly);
  EXPECT(status.message().find("crabkv restore") != std::string::npos);
  EXPECT(FilesIn(env, kBackup) == files);
}

TEST(A_directory_that_is_something_else_is_refused_and_left_as_it_is) {
  BackedUpStore backed_up(10);
  auto& [env, log, store, writer] = backed_up;
  std::shared_ptr<Store> other;
  REQUIRE_OK(Store::Open(&env, "/other", SmallOptions(), &other));
  REQUIRE_OK(BackUp(other.get(), nullptr, "/other-backup"));
  EXPECT_OK(env.CreateDirectory("/full"));
  env.SetContent("/full/mine", "x");
  EXPECT_CODE(BackUp(store.get(), nullptr, ""), Code::kInvalidArgument);
  EXPECT_CODE(BackUp(store.get(), nullptr, kDirectory), Code::kInvalidArgument);
  EXPECT_CODE(BackUp(store.get(), nullptr, "/full"), Code::kExists);
  EXPECT_CODE(BackUp(store.get(), nullptr, "/full/mine"), Code::kIo);
  EXPECT_CODE(BackUp(store.get(), nullptr, "/other"), Code::kExists);
  EXPECT_CODE(BackUp(store.get(), nullptr, "/other-backup"), Code::kExists);
  EXPECT_EQ(FilesIn(env, "/full").size(), 1u);
  Contents contents;
  uint64_t version = 0;
  EXPECT_OK(other->Close());
  EXPECT_OK(ReadDirectory(&env, "/other", &contents, &version));
  EXPECT_OK(ReadDirectory(&env, "/other-backup", &contents, &version));
}

TEST(A_store_that_went_on_apart_does_not_replace_the_backup) {
  BackedUpStore backed_up(10);
  auto& [env, log, store, writer] = backed_up;
  REQUIRE_OK(RestoreTo(&env, kRestored));
  std::shared_ptr<Store> restored;
  REQUIRE_OK(Store::Open(&env, kRestored, SmallOptions(), &restored));
  EXPECT_OK(WriteAndWait(restored.get(), {Put("mine", "alone")}));
  EXPECT_CODE(BackUp(restored.get()), Code::kExists);
  EXPECT_OK(BackUp(restored.get(), nullptr, "/second"));
  // And neither way: the one that was restored is no ancestor of the first.
  EXPECT_CODE(BackUp(store.get(), nullptr, "/second"), Code::kExists);
  // A copy of the directory from before has no lineage of its own, but is behind.
  auto old = env.KillProcess();
  EXPECT(writer.Write(50));
  REQUIRE_OK(BackUp(store.get()));
  for (const auto& [name, bytes] : FilesIn(env, kBackup)) {
    if (FilesIn(*old, kBackup).count(name) == 0 || name == "MANIFEST") old->SetContent(PathOf(name), bytes);
  }
  auto behind = OpenStore(old.get(), SmallOptions());
  REQUIRE(behind != nullptr);
  EXPECT_CODE(BackUp(behind.get()), Code::kExists);
  EXPECT(FilesIn(*old, kBackup) == FilesIn(env, kBackup));
}

TEST(Whatever_is_missing_in_a_backup_or_damaged_is_not_restored) {
  MemEnv env;
  ModelLog log;
  auto store = OpenStore(&env, SmallOptions());
  Writer writer(store.get(), &log, 1);
  EXPECT(writer.Write(150));
  EXPECT_OK(Compact(store.get()));
  EXPECT(writer.Write(100));
  REQUIRE_OK(BackUp(store.get()));
  Random random;
  uint64_t refused = 0;
  for (const auto& [name, bytes] : FilesIn(env, kBackup)) {
    if (name == "BACKUP") continue;
    for (int round = 0; round < 12; round++) {
      auto damaged = env.KillProcess();
      const std::string path = PathOf(name);
      std::string changed = bytes;
      const uint64_t at = random.Below(bytes.size());
      const Context context(name + " round " + std::to_string(round) + " at " + std::to_string(at));
      if (round == 0) {
        EXPECT_OK(damaged->Remove(path));
      } else if (round < 4) {
        damaged->SetContent(path, changed.substr(0, at));
      } else {
        changed[at] = static_cast<char>(changed[at] ^ (1 << random.Below(8)));
        damaged->SetContent(path, changed);
      }
      const Status status = RestoreTo(damaged.get(), kRestored);
      // No check covers the padding behind a record, which means nothing.
      if (status.ok()) {
        Contents contents;
        uint64_t found = 0;
        EXPECT_OK(ReadDirectory(damaged.get(), kRestored, &contents, &found));
        EXPECT(round >= 4 && Difference(log.At(found), contents) == "the same");
        continue;
      }
      refused++;
      const bool manifest = name == "MANIFEST" && (status.Is(Code::kMissing) || status.Is(Code::kFormat));
      EXPECT(status.Is(Code::kCorruption) || manifest);
      EXPECT_EQ(FilesIn(*damaged, kRestored).size() + FilesIn(*damaged, "/restored.partial").size(), 0u);
    }
  }
  EXPECT(refused > 30);
}

TEST(A_backup_given_up_at_any_step_leaves_what_was_there) {
  for (const bool incremental : {false, true}) {
    uint64_t given_up = 0;
    for (int steps = 0;; steps++) {
      const Context context("steps " + std::to_string(steps) + (incremental ? ", incremental" : ""));
      MemEnv memory;
      FaultEnv env(&memory);
      if (steps % 2 == 0) env.Inject(NoLinks());
      ModelLog log;
      auto store = OpenStore(&env, SmallOptions());
      Writer writer(store.get(), &log, 1);
      EXPECT(writer.Write(100));
      if (incremental) REQUIRE_OK(BackUp(store.get()));
      EXPECT(writer.Write(100));
      const auto before = FilesIn(memory, kBackup);
      std::atomic<uint64_t> request{0};
      std::atomic<int> left{steps};
      // The id is known when the request is: nothing has happened before.
      std::atomic<bool> told{false};
      env.SetHook([&](const Call& call) {
        while (!told) std::this_thread::yield();
        if (call.path.find(kBackup) == std::string::npos && call.to.find(kBackup) == std::string::npos) return;
        if (left.fetch_sub(1) == 0) store->CancelBackup(request);
      });
      const StartedBackup backup(store.get());
      request = backup.request();
      told = true;
      const Status status = backup.Wait();
      env.SetHook(nullptr);
      if (status.ok()) {
        if (left > 0) break;
        continue;
      }
      given_up++;
      EXPECT_CODE(status, Code::kAborted);
      EXPECT(FilesIn(memory, kBackup) == before);
    }
    EXPECT(given_up > 3);
  }
}

TEST(Closing_the_store_ends_a_backup) {
  for (int steps = 0; steps < 12; steps++) {
    MemEnv memory;
    FaultEnv env(&memory);
    ModelLog log;
    auto store = OpenStore(&env, SmallOptions());
    EXPECT(Writer(store.get(), &log, 1).Write(200));
    std::thread closer;
    std::atomic<int> left{steps};
    env.SetHook([&](const Call& call) {
      if (call.to.find(kBackup) == std::string::npos && call.path.find(kBackup) == std::string::npos) return;
      if (left.fetch_sub(1) == 0) closer = std::thread([&] { EXPECT_OK(store->Close()); });
    });
    const Status status = BackUp(store.get());
    env.SetHook(nullptr);
    if (closer.joinable()) closer.join();
    EXPECT(status.ok() || status.Is(Code::kClosed));
    EXPECT_OK(store->Close());
    EXPECT_CODE(BackUp(store.get()), Code::kClosed);
    if (status.ok()) ExpectBackup(&memory, log, 1);
    if (!status.ok()) EXPECT(FilesIn(memory, kBackup).empty());
  }
}

}  // namespace
}  // namespace crabkv::test
