// Crash disks: a store's lives are recorded, and everything that a power cut could have made of the disk at each step
// is opened. It holds what was acknowledged as durable at that moment, whole batches, nothing that was deleted, and a
// prefix of the log; and where its backup goes is the newest one of which somebody was told, a newer one, or, before
// the first, none or a half that is refused. In CI more than 100,000 disks in all; CRABKV_TEST_DISKS says how many.
//
// A disk is made again from its trace, a step and a seed: the trace is kept in a file, and the failure says the
// command. The seed of the run alone does not do it, because the trace depends on how the store's threads meet; see
// LiveTraced.
#include <chrono>
#include <cstdlib>
#include <sstream>

#include "native/core/sanitizers.h"
#include "test/native/crash_disks.h"
#include "test/native/temp_directory.h"

namespace crabkv::test {
namespace {

// On a machine that does other work a test is done by then; it says how far it came.
constexpr std::chrono::seconds kPatience{120};

uint64_t WantedDisks(SyncMode sync) {
  const char* given = std::getenv("CRABKV_TEST_DISKS");
  const uint64_t all = given != nullptr ? std::strtoull(given, nullptr, 0) : 102'000 / (Stride() * Stride() * Stride());
  return sync == SyncMode::kAlways ? all / 2 : all / 4;
}

uint64_t CountHints(const Trace& trace) {
  uint64_t hints = 0;
  for (const TraceStep& step : trace.steps) {
    const bool named = step.kind == TraceStep::Kind::kRename || step.kind == TraceStep::Kind::kCreate;
    if (named && (step.path + step.to).find(".hint") != std::string::npos) hints++;
  }
  return hints;
}

void LookAtCrashDisks(SyncMode sync) {
#if CRABKV_TSAN
  // An opening takes several times as long, and a test is at least one trace.
  constexpr uint64_t kOperations = 40;
#elif CRABKV_ASAN
  constexpr uint64_t kOperations = 120;
#else
  constexpr uint64_t kOperations = 200;
#endif
  const uint64_t wanted = WantedDisks(sync);
  CrashDiskCounts counts;
  uint64_t steps = 0, traces = 0, hints = 0;
  const bool patient = std::getenv("CRABKV_TEST_DISKS") != nullptr;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (Random seeds; counts.disks < wanted && counts.failures == 0; traces++) {
    if (!patient && std::chrono::steady_clock::now() > end) break;
    TracedLives lives;
    const uint64_t seed = seeds.Next();
    LiveTraced(seed, sync, kOperations, &lives);
    CheckCrashDisks(lives, CrashDiskEffort(), &counts);
    steps += lives.trace.steps.size();
    hints += CountHints(lives.trace);
  }
  std::ostringstream said;
  said << "crash disks, sync mode " << static_cast<int>(sync) << ": " << counts.disks << ", of them "
       << counts.rewritten << " opened for writing; " << steps << " steps of " << traces << " traces, " << hints
       << " of them for hints; " << counts.backups << " states of a backup, and " << counts.halves << " halves";
  std::printf("%s\n", said.str().c_str());
}

TEST(Every_disk_that_a_power_cut_can_leave_holds_what_was_acknowledged) { LookAtCrashDisks(SyncMode::kAlways); }

TEST(Every_disk_that_a_power_cut_can_leave_holds_what_was_durable_when_syncs_come_by_the_clock) {
  LookAtCrashDisks(SyncMode::kInterval);
}

TEST(Every_disk_that_a_power_cut_can_leave_holds_what_was_durable_when_syncs_are_left_to_the_system) {
  LookAtCrashDisks(SyncMode::kOs);
}

// Does nothing unless a failure of the ones above is to be seen again.
TEST(A_crash_disk_that_is_named_is_looked_at_again) {
  if (const char* name = std::getenv("CRABKV_TEST_CRASH_DISK")) EXPECT_EQ(LookAgain(name), "");
}

// What a failure says is enough: a trace that promises what it does not keep is found out, and so is its file.
TEST(The_name_of_a_wrong_disk_makes_it_again) {
  TracedLives lives;
  LiveTraced(Seed(), SyncMode::kAlways, 40, &lives);
  for (TraceNote& note : lives.trace.notes) note.acknowledged = note.durable = note.durable + 1;
  CrashDiskCounts counts;
  const std::vector<WrongDisk> wrong = FindWrongDisks(lives, CrashDiskEffort(), &counts);
  REQUIRE(!wrong.empty());
  const TempDirectory folder;
  const std::string file = folder.path() + "/trace";
  REQUIRE(lives.Save(file));
  for (const WrongDisk& disk : wrong) {
    // What is wrong when it is opened for writing may be so for reading, in other words.
    EXPECT(LookAgain(file + " " + std::to_string(disk.step) + " " + std::to_string(disk.seed)) != "");
  }
  EXPECT(LookAgain(file) != "");
}

// What the disks above are worth: the machine that goes through a trace again is the one that was recorded.
TEST(A_trace_that_is_replayed_makes_the_disk_that_was_recorded) {
  MemEnv recorded(TracedMachine());
  Trace trace;
  recorded.RecordTo(&trace);
  auto store = OpenStore(&recorded, SmallOptions());
  REQUIRE(store != nullptr);
  for (int i = 0; i < 50; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("k" + std::to_string(i), "v")}));
  EXPECT_OK(store->Close());
  recorded.RecordTo(nullptr);
  Packer packer;
  Pack(trace, &packer);
  Trace loaded;
  Unpacker unpacker(packer.bytes());
  Unpack(&unpacker, &loaded);
  MemEnv replayed(TracedMachine());
  for (const TraceStep& step : loaded.steps) replayed.Replay(step);
  EXPECT_EQ(replayed.Fingerprint(), recorded.Fingerprint());
  EXPECT_EQ(replayed.PowerCutKeepNothing()->Fingerprint(), recorded.PowerCutKeepNothing()->Fingerprint());
  for (uint64_t seed = 1; seed < 50; seed++) {
    EXPECT_EQ(replayed.PowerCutKeepRandom(seed)->Fingerprint(), recorded.PowerCutKeepRandom(seed)->Fingerprint());
  }
}

}  // namespace
}  // namespace crabkv::test
