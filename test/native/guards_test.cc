// Under which conditions a batch may commit, and what is refused before it changes anything.
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kLater = 1'900'000'000'000;

Operation Guarded(std::string_view key, Guard guard, uint64_t version = 0, uint64_t expires_at_ms = 0) {
  Operation operation;
  operation.kind = Operation::Kind::kCheck;
  operation.key = key;
  operation.guard = guard;
  operation.guard_version = version;
  operation.guard_expires_at_ms = expires_at_ms;
  return operation;
}

Operation PutOf(std::string_view key, std::string_view value) {
  Operation operation;
  operation.key = key;
  operation.value = value;
  return operation;
}

uint64_t VersionOf(Store* store, std::string_view key) {
  EntryInfo info;
  EXPECT_OK(store->Get(key, DiskWait::kAllowed, nullptr, &info));
  return info.version;
}

// Keys of every state a guard can find: "plain", "dated" (with a deadline), "expired", and "absent".
std::shared_ptr<Store> GuardedStore(MemEnv* env) {
  auto store = OpenStore(env, SmallOptions());
  const uint64_t soon = env->WallMs() + 100;
  EXPECT_OK(WriteAndWait(store.get(), {Put("plain", "p"), Put("dated", "d", kLater), Put("expired", "e", soon)}));
  env->AdvanceMs(200);
  return store;
}

// Whether a batch with this guard commits; a batch that does not, must leave nothing behind.
bool Commits(Store* store, const Operation& guard) {
  Operation operations[] = {PutOf("mark", "set"), guard};
  Commit commit;
  EXPECT_OK(store->Write(operations, 2, DiskWait::kAllowed, &commit));
  EXPECT_EQ(Get(store, "mark"), commit.committed ? "set" : "(none)");
  if (!commit.committed) EXPECT_EQ(commit.failed_index, 1u);
  EXPECT_OK(WriteAndWait(store, {Delete("mark")}));
  return commit.committed;
}

// The guard of a put, in a batch of nothing but puts.
void ExpectRefusesPut(Store* store, const Operation& guard) {
  const std::string before = Get(store, guard.key);
  Operation operations[] = {PutOf("mark", "set"), guard};
  operations[1].kind = Operation::Kind::kPut;
  operations[1].value = "put all the same";
  Commit commit;
  EXPECT_OK(store->Write(operations, 2, DiskWait::kAllowed, &commit));
  EXPECT(!commit.committed);
  EXPECT_EQ(Get(store, guard.key), before);
  EXPECT_EQ(Get(store, "mark"), "(none)");
}

TEST(A_guard_holds_exactly_in_the_states_that_it_names) {
  MemEnv env;
  auto store = GuardedStore(&env);
  const uint64_t plain = VersionOf(store.get(), "plain");
  const uint64_t dated = VersionOf(store.get(), "dated");
  struct Case {
    Operation guard;
    bool holds;
  };
  const Case cases[] = {
      {Guarded("absent", Guard::kNone), true},
      {Guarded("absent", Guard::kAbsent), true},
      {Guarded("expired", Guard::kAbsent), true},
      {Guarded("plain", Guard::kAbsent), false},
      {Guarded("plain", Guard::kPresent), true},
      {Guarded("absent", Guard::kPresent), false},
      {Guarded("expired", Guard::kPresent), false},
      {Guarded("plain", Guard::kVersion, plain), true},
      {Guarded("plain", Guard::kVersion, plain + 1), false},
      {Guarded("plain", Guard::kVersion, 0), false},
      {Guarded("absent", Guard::kVersion, 0), true},
      {Guarded("expired", Guard::kVersion, 0), true},
      {Guarded("absent", Guard::kVersion, plain), false},
      {Guarded("plain", Guard::kDeadline, 0, 0), true},
      {Guarded("plain", Guard::kDeadline, 0, kLater), false},
      {Guarded("dated", Guard::kDeadline, 0, kLater), true},
      {Guarded("dated", Guard::kDeadline, 0, 0), false},
      {Guarded("absent", Guard::kDeadline, 0, 0), false},
      {Guarded("dated", Guard::kUnchanged, dated, kLater), true},
      {Guarded("dated", Guard::kUnchanged, dated, kLater - 1), false},
      {Guarded("dated", Guard::kUnchanged, dated + 1, kLater), false},
      {Guarded("absent", Guard::kUnchanged, 0, 0), true},
      {Guarded("absent", Guard::kUnchanged, dated, 0), false},
  };
  for (const Case& one : cases) {
    const Context context(std::string(one.guard.key) + ", guard " + std::to_string(static_cast<int>(one.guard.guard)) +
                          ", version " + std::to_string(one.guard.guard_version));
    EXPECT_EQ(Commits(store.get(), one.guard), one.holds);
    if (!one.holds) ExpectRefusesPut(store.get(), one.guard);
  }
}

