// What fails where the log goes on in a new segment: nothing acknowledged is lost, and what is there is one log, whole.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "native/core/format.h"
#include "native/core/verify.h"
#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

const char kFirst[] = "00000001.log";
const char kSecond[] = "00000002.log";

// Of the next write of so many bytes to that file.
Fault FailedWrite(const char* file, uint64_t bytes_from, uint64_t bytes_to) {
  Fault fault;
  fault.kinds = kWriteCall;
  fault.path_part = file;
  fault.length_from = bytes_from;
  fault.length_below = bytes_to + 1;
  fault.error = ENOSPC;
  return fault;
}

// Awaited puts of a kilobyte, beyond the end of the first segment; `log` has those that were acknowledged.
void WriteTwoSegments(Store* store, ModelLog* log) {
  for (int i = 0; i < 120; i++) {
    const Changes changes = {Put("k" + std::to_string(i % 30), std::string(1000, 'v'))};
    Commit commit;
    if (WriteAndWait(store, changes, &commit).ok()) log->Add(commit, changes);
  }
}

void ExpectWhole(std::shared_ptr<Store> store, MemEnv* memory, ModelLog* log) {
  EXPECT_OK(store->Failure());
  VerifyReport report;
  EXPECT_OK(store->Verify([](uint64_t) { return true; }, &report));
  EXPECT_EQ(report.fault_count, 0u);
  EXPECT_OK(BackUp(store.get()));
  ExpectBackup(memory, *log, log->last_version());
  auto killed = memory->KillProcess();
  EXPECT_OK(store->Close());
  store.reset();
  auto closed = memory->KillProcess();
  for (MemEnv* machine : {killed.get(), closed.get()}) {
    auto again = OpenStore(machine, ManualOptions());
    if (again != nullptr) ExpectPrefix(again.get(), log, log->last_version());
  }
}

// `of_start`: START of the second segment cannot be written, else the frame behind it. Its end is asked for when the
// first call of this kind is about to return: the write that fails, or the cut after it.
void EndSegmentWhileItsBeginningIsTakenBack(bool of_start, CallKind kind) {
  MemEnv memory;
  FaultEnv env(&memory);
  ModelLog log;
  auto store = OpenStore(&env, ManualOptions());
  constexpr uint64_t kStartBytes = FrameHeader::kBytes + StartPayload::kBytes;
  env.Inject(of_start ? FailedWrite(kSecond, kStartBytes, kStartBytes) : FailedWrite(kSecond, 500, 4000));
  std::thread other;
  std::atomic<bool> asked{false};
  env.SetHook([&](const Call& call) {
    if (call.kind != kind || call.path.find(kSecond) == std::string::npos) return;
    if ((kind == kWriteCall && call.ok) || asked.exchange(true)) return;
    other = std::thread([&] { EXPECT_OK(EndSegment(store.get())); });  // a compaction or a backup does
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  WriteTwoSegments(store.get(), &log);
  EXPECT(asked);
  if (other.joinable()) other.join();
  env.SetHook(nullptr);
  ExpectWhole(std::move(store), &memory, &log);
}

TEST(A_segment_whose_beginning_is_taken_back_is_not_left_empty_when_its_end_is_asked_for) {
  for (const CallKind kind : {kWriteCall, kTruncateCall}) {
    EndSegmentWhileItsBeginningIsTakenBack(true, kind);
    EndSegmentWhileItsBeginningIsTakenBack(false, kind);
  }
}

// SEAL is whole in the file, though its trailer or it itself was said to have failed, and cannot be cut off.
TEST(The_log_goes_on_behind_a_SEAL_that_cannot_be_cut_off) {
  constexpr uint64_t kSealBytes = FrameHeader::kBytes + SealPayload::kBytes;
  for (const uint64_t bytes : {Trailer::kBytes, kSealBytes}) {
    const Context context("a write of " + std::to_string(bytes) + " bytes");
    MemEnv memory;
    FaultEnv env(&memory);
    ModelLog log;
    auto store = OpenStore(&env, ManualOptions());
    Fault fault = FailedWrite(kFirst, bytes, bytes);
    if (bytes == kSealBytes) fault.write_prefix = UINT64_MAX;
    env.Inject(fault);
    Fault cut;
    cut.kinds = kTruncateCall;
    cut.path_part = kFirst;
    cut.error = ENOSPC;
    env.Inject(cut);
    WriteTwoSegments(store.get(), &log);
    EXPECT_EQ(env.faults_hit(), 2u);
    ExpectWhole(std::move(store), &memory, &log);
  }
}

}  // namespace
}  // namespace crabkv::test
