// Where a repair may write, and that it leaves nothing behind when it does not come to its end.
#include <filesystem>

#include "native/core/store.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/repair_fixture.h"
#include "test/native/temp_directory.h"

namespace crabkv::test {
namespace {

bool Exists(Env* env, const std::string& path) {
  bool exists = false;
  EXPECT_OK(env->Exists(path, &exists));
  return exists;
}

Status RepairTo(Env* env, const std::string& source, const std::string& target) {
  RepairReport report;
  return RepairDirectory(env, source, target, kGoOn, &report);
}

TEST(A_target_that_is_not_empty_or_half_done_or_in_the_way_is_refused) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  EXPECT_CODE(RepairTo(env.get(), "/none", kRepaired), Code::kMissing);
  EXPECT_CODE(RepairTo(env.get(), kDirectory, ""), Code::kInvalidArgument);
  EXPECT_OK(env->CreateDirectory("/full"));
  env->SetContent("/full/mine", "x");
  EXPECT_CODE(RepairTo(env.get(), kDirectory, "/full"), Code::kExists);
  EXPECT_CODE(RepairTo(env.get(), kDirectory, "/full/mine"), Code::kIo);
  EXPECT_OK(env->CreateDirectory("/killed.partial"));
  EXPECT_CODE(RepairTo(env.get(), kDirectory, "/killed"), Code::kExists);
  EXPECT(!Exists(env.get(), "/killed"));
  EXPECT_OK(env->CreateDirectory("/empty"));
  EXPECT_OK(RepairTo(env.get(), kDirectory, "/empty/"));
  Contents contents;
  EXPECT(ReadReadOnly(env.get(), "/empty", &contents));
  EXPECT(contents.size() > 0);
  EXPECT_OK(RepairTo(env.get(), kDirectory, "/new/parents/store"));
  EXPECT(ReadReadOnly(env.get(), "/new/parents/store", &contents));
}

TEST(A_store_that_is_open_is_not_repaired) {
  MemEnv env;
  auto store = OpenStore(&env, RepairOptions());
  REQUIRE(store != nullptr);
  EXPECT_CODE(RepairTo(&env, kDirectory, kRepaired), Code::kLocked);
  EXPECT_OK(store->Close());
  EXPECT_OK(RepairTo(&env, kDirectory, kRepaired));
  Contents contents;
  EXPECT(ReadReadOnly(&env, kRepaired, &contents));
  EXPECT(contents.empty());
}

TEST(A_repair_given_up_at_any_step_leaves_nothing) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  const std::vector<std::string> before = env->AllFiles();
  for (int steps = 0;; steps++) {
    int left = steps;
    RepairReport report;
    const Status status = RepairDirectory(
        env.get(), kDirectory, kRepaired, [&](uint64_t) { return left-- > 0; }, &report);
    if (status.ok()) {
      EXPECT(steps > 10);
      break;
    }
    EXPECT_CODE(status, Code::kAborted);
    EXPECT(env->AllFiles() == before);
    EXPECT(!Exists(env.get(), kRepaired) && !Exists(env.get(), std::string(kRepaired) + ".partial"));
  }
}

// Returns whether the call was made at all.
bool FailCall(MemEnv* memory, uint64_t nth, const Contents& expected, uint64_t* failures) {
  const Context context("call " + std::to_string(nth));
  FaultEnv env(memory);
  env.FailNth(nth, kAllCalls & ~(kListCall | kRemoveCall));
  const Status status = RepairTo(&env, kDirectory, kRepaired);
  const bool hit = env.faults_hit() > 0;
  env.ClearFaults();
  if (!status.ok()) ++*failures;
  EXPECT(!Exists(memory, std::string(kRepaired) + ".partial"));
  const bool exists = Exists(memory, kRepaired);
  if (status.ok()) EXPECT(exists);
  if (!exists) return hit;
  Contents contents;
  EXPECT(ReadReadOnly(memory, kRepaired, &contents));
  EXPECT_EQ(Difference(expected, contents), "the same");
  RemoveAll(memory, kRepaired);
  return hit;
}

// Whatever call fails: the new store is there as a whole, or there is nothing under its name. Many times, because
// threads make calls in this order or that.
TEST(When_any_call_fails_there_is_a_whole_store_or_none) {
  auto memory = FilledAndClosed();
  REQUIRE(memory != nullptr);
  const Contents expected = ContentsOf(RecordsOf(memory.get()));
  uint64_t failures = 0;
  for (uint64_t round = 0; round < Rounds(40); round++) {
    for (uint64_t nth = 1; FailCall(memory.get(), nth, expected, &failures); nth++) continue;
  }
  EXPECT(failures > 20);
}

TEST(On_a_real_disk_a_target_inside_of_the_store_is_found_through_links) {
  TempDirectory directory;
  Env* const env = DefaultEnv();
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(env, directory / "db", RepairOptions(), &store));
  EXPECT_OK(WriteAndWait(store.get(), {Put("key", "value")}));
  EXPECT_OK(store->Close());
  std::filesystem::create_directory_symlink(directory / "db", directory / "link");
  for (const char* target : {"db", "db/", "db/new", "db/new/deeper", "link", "link/new", "db/../link/new"}) {
    const Context context(target);
    EXPECT_CODE(RepairTo(env, directory / "db", directory / target), Code::kInvalidArgument);
    EXPECT(!Exists(env, directory / "db/new") && !Exists(env, directory / "db.partial"));
  }
  for (const char* target : {"new", "db2", "empty/", "a/b/c"}) {
    const Context context(target);
    if (std::string_view(target) == "empty/") EXPECT_OK(env->CreateDirectory(directory / "empty"));
    REQUIRE_OK(RepairTo(env, directory / "link", directory / target));
    Contents contents;
    EXPECT(ReadReadOnly(env, directory / target, &contents));
    EXPECT_EQ(Difference({{"key", {"value", 0}}}, contents), "the same");
  }
}

}  // namespace
}  // namespace crabkv::test