TEST(A_guard_on_a_record_that_may_not_be_in_memory_says_so_and_changes_nothing) {
  MemEnv env;
  auto store = GuardedStore(&env);
  const uint64_t version = VersionOf(store.get(), "dated");
  EXPECT_OK(store->Close());
  store = OpenStore(&env, SmallOptions());
  for (const Guard guard : {Guard::kVersion, Guard::kUnchanged}) {
    Operation operations[] = {PutOf("mark", "set"), Guarded("dated", guard, version, kLater)};
    Commit commit;
    EXPECT_CODE(store->Write(operations, 2, DiskWait::kNever, &commit), Code::kNotResident);
    EXPECT_EQ(Get(store.get(), "mark"), "(none)");
  }
  EntryInfo info;
  ReadBuffer value;
  MultiGetResult many;
  const std::string_view keys[] = {"absent", "dated"};
  EXPECT_CODE(store->Get("dated", DiskWait::kNever, &value, &info), Code::kNotResident);
  EXPECT_CODE(store->GetMany(keys, 2, DiskWait::kNever, &many), Code::kNotResident);
  EXPECT_EQ(store->Stats().cold_reads, 2u);
  // Once it was read it is: then the guard decides.
  EXPECT_EQ(Get(store.get(), "dated"), "d");
  EXPECT_OK(store->Get("dated", DiskWait::kNever, &value, &info));
  EXPECT_OK(store->GetMany(keys, 2, DiskWait::kNever, &many));
  EXPECT(!many.items[0].found && many.items[1].found && many.values.view() == "d");
  Operation operations[] = {PutOf("mark", "set"), Guarded("dated", Guard::kUnchanged, version, kLater)};
  Commit commit;
  EXPECT_OK(store->Write(operations, 2, DiskWait::kNever, &commit));
  EXPECT(commit.committed);
}

TEST(A_guard_whose_record_is_damaged_is_an_error_and_the_batch_is_not_written) {
  MemEnv env;
  auto store = GuardedStore(&env);
  EXPECT_OK(WriteAndWait(store.get(), {Put("guarded by", "this text")}));
  const uint64_t version = VersionOf(store.get(), "guarded by");
  for (const std::string& path : env.AllFiles()) {
    std::string content;
    const size_t at = env.Content(path, &content) ? content.find("this text") : std::string::npos;
    if (at == std::string::npos) continue;
    content[at] = 'T';
    env.SetContent(path, content);
  }
  for (const DiskWait wait : {DiskWait::kAllowed, DiskWait::kNever}) {
    Operation operations[] = {PutOf("mark", "set"), Guarded("guarded by", Guard::kVersion, version)};
    Commit commit;
    EXPECT_CODE(store->Write(operations, 2, wait, &commit), Code::kCorruption);
    EXPECT_EQ(Get(store.get(), "mark"), "(none)");
  }
}

TEST(What_is_over_a_bound_is_refused_by_its_name_and_changes_nothing) {
  MemEnv env;
  Options options = SmallOptions();
  options.key_bytes_max = 10;
  options.value_bytes_max = 3000;
  options.batch_operations_max = 3;
  options.batch_bytes_max = 4096;
  auto store = OpenStore(&env, options);
  const std::string key(10, 'k');
  const std::string value(3000, 'v');
  struct Case {
    std::vector<Operation> operations;
    const char* bound;
  };
  const std::string long_key = key + "k";
  const std::string long_value = value + "v";
  const Case cases[] = {
      {{PutOf("a", "1"), PutOf(long_key, "")}, "keyBytesMax"},
      {{PutOf("a", "1"), PutOf("b", long_value)}, "valueBytesMax"},
      {{PutOf("a", "1"), PutOf("b", ""), PutOf("c", ""), PutOf("d", "")}, "batchOperationsMax"},
      {{PutOf("a", value), PutOf("b", value)}, "batchBytesMax"},
  };
  for (Case one : cases) {
    const Context context(one.bound);
    Commit commit;
    const uint32_t count = static_cast<uint32_t>(one.operations.size());
    const Status refused = store->Write(one.operations.data(), count, DiskWait::kAllowed, &commit);
    EXPECT_CODE(refused, Code::kTooLarge);
    EXPECT(refused.message().find(one.bound) != std::string::npos);
    EXPECT_EQ(commit.group, 0u);
    EXPECT_EQ(store->KeyCount(), 0u);
  }
  Commit commit;
  EXPECT_CODE(store->Put(long_key, "", 0, &commit), Code::kTooLarge);
  EXPECT_CODE(store->Put("a", long_value, 0, &commit), Code::kTooLarge);
  EXPECT_EQ(store->KeyCount(), 0u);
  EXPECT_OK(store->Put(key, value, 0, &commit));
  EXPECT_EQ(Get(store.get(), key), value);
}

TEST(A_delete_of_what_has_expired_leaves_a_live_key_alone) {
  MemEnv env;
  auto store = GuardedStore(&env);
  for (const char* key : {"plain", "dated", "expired", "absent"}) {
    Operation operation;
    operation.kind = Operation::Kind::kDelete;
    operation.only_expired = true;
    operation.key = key;
    Commit commit;
    EXPECT_OK(store->Write(&operation, 1, DiskWait::kAllowed, &commit));
    EXPECT_EQ(operation.existed, std::string_view(key) == "expired");
    EXPECT_EQ(commit.group != 0, operation.existed);
  }
  EXPECT_EQ(store->KeyCount(), 2u);
}

}  // namespace
}  // namespace crabkv::test
