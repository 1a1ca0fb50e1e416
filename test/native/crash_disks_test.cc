// Crash disks: a store's lives are recorded, and everything that a power cut could have made of the disk at each step
// is opened. It holds what was acknowledged as durable at that moment, whole batches, nothing that was deleted, and a
// prefix of the log. In CI more than 100,000 disks in all; CRABKV_TEST_DISKS says how many.
#include <chrono>
#include <cstdlib>
#include <sstream>

#include "test/native/crash_disks.h"

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
#if defined(__SANITIZE_THREAD__)
  constexpr uint64_t kOperations = 50;  // an opening takes ten times as long
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
    const Context context("trace of seed " + std::to_string(seed));
    LiveTraced(seed, sync, kOperations, &lives);
    CheckCrashDisks(lives, CrashDiskEffort(), &counts);
    steps += lives.trace.steps.size();
    hints += CountHints(lives.trace);
  }
  std::ostringstream said;
  said << "crash disks, sync mode " << static_cast<int>(sync) << ": " << counts.disks << ", of them "
       << counts.rewritten << " opened for writing; " << steps << " steps of " << traces << " traces, " << hints
       << " of them for hints";
  std::printf("%s\n", said.str().c_str());
}

TEST(Every_disk_that_a_power_cut_can_leave_holds_what_was_acknowledged) {
  if (const char* one = std::getenv("CRABKV_TEST_CRASH_DISK")) return CheckOneCrashDisk(one);
  LookAtCrashDisks(SyncMode::kAlways);
}

TEST(Every_disk_that_a_power_cut_can_leave_holds_what_was_durable_when_syncs_come_by_the_clock) {
  LookAtCrashDisks(SyncMode::kInterval);
}

TEST(Every_disk_that_a_power_cut_can_leave_holds_what_was_durable_when_syncs_are_left_to_the_system) {
  LookAtCrashDisks(SyncMode::kOs);
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
