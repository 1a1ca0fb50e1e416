// Expiry and the clock: what has expired is gone from every kind of read and stays gone, whatever the machine's clock
// does.
#include "native/core/clock.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kStartMs = 1'700'000'000'000;

// Whether the key is there, by every way to ask.
bool IsThere(Store* store, const std::string& key) {
  const bool got = Get(store, key) != "(none)";
  EntryInfo info;
  EXPECT_OK(store->Has(key, &info));
  EXPECT_EQ(info.found, got);
  const std::string_view view = key;
  bool has = !got;
  EXPECT_OK(store->HasMany(&view, 1, &has));
  EXPECT_EQ(has, got);
  MultiGetResult many;
  EXPECT_OK(store->GetMany(&view, 1, DiskWait::kAllowed, &many));
  EXPECT_EQ(many.items[0].found, got);
  Contents contents;
  EXPECT_OK(ReadAll(store, &contents));
  EXPECT_EQ(contents.count(key) == 1, got);
  Operation check;
  check.kind = Operation::Kind::kCheck;
  check.guard = Guard::kPresent;
  check.key = key;
  Commit commit;
  EXPECT_OK(store->Write(&check, 1, DiskWait::kAllowed, &commit));
  EXPECT_EQ(commit.committed, got);
  return got;
}

TEST(An_expired_key_is_gone_from_every_read_at_its_moment) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1", kStartMs + 1000), Put("b", "1", kStartMs + 2000), Put("c", "1")}));
  env.SetWallMs(kStartMs + 999);
  EXPECT(IsThere(store.get(), "a"));
  env.SetWallMs(kStartMs + 1000);
  EXPECT(!IsThere(store.get(), "a"));
  EXPECT(IsThere(store.get(), "b"));
  env.SetWallMs(kStartMs + 1'000'000'000'000);
  EXPECT(!IsThere(store.get(), "b"));
  EXPECT(IsThere(store.get(), "c"));
  EXPECT_OK(store->Close());
}

TEST(A_clock_that_jumps_back_brings_nothing_back) {
  for (const bool closed : {true, false}) {
    MemEnv env;
    auto store = OpenStore(&env, SmallOptions());
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1", kStartMs + 1000)}));
    env.SetWallMs(kStartMs + 5000);
    EXPECT(!IsThere(store.get(), "a"));
    env.SetWallMs(kStartMs - 1'000'000);
    EXPECT(!IsThere(store.get(), "a"));
    EXPECT(store->NowMs() >= kStartMs + 5000);
    // Written while the clock was wrong: it lives as long as the store's own clock says.
    EXPECT_OK(WriteAndWait(store.get(), {Put("b", "1", store->NowMs() + 1000)}));
    EXPECT(IsThere(store.get(), "b"));
    if (closed) EXPECT_OK(store->Close());
    auto machine = env.PowerCutKeepNothing();
    machine->SetWallMs(kStartMs - 1'000'000);
    auto reopened = OpenStore(machine.get(), SmallOptions());
    REQUIRE(reopened != nullptr);
    EXPECT(!IsThere(reopened.get(), "a"));
    EXPECT(IsThere(reopened.get(), "b"));
    EXPECT(reopened->NowMs() >= kStartMs + 5000);
    // The monotonic clock goes on from there.
    machine->AdvanceMs(1001);
    EXPECT(!IsThere(reopened.get(), "b"));
    EXPECT_OK(reopened->Close());
    EXPECT_OK(store->Close());
  }
}

TEST(A_new_deadline_for_an_expired_key_does_not_bring_it_back) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1", kStartMs + 1000), Put("b", "1"), Put("c", "1", kStartMs + 1000)}));
  env.SetWallMs(kStartMs + 2000);
  Operation expire;
  expire.kind = Operation::Kind::kExpire;
  expire.key = "a";
  expire.expires_at_ms = kStartMs + 1'000'000;
  Commit commit;
  EXPECT_OK(store->Write(&expire, 1, DiskWait::kAllowed, &commit));
  EXPECT(!expire.existed);
  EXPECT_EQ(commit.version, 0u);
  expire.expires_at_ms = 0;
  EXPECT_OK(store->Write(&expire, 1, DiskWait::kAllowed, &commit));
  EXPECT_EQ(commit.version, 0u);
  // Expired by a deadline in the past, and then given one in the future, in one batch and in two.
  EXPECT_OK(WriteAndWait(store.get(), {Expire("b", kStartMs + 1), Expire("b", kStartMs + 1'000'000)}));
  EXPECT(!IsThere(store.get(), "b"));
  EXPECT_OK(WriteAndWait(store.get(), {Expire("b", 0)}));
  for (const char* key : {"a", "b", "c"}) EXPECT(!IsThere(store.get(), key));
  auto killed = env.KillProcess();
  EXPECT_OK(store->Close());
  for (MemEnv* machine : {killed.get(), &env}) {
    store = OpenStore(machine, SmallOptions());
    REQUIRE(store != nullptr);
    for (const char* key : {"a", "b", "c"}) EXPECT(!IsThere(store.get(), key));
    store.reset();
  }
}

