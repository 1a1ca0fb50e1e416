// The files of a backup that is taken again: what is damaged there is taken anew, what can't be linked is copied, and a
// call that fails leaves the backup that was there.
#include "native/core/verify.h"

#include "test/native/backup_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"

namespace crabkv::test {
namespace {

std::string PathOf(const std::string& name) { return std::string(kBackup) + "/" + name; }

const char kFirst[] = "00000001.log";
const char kSecond[] = "00000002.log";

struct Damage {
  const char* what;
  void (*make)(MemEnv* env, std::string* content);
};

const Damage kDamages[] = {
    {"empty", [](MemEnv*, std::string* content) { content->clear(); }},
    {"cut short", [](MemEnv*, std::string* content) { content->resize(content->size() - 1); }},
    {"a header cut short", [](MemEnv*, std::string* content) { content->resize(100); }},
    {"a damaged header", [](MemEnv*, std::string* content) { (*content)[60] ^= 1; }},
    {"another segment", [](MemEnv* env, std::string* content) { EXPECT(env->Content(PathOf(kSecond), content)); }},
};

TEST(A_damaged_file_of_a_backup_is_taken_again) {
  BackedUpStore backed_up(150);
  auto& [env, log, store, writer] = backed_up;
  const auto files = FilesIn(env, kBackup);
  REQUIRE(files.count(kFirst) == 1 && files.count(kSecond) == 1);
  EXPECT_OK(env.Remove(PathOf(kFirst)));
  BackupReport report;
  REQUIRE_OK(BackUp(store.get(), &report));
  EXPECT(report.copied_bytes > 0);
  EXPECT(FilesIn(env, kBackup) == files);
  for (const Damage& damage : kDamages) {
    const Context context(damage.what);
    std::string content = files.at(kFirst);
    damage.make(&env, &content);
    EXPECT_OK(env.Remove(PathOf(kFirst)));  // it may be the store's own file
    env.SetContent(PathOf(kFirst), content);
    VerifyReport verified;
    EXPECT_OK(VerifyDirectory(
        &env, kBackup, [](uint64_t) { return true; }, &verified));
    EXPECT(verified.fault_count > 0);
    REQUIRE_OK(BackUp(store.get(), &report));
    EXPECT_EQ(report.copied_bytes, files.at(kFirst).size());
    EXPECT(FilesIn(env, kBackup) == files);
  }
}

TEST(A_file_of_a_backup_that_is_missing_is_named_by_verifying) {
  BackedUpStore backed_up(150);
  auto& [env, log, store, writer] = backed_up;
  EXPECT_OK(env.Remove(PathOf(kFirst)));
  VerifyReport report;
  EXPECT_OK(VerifyDirectory(
      &env, kBackup, [](uint64_t) { return true; }, &report));
  REQUIRE(!report.faults.empty());
  EXPECT_EQ(report.faults[0].file, kFirst);
  EXPECT_EQ(report.faults[0].what, "is missing, but the MANIFEST lists it");
}

TEST(Where_links_cannot_be_made_files_are_copied_and_any_other_failure_is_one) {
  for (const int error : {EXDEV, EPERM, EMLINK, ENOTSUP, EOPNOTSUPP, ENOSYS, EIO, ENOSPC, EACCES}) {
    const Context context("error " + std::to_string(error));
    MemEnv memory;
    FaultEnv env(&memory);
    ModelLog log;
    auto store = OpenStore(&env, SmallOptions());
    EXPECT(Writer(store.get(), &log, 1).Write(150));
    env.FailNth(1, kLinkCall, error, true);
    BackupReport report;
    const Status status = BackUp(store.get(), &report);
    if (error == EIO || error == ENOSPC || error == EACCES) {
      EXPECT_CODE(status, error == ENOSPC ? Code::kDiskFull : Code::kIo);
      EXPECT_EQ(FilesIn(memory, kBackup).count("MANIFEST"), 0u);
      continue;
    }
    EXPECT_OK(status);
    EXPECT_EQ(report.linked_bytes, 0u);
    ExpectBackup(&memory, log, report.version);
  }
}

TEST(Any_call_on_the_files_of_an_earlier_backup_may_fail_and_that_one_is_still_there) {
  MemEnv image;
  ModelLog log;
  {
    auto store = OpenStore(&image, SmallOptions());
    EXPECT(Writer(store.get(), &log, 1).Write(100));
    REQUIRE_OK(BackUp(store.get()));
    EXPECT(Writer(store.get(), &log, 2).Write(100));
    EXPECT_OK(store->Close());
  }
  bool hit = true;
  for (uint64_t nth = 1; hit; nth++) {
    const Context context("call " + std::to_string(nth));
    auto machine = image.KillProcess();
    FaultEnv env(machine.get());
    auto store = OpenStore(&env, SmallOptions());
    REQUIRE(store != nullptr);
    Fault fault;
    fault.nth = nth;
    fault.path_part = kBackup;
    env.Inject(fault);
    const Status status = BackUp(store.get());
    hit = env.faults_hit() != 0;
    env.ClearFaults();
    EXPECT(ExpectBackup(machine.get(), log, 1) > 0);
    BackupReport report;
    EXPECT_OK(BackUp(store.get(), &report));
    EXPECT_EQ(ExpectBackup(machine.get(), log, report.version), log.last_version());
    EXPECT_OK(store->Close());
  }
}

}  // namespace
}  // namespace crabkv::test
