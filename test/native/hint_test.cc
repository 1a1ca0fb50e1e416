// Hints: an opening by them finds what an opening without finds, whatever they are: missing, damaged, of another
// segment, of another time.
#include "native/core/hint_format.h"

#include <algorithm>

#include "native/core/coding.h"
#include "native/core/crc32c.h"
#include "native/core/hint_keeper.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/hint_fixture.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

Options HintOptions(SyncMode mode = SyncMode::kAlways) {
  Options options = SmallOptions(mode);
  options.auto_compaction = false;
  options.compaction_io_percent = 100;
  return options;
}

std::string PathOf(const std::string& name) { return std::string(kDirectory) + "/" + name; }

// Work of every kind: overwrites, deletes, deadlines set, changed and taken away, with and without a put before them in
// the same segment.
void Work(Store* store, Random* random, int changes, bool compact) {
  for (int i = 0; i < changes; i++) {
    const std::string key = "key:" + std::to_string(random->Below(300));
    const uint64_t deadline = random->OneIn(4) ? 1'800'000'000'000 + random->Below(1'000'000) : 0;
    const uint64_t kind = random->Below(10);
    Changes batch;
    if (kind < 6) batch = {Put(key, random->Bytes(random->Below(900)), deadline)};
    if (kind == 6) batch = {Delete(key), Delete("key:" + std::to_string(random->Below(300)))};
    if (kind == 7) batch = {Expire(key, deadline), Put("other:" + key, std::string(40, 'o'), deadline)};
    if (kind == 8) batch = {Put(key, std::string(200, 'a')), Delete(key), Put(key, std::string(100, 'b'), deadline)};
    if (kind == 9) batch = {Expire(key, deadline), Expire("other:" + key, 0)};
    EXPECT_OK(WriteAndWait(store, batch));
    if (compact && random->OneIn(150)) EXPECT_OK(CompactRun(store, random->Next(), 1 + random->Below(4)));
  }
}

// A closed store of several segments, most of them with a hint.
std::unique_ptr<MemEnv> Closed(Random* random, bool compact) {
  MemEnv env;
  auto store = OpenStore(&env, HintOptions());
  if (store == nullptr) return nullptr;
  Work(store.get(), random, 1500, compact);
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

// The same directory with hints and without: one text. How it was opened with them.
OpenCounts ExpectSame(const MemEnv& env, const std::string& how) {
  const Context context(how);
  auto with = env.KillProcess();
  auto without = env.KillProcess();
  RemoveHints(without.get());
  const Recovered hinted = Recover(with.get());
  const Recovered read = Recover(without.get());
  if (hinted.text != read.text) {
    const auto at = std::mismatch(hinted.text.begin(), hinted.text.end(), read.text.begin(), read.text.end());
    const auto offset = static_cast<size_t>(at.first - hinted.text.begin());
    const size_t from = offset < 60 ? 0 : offset - 60;
    EXPECT_EQ(hinted.text.substr(from, 160), read.text.substr(from, 160));
  }
  EXPECT_EQ(read.counts.hinted_segments, 0u);
  return hinted.counts;
}

TEST(The_index_from_hints_is_the_index_from_reading) {
  Random random;
  for (uint64_t round = 0; round < Rounds(20); round++) {
    const bool compact = round % 2 == 1;
    auto env = Closed(&random, compact);
    REQUIRE(env != nullptr);
    const OpenCounts counts = ExpectSame(*env, "round " + std::to_string(round));
    EXPECT(counts.hinted_segments >= 2);
    EXPECT_EQ(counts.hinted_segments, HintNames(*env).size());
    EXPECT_EQ(counts.hints_wrong, 0u);
  }
}

// Every hint of `env` as `damage` leaves it (nothing: no file), one after the other.
template <typename Damage>
void ExpectSameWhen(const MemEnv& env, const std::string& how, Damage damage) {
  for (const std::string& name : HintNames(env)) {
    auto machine = env.KillProcess();
    std::string content;
    REQUIRE(machine->Content(PathOf(name), &content));
    const bool keep = damage(name, &content);
    if (keep) machine->SetContent(PathOf(name), content);
    if (!keep) EXPECT_OK(machine->Remove(PathOf(name)));
    const OpenCounts counts = ExpectSame(*machine, how + ", " + name);
    EXPECT_EQ(counts.hinted_segments + 1, HintNames(env).size());
    EXPECT_EQ(counts.hints_wrong, keep ? 1u : 0u);
  }
}

TEST(A_hint_that_is_missing_cut_short_or_flipped_costs_time_and_nothing_else) {
  Random random;
  for (uint64_t round = 0; round < Rounds(2); round++) {
    auto env = Closed(&random, round % 2 == 1);
    REQUIRE(env != nullptr);
    ExpectSameWhen(*env, "removed", [](const std::string&, std::string*) { return false; });
    ExpectSameWhen(*env, "cut short", [&](const std::string&, std::string* content) {
      content->resize(random.Below(content->size()));
      return true;
    });
    ExpectSameWhen(*env, "longer", [](const std::string&, std::string* content) {
      content->append(8, '\0');
      return true;
    });
    for (int i = 0; i < 8; i++) {
      ExpectSameWhen(*env, "flipped", [&](const std::string&, std::string* content) {
        char& byte = (*content)[random.Below(content->size())];
        byte = static_cast<char>(byte ^ (1 << random.Below(8)));
        return true;
      });
    }
  }
}

TEST(A_hint_of_another_segment_is_not_believed) {
  Random random;
  auto env = Closed(&random, false);
  REQUIRE(env != nullptr);
  const std::vector<std::string> names = HintNames(*env);
  REQUIRE(names.size() >= 2);
  ExpectSameWhen(*env, "another's", [&](const std::string& name, std::string* content) {
    const std::string& other = name == names[0] ? names[1] : names[0];
    return EXPECT(env->Content(PathOf(other), content));
  });
}

// A hint that is right in itself, but for one field: what a segment of the same number in another life would have.
TEST(A_hint_of_another_salt_length_number_or_seed_is_not_believed) {
  Random random;
  auto env = Closed(&random, false);
  REQUIRE(env != nullptr);
  for (const uint64_t field : {24, 32, 40, 48, 56, 72, 104, 108}) {
    ExpectSameWhen(*env, "field at " + std::to_string(field), [&](const std::string&, std::string* content) {
      (*content)[field] = static_cast<char>((*content)[field] ^ 1);
      const uint64_t salt = GetU64(content->data() + 32);
      HintHead head;
      HintIdentity identity;
      uint64_t offset = HintHead::kBytes;
      static_cast<void>(DecodeHintHead(*content, identity, &head));
      for (uint32_t i = 0; i < kHintRanges; i++) {
        const uint64_t length = head.ranges[i].block_bytes();
        const uint32_t crc = HintBlockCrc(std::string_view(*content).substr(offset, length), salt);
        PutU32(&(*content)[248 + 12 * i + 8], crc);
        offset += length;
      }
      PutU32(&(*content)[HintHead::kBytes - 4], Crc32c(content->data(), HintHead::kBytes - 4));
      return true;
    });
  }
}

}  // namespace
}  // namespace crabkv::test
