// The store as its callers see it, on an Env in memory: what was written is read, survives closing, killing and power
// cuts as its sync mode promises.
#include "native/core/store.h"

#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv {
namespace {

using test::MemEnv;

Options Small() {
  Options options;
  options.segment_bytes = 64 << 10;
  options.shard_count = 4;
  return options;
}

std::shared_ptr<Store> OpenOrDie(Env* env, const Options& options) {
  std::shared_ptr<Store> store;
  const Status status = Store::Open(env, "/db", options, &store);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    std::abort();
  }
  EXPECT_OK(status);
  return store;
}

std::string GetOr(Store* store, std::string_view key, const std::string& missing = "(none)") {
  ReadBuffer value;
  EntryInfo info;
  const Status status = store->Get(key, DiskWait::kAllowed, &value, &info);
  EXPECT_OK(status);
  return info.found ? std::string(value.view()) : missing;
}

void PutOrDie(Store* store, std::string_view key, std::string_view value, uint64_t expires_at_ms = 0) {
  Commit commit;
  EXPECT_OK(store->Put(key, value, expires_at_ms, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
}

TEST(What_was_put_is_read_before_and_after_it_is_written) {
  MemEnv env;
  auto store = OpenOrDie(&env, Small());
  Commit commit;
  EXPECT_OK(store->Put("a", "1", 0, &commit));
  EXPECT_EQ(GetOr(store.get(), "a"), "1");
  EXPECT_OK(store->WaitFor(commit.group, false));
  EXPECT_EQ(GetOr(store.get(), "a"), "1");
  EXPECT_EQ(GetOr(store.get(), "b"), "(none)");
  EXPECT_OK(store->Close());
}

TEST(Keys_may_be_told_of_ahead_however_many_and_wherever_they_are) {
  MemEnv env;
  auto store = OpenOrDie(&env, Small());
  std::vector<KeyHash> hashes;
  for (int i = 0; i < 40; i++) {
    const std::string key = std::to_string(i);
    if (i < 15) PutOrDie(store.get(), key, "written");
    Commit commit;
    if (i >= 15 && i < 30) EXPECT_OK(store->Put(key, "waits", 0, &commit));
    hashes.push_back(store->PrefetchSlot(key));
  }
  std::vector<const KeyHash*> told;
  for (const KeyHash& hash : hashes) {
    store->PrefetchEntry(hash);
    told.push_back(&hash);
  }
  for (size_t count = 0; count <= told.size(); count++) store->PrefetchValues(told.data(), count);
  EXPECT_EQ(GetOr(store.get(), "14"), "written");
  EXPECT_EQ(GetOr(store.get(), "29"), "waits");
  EXPECT_EQ(GetOr(store.get(), "30"), "(none)");
  EXPECT_OK(store->Close());
}

TEST(A_store_closed_cleanly_opens_with_everything_and_rewrites_nothing) {
  MemEnv env;
  for (int round = 0; round < 5; round++) {
    auto store = OpenOrDie(&env, Small());
    for (int i = 0; i < round * 1000; i++)
      EXPECT_EQ(GetOr(store.get(), "k" + std::to_string(i)), std::string(100, 'v'));
    EXPECT_EQ(store->Stats().keys, static_cast<uint64_t>(round * 1000));
    EXPECT_EQ(store->Stats().open_rewritten_bytes, 0u);
    Commit commit;
    for (int i = 0; i < 1000; i++) {
      EXPECT_OK(store->Put("k" + std::to_string(round * 1000 + i), std::string(100, 'v'), 0, &commit));
    }
    EXPECT_OK(store->WaitFor(commit.group, true));
    EXPECT_OK(store->Close());
  }
}

TEST(Acknowledged_writes_survive_a_power_cut) {
  MemEnv env;
  auto store = OpenOrDie(&env, Small());
  for (int i = 0; i < 200; i++) PutOrDie(store.get(), "k" + std::to_string(i), std::string(1000, 'v'));
  auto after = env.PowerCutKeepNothing();
  auto reopened = OpenOrDie(after.get(), Small());
  for (int i = 0; i < 200; i++) EXPECT_EQ(GetOr(reopened.get(), "k" + std::to_string(i)), std::string(1000, 'v'));
  EXPECT_OK(reopened->Close());
  EXPECT_OK(store->Close());
}

TEST(A_scan_shows_each_live_entry_once_in_log_order) {
  MemEnv env;
  auto store = OpenOrDie(&env, Small());
  for (int i = 0; i < 500; i++) PutOrDie(store.get(), "k" + std::to_string(i % 300), std::to_string(i));
  std::unique_ptr<Scan> scan;
  EXPECT_OK(store->NewScan(ScanOptions(), &scan));
  PutOrDie(store.get(), "k1", "later");
  uint64_t total = 0;
  bool done = false;
  while (!done) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    EXPECT_OK(scan->Next(10, 1 << 20, &chunk, &entries, &done));
    total += entries;
  }
  EXPECT_EQ(total, 300u);
  scan.reset();
  EXPECT_OK(store->Close());
}

TEST(A_record_of_any_size_is_read_without_waiting_once_it_was_read) {
  MemEnv env;
  std::shared_ptr<Store> store = OpenOrDie(&env, Options());
  std::vector<size_t> sizes;
  for (size_t size = 1; size < 1 << 20; size += size / 3 + 1) sizes.push_back(size);
  for (const size_t size : sizes) PutOrDie(store.get(), std::to_string(size), std::string(size, 'x'));
  uint64_t group = 0;
  EXPECT_OK(store->RequestDurable(&group));
  EXPECT_OK(store->WaitFor(group, true));
  for (const size_t size : sizes) EXPECT_EQ(GetOr(store.get(), std::to_string(size)).size(), size);
  for (const size_t size : sizes) {
    ReadBuffer value;
    EntryInfo info;
    EXPECT_OK(store->Get(std::to_string(size), DiskWait::kNever, &value, &info));
    EXPECT_EQ(value.size(), size);
  }
  EXPECT_OK(store->Close());
}

TEST(A_key_over_the_bound_of_this_opening_is_deleted_but_not_put) {
  MemEnv env;
  const std::string longest(kKeyBytesMax, 'k');
  Options options = Small();
  options.key_bytes_max = kKeyBytesMax;
  std::shared_ptr<Store> store = OpenOrDie(&env, options);
  PutOrDie(store.get(), longest, "v");
  EXPECT_OK(store->Close());
  store.reset();
  options.key_bytes_max = 10;
  store = OpenOrDie(&env, options);
  EXPECT_EQ(GetOr(store.get(), longest), "v");
  Commit commit;
  EXPECT_CODE(store->Put(longest, "w", 0, &commit), Code::kTooLarge);
  Operation operation;
  operation.kind = Operation::Kind::kDelete;
  const std::string longer = longest + "k";
  operation.key = longer;
  EXPECT_CODE(store->Write(&operation, 1, DiskWait::kAllowed, &commit), Code::kTooLarge);
  operation.key = longest;
  EXPECT_OK(store->Write(&operation, 1, DiskWait::kAllowed, &commit));
  EXPECT(operation.existed);
  EXPECT_EQ(GetOr(store.get(), longest), "(none)");
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv
