// Every call of what is done to a store's files while something is wrong with them fails in turn: openings that finish
// what another one left half done, looking through damage, repairing, compacting what is wholly dead. Each says so or
// does without, changes nothing for the worse, and succeeds when the calls do.
#include <algorithm>

#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/repair_fixture.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// A store whose process was killed, so that an opening has to write its log's end anew, and what it holds.
std::unique_ptr<MemEnv> Killed(ModelLog* log) {
  MemEnv env;
  Options options = SmallOptions();
  options.auto_compaction = false;
  auto store = OpenStore(&env, options);
  for (int i = 0; i < 12; i++) {
    const Changes changes = {Put("k" + std::to_string(i % 5), std::string(300, 'v')), Put("last", std::to_string(i))};
    Commit commit;
    EXPECT_OK(WriteAndWait(store.get(), changes, &commit));
    log->Add(commit, changes);
    if (i % 4 == 3) EXPECT_OK(EndSegment(store.get()));
    if (i == 7) EXPECT_OK(CompactRun(store.get(), 0, 2));
  }
  auto killed = env.KillProcess();
  EXPECT_OK(store->Close());
  return killed;
}

Options Reading() {
  Options options = SmallOptions();
  options.read_only = true;
  return options;
}

std::string Describe(const VerifyReport& report) {
  std::string text;
  for (const crabkv::Fault& fault : report.faults) {
    text += fault.file + " at " + std::to_string(fault.offset) + ": " + fault.what;
    for (const std::string& key : fault.keys) text += " " + key;
    text += "\n";
  }
  return text;
}

// Opens with the n-th call failing. False when no call failed: there are not so many.
bool OpenWithFault(const MemEnv& image, const ModelLog& log, const Options& options, uint64_t nth) {
  const Context context("call " + std::to_string(nth) + (options.read_only ? ", for reading" : ""));
  auto machine = image.KillProcess();
  FaultEnv env(machine.get());
  env.FailNth(nth, kAllCalls);
  std::shared_ptr<Store> store;
  const Status status = Store::Open(&env, kDirectory, options, &store);
  const bool hit = env.faults_hit() != 0;
  env.ClearFaults();
  if (!status.ok()) EXPECT_CODE(status, Code::kIo);
  ModelLog found(log);
  if (status.ok()) ExpectPrefix(store.get(), &found, log.last_version());
  store.reset();
  // What it left is no worse.
  auto after = machine->PowerCutKeepNothing();
  auto again = OpenStore(after.get(), SmallOptions());
  ModelLog left(log);
  if (again != nullptr) ExpectPrefix(again.get(), &left, log.last_version());
  return hit;
}

TEST(Any_call_of_an_opening_may_fail_that_finishes_what_another_one_began) {
  ModelLog log;
  auto killed = Killed(&log);
  Random random;
  uint64_t openings = 0;
  for (uint64_t dies_after = 1;; dies_after++) {
    const Context context("the first opening dies after " + std::to_string(dies_after) + " calls");
    auto machine = killed->KillProcess();
    FaultEnv env(machine.get());
    env.DieAfter(dies_after, kChangingCalls);
    std::shared_ptr<Store> store;
    const bool opened = Store::Open(&env, kDirectory, SmallOptions(), &store).ok();
    auto image = machine->KillProcess();
    store.reset();
    if (opened) break;
    VerifyReport report;
    EXPECT_OK(VerifyDirectory(image.get(), kDirectory, kGoOn, &report));
    EXPECT_EQ(Describe(report), "");
    const uint64_t step = 12 * Stride();
    for (uint64_t nth = 1 + random.Below(step); OpenWithFault(*image, log, SmallOptions(), nth); nth += step)
      openings++;
    for (uint64_t nth = 1 + random.Below(step); OpenWithFault(*image, log, Reading(), nth); nth += step) openings++;
  }
  EXPECT(openings > 10);
}

// The first file with this suffix.
std::string SegmentPath(const MemEnv& env, const std::string& suffix) {
  for (const std::string& path : env.AllFiles()) {
    if (path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix) return path;
  }
  return "";
}

// A log segment, a compacted one behind it, and the log's rest.
std::unique_ptr<MemEnv> Mixed() {
  MemEnv env;
  auto store = OpenStore(&env, RepairOptions());
  for (int i = 0; i < 4; i++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("k" + std::to_string(i), "one"), Put("all", std::to_string(i))}));
    EXPECT_OK(WriteAndWait(store.get(), {Put("l" + std::to_string(i), std::string(100, 'l'))}));
    EXPECT_OK(EndSegment(store.get()));
  }
  EXPECT_OK(CompactRun(store.get(), 1, 2));
  EXPECT_OK(WriteAndWait(store.get(), {Put("last", "one")}));
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

// What the last of its records, its SEAL and its trailer were.
void SpoilEnd(MemEnv* env, const std::string& path) {
  std::string content;
  if (!EXPECT(env->Content(path, &content) && content.size() > 600)) return;
  std::fill(content.end() - 400, content.end(), '\xff');
  env->SetContent(path, content);
}

void FlipAt(MemEnv* env, const std::string& path, uint64_t at) {
  std::string content;
  if (!EXPECT(env->Content(path, &content) && at < content.size())) return;
  content[at] = static_cast<char>(content[at] ^ 1);
  env->SetContent(path, content);
}

struct Damaged {
  const char* what;
  void (*damage)(MemEnv* env);
};