TEST(A_put_clears_or_keeps_the_old_deadline_as_it_was_asked_to) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("kept", "1", kStartMs + 1000), Put("cleared", "1", kStartMs + 1000),
                                       Put("expired", "1", kStartMs + 10), Put("never", "1")}));
  env.SetWallMs(kStartMs + 20);
  std::vector<Operation> operations;
  for (const char* key : {"kept", "cleared", "expired", "never", "new"}) {
    Operation put;
    put.key = key;
    put.value = "2";
    put.keep_expiry = std::string(key) != "cleared";
    operations.push_back(put);
  }
  Commit commit;
  EXPECT_OK(store->Write(operations.data(), 5, DiskWait::kAllowed, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
  EXPECT(!operations[2].existed);
  const std::map<std::string, uint64_t> deadlines = {
      {"kept", kStartMs + 1000}, {"cleared", 0}, {"expired", 0}, {"never", 0}, {"new", 0}};
  auto killed = env.KillProcess();
  auto reopened = OpenStore(killed.get(), SmallOptions());
  REQUIRE(reopened != nullptr);
  for (Store* one : {store.get(), reopened.get()}) {
    for (const auto& [key, deadline] : deadlines) {
      EntryInfo info;
      EXPECT_OK(one->Has(key, &info));
      EXPECT(info.found);
      EXPECT_EQ(info.expires_at_ms, deadline);
      EXPECT_EQ(Get(one, key), "2");
    }
  }
  env.SetWallMs(kStartMs + 1000);
  EXPECT(!IsThere(store.get(), "kept"));
  EXPECT(IsThere(store.get(), "cleared"));
  EXPECT_OK(reopened->Close());
  EXPECT_OK(store->Close());
}

TEST(A_put_behind_an_expiry_in_its_batch_has_no_deadline_to_keep) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  Operation operations[2];
  operations[0].kind = Operation::Kind::kExpire;
  operations[0].expires_at_ms = kStartMs - 1;
  operations[1].value = "2";
  operations[1].keep_expiry = true;
  for (Operation& operation : operations) operation.key = "a";
  Commit commit;
  EXPECT_OK(store->Write(operations, 2, DiskWait::kAllowed, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
  EXPECT(IsThere(store.get(), "a"));
  EXPECT_EQ(Get(store.get(), "a"), "2");
  EXPECT_OK(store->Close());
}

// An expired PUT hides nothing older when it is gone, in memory or in the log.
TEST(What_an_expired_value_replaced_does_not_come_back) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "old")}));
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "new", kStartMs + 1000)}));
  env.SetWallMs(kStartMs + 1000);
  EXPECT(!IsThere(store.get(), "a"));
  Operation removal;
  removal.kind = Operation::Kind::kDelete;
  removal.key = "a";
  Commit commit;
  EXPECT_OK(store->Write(&removal, 1, DiskWait::kAllowed, &commit));
  EXPECT(!removal.existed);
  EXPECT(commit.version != 0);  // a tombstone
  EXPECT_OK(store->WaitFor(commit.group, false));
  auto machine = env.PowerCutKeepNothing();
  machine->SetWallMs(kStartMs);
  auto reopened = OpenStore(machine.get(), SmallOptions());
  REQUIRE(reopened != nullptr);
  EXPECT(!IsThere(reopened.get(), "a"));
  EXPECT_EQ(reopened->Stats().keys, 0u);
  EXPECT_OK(reopened->Close());
  EXPECT_OK(store->Close());
}

// A thread that is not run for a while between its looks at the two clocks.
class PausingEnv final : public MemEnv {
 public:
  uint64_t WallMs() override { return Paused(MemEnv::WallMs()); }
  uint64_t MonotonicNs() override { return Paused(MemEnv::MonotonicNs()); }
  uint64_t pause_ms = 0;

 private:
  uint64_t Paused(uint64_t time) {
    if (pause_ms != 0) AdvanceMs(pause_ms);
    return time;
  }
};

TEST(A_pause_between_two_looks_does_not_put_the_clock_forward) {
  PausingEnv env;
  Clock clock(&env, 0);
  env.pause_ms = 50;
  for (int i = 0; i < 20; i++) EXPECT(clock.NowMs() <= env.WallMs());
  env.pause_ms = 0;
  EXPECT_EQ(clock.NowMs(), env.WallMs());
}

TEST(A_time_that_no_clock_shows_is_a_floor_like_any_other) {
  MemEnv env;
  for (const uint64_t floor_ms : {uint64_t{1} << 62, uint64_t{1} << 63, UINT64_MAX}) {
    Clock clock(&env, floor_ms);
    const uint64_t now_ms = clock.NowMs();
    EXPECT(now_ms >= uint64_t{1} << 62 && now_ms < uint64_t{1} << 63);
    EXPECT(clock.NowMs() >= now_ms);
  }
}

}  // namespace
}  // namespace crabkv::test
