// Walking through all keys in small steps, with nothing kept between them: a key that is there all the time comes once,
// whatever else changes.
#include <map>

#include "native/core/coding.h"
#include "test/native/compaction_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// How often each key came; `between` runs after each step.
template <typename Between>
std::map<std::string, int> Walk(Store* store, uint32_t step, Between between) {
  std::map<std::string, int> seen;
  uint64_t cursor = 0;
  do {
    ReadBuffer keys;
    uint32_t count = 0;
    if (!EXPECT_OK(store->NextKeys(cursor, step, &keys, &count, &cursor))) return seen;
    EXPECT(count <= step);
    const char* at = keys.data();
    for (; count > 0; count--) {
      const uint32_t bytes = GetU32(at);
      seen[std::string(at + 4, bytes)]++;
      at += 4 + bytes;
    }
    EXPECT(at == keys.data() + keys.size());
    between();
  } while (cursor != 0);
  return seen;
}

std::string Key(int i) { return "key " + std::to_string(i); }

TEST(A_walk_in_steps_of_any_size_shows_every_live_key_once) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT(Walk(store.get(), 10, [] {}).empty());
  Changes changes;
  for (int i = 0; i < 3000; i++) changes.push_back(Put(Key(i), "v", i % 10 == 0 ? env.WallMs() + 50 : 0));
  EXPECT_OK(WriteAndWait(store.get(), changes));
  env.AdvanceMs(100);
  for (const uint32_t step : {1u, 7u, 1000u, 10000u}) {
    const Context context("steps of " + std::to_string(step));
    const auto seen = Walk(store.get(), step, [] {});
    EXPECT_EQ(seen.size(), 2700u);
    for (const auto& [key, times] : seen) EXPECT_EQ(times, 1);
    EXPECT_EQ(seen.count(Key(10)), 0u);  // expired
    EXPECT_EQ(seen.count(Key(11)), 1u);
  }
}

TEST(A_key_that_is_there_from_the_first_step_to_the_last_comes_once_whatever_else_happens) {
  MemEnv env;
  Options options = SmallOptions();
  options.auto_compaction = false;
  auto store = OpenStore(&env, options);
  constexpr int kKept = 2000;
  Changes changes;
  for (int i = 0; i < 2 * kKept; i++) changes.push_back(Put(Key(i), std::string(20, 'v')));
  EXPECT_OK(WriteAndWait(store.get(), changes));
  Random random;
  int step = 0;
  const auto seen = Walk(store.get(), 90, [&] {
    step++;
    EXPECT_OK(WriteAndWait(store.get(), {Delete(Key(kKept + static_cast<int>(random.Below(kKept)))),
                                         Put("new " + std::to_string(step), "n"),
                                         Put(Key(static_cast<int>(random.Below(kKept))), "again")}));
    if (step % 10 == 0) EXPECT_OK(Compact(store.get()));
  });
  EXPECT(step > 20);
  for (int i = 0; i < kKept; i++) {
    const auto found = seen.find(Key(i));
    if (found == seen.end() || found->second != 1) Fail(__FILE__, __LINE__, Key(i) + " does not come once");
  }
}

TEST(A_walk_over_a_damaged_record_is_an_error) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("walked over", "v")}));
  for (const std::string& path : env.AllFiles()) {
    std::string content;
    const size_t at = env.Content(path, &content) ? content.find("walked over") : std::string::npos;
    if (at == std::string::npos) continue;
    content[at] = 'W';
    env.SetContent(path, content);
  }
  ReadBuffer keys;
  uint32_t count = 0;
  uint64_t cursor = 0;
  EXPECT_CODE(store->NextKeys(0, 10, &keys, &count, &cursor), Code::kCorruption);
}

}  // namespace
}  // namespace crabkv::test