const Damaged kDamages[] = {
    {"nothing is wrong", [](MemEnv*) {}},
    {"a record of the log", [](MemEnv* env) { FlipAt(env, SegmentPath(*env, ".log"), 300); }},
    {"the header of a log segment", [](MemEnv* env) { FlipAt(env, SegmentPath(*env, ".log"), 5); }},
    {"the salt of a log segment", [](MemEnv* env) { FlipAt(env, SegmentPath(*env, ".log"), 48); }},
    {"a record of a compacted segment", [](MemEnv* env) { FlipAt(env, SegmentPath(*env, ".seg"), 250); }},
    {"the salt of a compacted segment", [](MemEnv* env) { FlipAt(env, SegmentPath(*env, ".seg"), 48); }},
    {"the end of a log segment", [](MemEnv* env) { SpoilEnd(env, SegmentPath(*env, ".log")); }},
    {"the MANIFEST and a record",
     [](MemEnv* env) {
       FlipAt(env, SegmentPath(*env, ".log"), 300);
       FlipAt(env, SegmentPath(*env, "MANIFEST"), 40);
     }},
    {"the MANIFEST and the first frame",
     [](MemEnv* env) {
       FlipAt(env, SegmentPath(*env, ".log"), 130);
       FlipAt(env, SegmentPath(*env, "MANIFEST"), 40);
     }},
    {"the MANIFEST", [](MemEnv* env) { EXPECT_OK(env->Remove(std::string(kDirectory) + "/MANIFEST")); }},
};

void ExpectChecked(const std::unique_ptr<MemEnv>& whole) {
  REQUIRE(whole != nullptr);
  for (const Damaged& damaged : kDamages) {
    auto image = whole->KillProcess();
    damaged.damage(image.get());
    VerifyReport expected;
    EXPECT_OK(VerifyDirectory(image.get(), kDirectory, kGoOn, &expected));
    for (uint64_t nth = 1;; nth++) {
      const Context context(std::string(damaged.what) + ", call " + std::to_string(nth));
      FaultEnv env(image.get());
      env.FailNth(nth, kAllCalls);
      VerifyReport report;
      const Status status = VerifyDirectory(&env, kDirectory, kGoOn, &report);
      if (env.faults_hit() == 0) break;
      if (!status.ok()) EXPECT_CODE(status, Code::kIo);
      if (status.ok()) EXPECT_EQ(Describe(report), Describe(expected));
    }
  }
}

TEST(A_check_whose_calls_fail_says_so_and_never_reports_another_fault) {
  ExpectChecked(FilledAndClosed());
  ExpectChecked(Mixed());
}

void ExpectRepairs(const std::unique_ptr<MemEnv>& whole) {
  REQUIRE(whole != nullptr);
  Random random;
  const uint64_t step = 3 * Stride();
  for (const Damaged& damaged : kDamages) {
    auto image = whole->KillProcess();
    damaged.damage(image.get());
    RepairReport report;
    Contents expected;
    {
      auto machine = image->KillProcess();
      REQUIRE_OK(RepairDirectory(machine.get(), kDirectory, kRepaired, kGoOn, &report));
      EXPECT(ReadReadOnly(machine.get(), kRepaired, &expected));
    }
    for (uint64_t nth = 1 + random.Below(step);; nth += step) {
      const Context context(std::string(damaged.what) + ", call " + std::to_string(nth));
      auto machine = image->KillProcess();
      FaultEnv env(machine.get());
      env.FailNth(nth, kAllCalls);
      const Status status = RepairDirectory(&env, kDirectory, kRepaired, kGoOn, &report);
      const bool hit = env.faults_hit() != 0;
      env.ClearFaults();
      Contents found;
      const bool there = ReadReadOnly(machine.get(), kRepaired, &found);
      if (status.ok()) EXPECT(there);
      if (there) EXPECT_EQ(Difference(expected, found), "the same");
      if (!hit) break;
    }
  }
}

TEST(A_repair_whose_calls_fail_makes_the_same_store_or_none) {
  ExpectRepairs(FilledAndClosed());
  ExpectRepairs(Mixed());
}

TEST(A_compaction_of_what_is_wholly_dead_may_fail_at_any_call_and_the_next_one_frees_it) {
  for (uint64_t nth = 1;; nth++) {
    const Context context("call " + std::to_string(nth));
    MemEnv memory;
    FaultEnv env(&memory);
    Options options = SmallOptions();
    options.auto_compaction = false;
    auto store = OpenStore(&env, options);
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", std::string(5000, 'a')), Put("b", "b")}));
    EXPECT_OK(EndSegment(store.get()));
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", "again"), Put("b", "again")}));
    EXPECT_OK(EndSegment(store.get()));
    EXPECT_OK(WriteAndWait(store.get(), {Put("c", "c")}));
    env.FailNth(nth, kAllCalls);
    const Status status = Compact(store.get());
    const bool hit = env.faults_hit() != 0;
    env.ClearFaults();
    const bool sticky = !store->Failure().ok();
    const Contents expected = {{"a", {"again", 0}}, {"b", {"again", 0}}, {"c", {"c", 0}}};
    Contents found;
    EXPECT_OK(ReadAll(store.get(), &found));
    EXPECT_EQ(Difference(expected, found), "the same");
    if (!status.ok() && !sticky && status.Is(Code::kIo)) {
      const Status again = Compact(store.get());
      if (!again.ok()) EXPECT_CODE(again, Code::kIo);  // it was to be the MANIFEST: see Compaction::Run
    }
    if (!sticky) EXPECT_OK(store->Close());
    store.reset();
    auto machine = memory.PowerCutKeepNothing();
    auto reopened = OpenStore(machine.get(), options);
    REQUIRE(reopened != nullptr);
    EXPECT_OK(Compact(reopened.get()));
    EXPECT_OK(ReadAll(reopened.get(), &found));
    EXPECT_EQ(Difference(expected, found), "the same");
    if (!hit) break;
  }
}

}  // namespace
}  // namespace crabkv::test
