// Active expiry: what has expired leaves the index and the log's future, earliest deadlines first, and nothing that
// lives is touched.
#include <algorithm>
#include <vector>

#include "native/core/coding.h"
#include "native/core/store.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv {
namespace {

constexpr uint64_t kNow = 1'700'000'000'000;

std::shared_ptr<Store> Open(test::MemEnv* env) {
  std::shared_ptr<Store> store;
  const Status status = Store::Open(env, "/db", Options(), &store);
  EXPECT_OK(status);
  CRABKV_ASSERT(status.ok());
  return store;
}

void Put(Store* store, const std::string& key, uint64_t expires_at_ms) {
  Commit commit;
  EXPECT_OK(store->Put(key, "value of " + key, expires_at_ms, &commit));
}

std::vector<std::string> RemoveExpired(Store* store, uint32_t keys_max, bool* more) {
  ReadBuffer bytes;
  uint32_t removed = 0;
  Commit commit;
  EXPECT_OK(store->RemoveExpired(keys_max, &bytes, &removed, more, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
  std::vector<std::string> keys;
  for (uint64_t at = 0; at < bytes.size();) {
    const uint32_t length = GetU32(bytes.data() + at);
    keys.emplace_back(bytes.data() + at + 4, length);
    at += 4 + length;
  }
  EXPECT_EQ(keys.size(), removed);
  return keys;
}

TEST(Expired_keys_are_removed_in_the_order_of_their_deadlines_and_others_stay) {
  test::MemEnv env;
  auto store = Open(&env);
  for (int i = 0; i < 1000; i++)
    Put(store.get(), "k" + std::to_string(i), kNow + 1000 + static_cast<uint64_t>((i * 7919) % 1000));
  Put(store.get(), "later", kNow + 100000);
  Put(store.get(), "never", 0);
  EXPECT_EQ(store->NextDeadlineMs(), kNow + 1000);
  bool more = true;
  EXPECT_EQ(RemoveExpired(store.get(), 100, &more).size(), 0u);
  EXPECT(!more);
  env.AdvanceMs(5000);
  std::vector<std::string> removed;
  more = true;
  while (more) {
    for (std::string& key : RemoveExpired(store.get(), 64, &more)) removed.push_back(std::move(key));
  }
  EXPECT_EQ(removed.size(), 1000u);
  const auto deadline = [](const std::string& key) { return (std::stoi(key.substr(1)) * 7919) % 1000; };
  EXPECT(std::is_sorted(removed.begin(), removed.end(),
                        [&](const std::string& a, const std::string& b) { return deadline(a) < deadline(b); }));
  EXPECT_EQ(store->Stats().keys, 2u);
  EXPECT_EQ(store->Stats().keys_with_deadline, 1u);
  EXPECT_OK(store->Close());

  store = Open(&env);
  EXPECT_EQ(store->Stats().keys, 2u);
  EXPECT_OK(store->Close());
}

TEST(The_empty_key_expires_like_any_other) {
  test::MemEnv env;
  auto store = Open(&env);
  Put(store.get(), "", kNow + 1000);
  env.AdvanceMs(2000);
  bool more = true;
  EXPECT_EQ(RemoveExpired(store.get(), 100, &more).size(), 1u);
  EXPECT_EQ(store->Stats().keys, 0u);
  EXPECT_OK(store->Close());
}

TEST(A_key_that_was_put_again_or_got_a_new_deadline_is_not_removed) {
  test::MemEnv env;
  auto store = Open(&env);
  for (const char* key : {"gone", "renewed", "extended"}) Put(store.get(), key, kNow + 1000);
  Operation extend;
  extend.kind = Operation::Kind::kExpire;
  extend.key = "extended";
  extend.expires_at_ms = kNow + 50000;
  Commit commit;
  EXPECT_OK(store->Write(&extend, 1, DiskWait::kAllowed, &commit));
  env.AdvanceMs(2000);
  Put(store.get(), "renewed", 0);
  bool more = true;
  const std::vector<std::string> removed = RemoveExpired(store.get(), 100, &more);
  EXPECT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed.empty() ? "" : removed[0], "gone");
  bool found[2] = {false, false};
  const std::string_view keys[2] = {"renewed", "extended"};
  EXPECT_OK(store->HasMany(keys, 2, found));
  EXPECT(found[0] && found[1]);
  EXPECT_OK(store->Close());
}

TEST(A_key_whose_record_is_damaged_keeps_no_other_from_expiring) {
  test::MemEnv env;
  auto store = Open(&env);
  for (int i = 0; i < 600; i++) Put(store.get(), "k" + std::to_string(100 + i), kNow + 1000 + static_cast<uint64_t>(i));
  EXPECT_OK(store->Close());
  store.reset();
  std::string content;
  const std::string path = "/db/00000001.log";
  store = Open(&env);
  REQUIRE(env.Content(path, &content));
  content[content.find("k100")] = 'K';
  env.SetContent(path, content);
  env.AdvanceMs(5000);
  bool more = true;
  size_t removed = 0;
  for (int turn = 0; turn < 10 && removed < 599; turn++) removed += RemoveExpired(store.get(), 256, &more).size();
  EXPECT_EQ(removed, 599u);
  ReadBuffer keys;
  uint32_t none = 0;
  Commit commit;
  EXPECT_CODE(store->RemoveExpired(256, &keys, &none, &more, &commit), Code::kCorruption);
  EXPECT_EQ(none, 0u);
  EXPECT_OK(store->Close());
}

TEST(Keys_expire_whatever_the_bounds_of_a_batch_are) {
  test::MemEnv env;
  Options options;
  options.batch_operations_max = 10;
  options.batch_bytes_max = 4096;
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(&env, "/db", options, &store));
  for (int i = 0; i < 100; i++) Put(store.get(), std::to_string(i) + std::string(1000, 'k'), kNow + 1000);
  env.AdvanceMs(5000);
  bool more = true;
  EXPECT_EQ(RemoveExpired(store.get(), 4096, &more).size(), 100u);
  EXPECT(!more);
  EXPECT_OK(store->Close());
}

}  // namespace
}  // namespace crabkv
