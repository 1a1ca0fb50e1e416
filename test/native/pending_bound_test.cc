// The bound on what waits to be written: beyond it writes are refused, and who was refused hears when there is room.
#include <atomic>
#include <chrono>
#include <thread>

#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

class RoomListener final : public CommitListener {
 public:
  void OnAcknowledged(uint64_t) override {}
  void OnDurable(uint64_t) override {}
  void OnFailed(uint64_t, uint64_t, const Status&) override {}
  void OnRoom() override { rooms++; }
  std::atomic<uint64_t> rooms{0};
};

TEST(Too_much_at_once_is_refused_and_there_is_room_again_later) {
  MemEnv memory;
  FaultEnv env(&memory);
  Options options = SmallOptions(SyncMode::kOs);
  options.pending_bytes_max = 512 << 10;
  auto store = OpenStore(&env, options);
  RoomListener listener;
  store->AddListener(&listener);
  std::atomic<bool> slow{true};
  env.SetHook([&](const Call& call) {
    while (slow && call.kind == kWriteCall) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  Commit commit;
  Status status;
  uint64_t accepted = 0;
  uint64_t last_group = 0;
  while (status.ok() && accepted < 1000) {
    status = store->Put("k" + std::to_string(accepted), std::string(9000, 'v'), 0, &commit);
    if (status.ok()) {
      accepted++;
      last_group = commit.group;
    }
  }
  EXPECT_CODE(status, Code::kBusy);
  EXPECT_CODE(store->Put("large", std::string(400 << 10, 'v'), 0, &commit), Code::kBusy);
  EXPECT(store->Stats().pending_bytes <= options.pending_bytes_max + (128 << 10));
  slow = false;
  store->Kick();
  for (int i = 0; i < 5000 && listener.rooms == 0; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT(listener.rooms > 0);
  // Larger than the bound: taken when nothing else is pending.
  EXPECT_OK(store->WaitFor(last_group, false));
  EXPECT_OK(store->Put("large", std::string(700 << 10, 'v'), 0, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
  EXPECT_EQ(store->Stats().keys, accepted + 1);
  store->RemoveListener(&listener);
  EXPECT_OK(store->Close());
}

TEST(Who_waits_for_room_is_told_when_the_store_fails) {
  MemEnv memory;
  FaultEnv env(&memory);
  Options options = SmallOptions();
  options.pending_bytes_max = 512 << 10;
  auto store = OpenStore(&env, options);
  RoomListener listener;
  store->AddListener(&listener);
  std::atomic<bool> slow{true};
  const auto nap = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  env.SetHook([&](const Call& call) {
    while (slow && call.kind == kSyncCall) nap();
  });
  env.FailNth(1, kSyncCall);
  Status status;
  for (int i = 0; status.ok() && i < 1000; i++) {
    Commit commit;
    status = store->Put("k" + std::to_string(i), std::string(9000, 'v'), 0, &commit);
    store->Kick();
  }
  EXPECT_CODE(status, Code::kBusy);
  slow = false;
  for (int i = 0; i < 5000 && listener.rooms == 0; i++) nap();
  EXPECT(listener.rooms > 0);
  env.SetHook(nullptr);
  store->RemoveListener(&listener);
  EXPECT(!store->Close().ok());
}

}  // namespace
}  // namespace crabkv::test
