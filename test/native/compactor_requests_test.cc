// Compactions and backups that wait for each other, are cancelled while they wait or run, or are overtaken by closing:
// each request is answered once.
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "test/native/backup_fixture.h"
#include "test/native/call_gate.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// A store with much to compact, whose compactor is held in the middle of a backup until the gate opens.
struct Held {
  MemEnv memory;
  FaultEnv env{&memory};
  std::shared_ptr<Store> store;
  std::unique_ptr<CallGate> gate;
  std::unique_ptr<StartedBackup> backup;

  Held() {
    store = OpenStore(&env, ManualOptions(SyncMode::kOs));
    for (int i = 0; i < 200; i++) {
      EXPECT_OK(WriteAndWait(store.get(), {Put("k" + std::to_string(i % 10), std::string(2000, 'v'))}));
    }
    gate = std::make_unique<CallGate>(&env, kCreateDirectoryCall);
    backup = std::make_unique<StartedBackup>(store.get());
    while (env.calls(kCreateDirectoryCall) < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

TEST(Requests_that_wait_are_answered_in_their_turn_and_compactions_share_a_run) {
  Held held;
  const StartedCompaction first(held.store.get()), second(held.store.get());
  CompactionReport first_report, second_report;
  EXPECT(!first.ended() && !second.ended());
  held.gate->Open();
  EXPECT_OK(held.backup->Wait());
  EXPECT_OK(first.Wait(&first_report));
  EXPECT_OK(second.Wait(&second_report));
  EXPECT(first_report.compactions > 0);
  EXPECT_EQ(first_report.compactions, second_report.compactions);
  EXPECT_EQ(held.store->Stats().compactions, first_report.compactions);
}

TEST(A_compaction_that_is_cancelled_while_it_waits_is_answered_at_once_and_the_others_run) {
  Held held;
  const StartedCompaction cancelled(held.store.get()), other(held.store.get());
  held.store->CancelCompaction(cancelled.request());
  EXPECT(cancelled.ended());
  EXPECT_CODE(cancelled.Wait(), Code::kClosed);
  held.store->CancelCompaction(cancelled.request());  // it is answered: nothing more comes
  held.store->CancelCompaction(12345);
  held.gate->Open();
  EXPECT_OK(other.Wait());
  EXPECT_OK(held.backup->Wait());
}

TEST(A_backup_that_is_cancelled_while_it_waits_never_begins) {
  Held held;
  const StartedBackup cancelled(held.store.get(), "/another");
  held.store->CancelBackup(cancelled.request());
  held.store->CancelBackup(12345);
  held.gate->Open();
  EXPECT_CODE(cancelled.Wait(), Code::kAborted);
  EXPECT_OK(held.backup->Wait());
  EXPECT(FilesIn(held.memory, "/another").empty());
}

TEST(A_compaction_that_nobody_waits_for_any_more_is_given_up_and_one_that_another_waits_for_is_not) {
  for (const bool another : {false, true}) {
    const Context context(another ? "another waits" : "nobody else");
    Held held;
    const StartedCompaction cancelled(held.store.get());
    std::optional<StartedCompaction> other;
    if (another) other.emplace(held.store.get());
    // Let it begin, and stop it at its first output. The gate's own hook goes first: what is held stays so, and nothing
    // gets past the new one.
    std::atomic<bool> began{false}, go_on{false};
    held.env.SetHook([&](const Call& call) {
      if (call.kind != kOpenCall || call.path.find(".seg") == std::string::npos) return;
      began = true;
      while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    held.gate->Open();
    while (!began) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    held.store->CancelCompaction(cancelled.request());
    EXPECT_CODE(cancelled.Wait(), Code::kClosed);
    go_on = true;
    if (another) EXPECT_OK(other->Wait());
    EXPECT_OK(Compact(held.store.get()));
    held.env.SetHook(nullptr);
    EXPECT_EQ(Get(held.store.get(), "k1"), std::string(2000, 'v'));
    EXPECT(held.store->Stats().log_bytes < 100'000);
  }
}

TEST(Closing_answers_everything_that_waits) {
  Held held;
  const StartedCompaction compaction(held.store.get());
  const StartedBackup backup(held.store.get(), "/another");
  std::thread closer([&] { EXPECT_OK(held.store->Close()); });
  EntryInfo info;
  while (held.store->Has("k1", &info).ok()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that the compactor is most likely told, too
  held.gate->Open();
  closer.join();
  EXPECT(compaction.ended() && backup.ended() && held.backup->ended());
  for (const Status& status : {compaction.Wait(), backup.Wait(), held.backup->Wait()}) {
    if (!status.ok()) EXPECT_CODE(status, Code::kClosed);
  }
}

}  // namespace
}  // namespace crabkv::test
