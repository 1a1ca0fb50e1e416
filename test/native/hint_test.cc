// Hints: an opening by them finds what an opening without finds, whatever they are: missing, damaged, of another
// segment, of another time.
#include "native/core/hint_format.h"

#include <algorithm>
#include <map>
#include <thread>

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

TEST(The_index_from_hints_is_the_index_from_reading) {
  Random random;
  uint64_t hinted = 0;
  for (uint64_t round = 0; round < Rounds(20); round++) {
    const bool compact = round % 2 == 1;
    auto env = Closed(&random, compact);
    REQUIRE(env != nullptr);
    const OpenCounts counts = ExpectSame(*env, "round " + std::to_string(round));
    // A compaction may leave a single segment that can have one.
    EXPECT(counts.hinted_segments >= (compact ? 1 : 2));
    hinted += counts.hinted_segments;
    EXPECT_EQ(counts.hinted_segments, HintNames(*env).size());
    EXPECT_EQ(counts.hints_wrong, 0u);
  }
  EXPECT(hinted >= 2 * Rounds(20));
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
  for (const uint64_t field : {24U, 32U, 40U, 48U, 56U, 72U, 104U, 108U}) {
    ExpectSameWhen(*env, "field at " + std::to_string(field), [&](const std::string&, std::string* content) {
      (*content)[field] = static_cast<char>((*content)[field] ^ 1);
      // The head's own CRC has to be right for the blocks to be found.
      PutU32(&(*content)[HintHead::kBytes - 4], Crc32c(content->data(), HintHead::kBytes - 4));
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

TEST(A_hint_whose_summary_is_not_that_of_its_segment_is_not_believed) {
  Random random;
  auto env = Closed(&random, false);
  REQUIRE(env != nullptr);
  const std::pair<const char*, void (*)(SegmentSummary*)> lies[] = {
      {"end", [](SegmentSummary* summary) { summary->end_offset += 8; }},
      {"no last frame", [](SegmentSummary* summary) { summary->last_frame_offset = 0; }},
      {"first frame as the last", [](SegmentSummary* s) { s->last_frame_offset = SegmentHeader::kBytes; }},
      {"epoch", [](SegmentSummary* summary) { summary->epoch++; }},
      {"CRC", [](SegmentSummary* summary) { summary->last_crc++; }},
      {"first LSN", [](SegmentSummary* summary) { summary->counts.first_lsn = 0; }},
      {"end of the records", [](SegmentSummary* summary) { summary->records_end_offset = 0; }},
  };
  for (const auto& [what, tell] : lies) {
    ExpectSameWhen(*env, what, [tell = tell](const std::string&, std::string* content) {
      HintHead head;
      static_cast<void>(DecodeHintHead(*content, HintIdentity(), &head));
      tell(&head.summary);
      EncodeHintHead(head, content->data());
      return true;
    });
  }
}

// --- After lives that did not end well, some segments are not proven durable as a whole.

TEST(What_an_opening_shows_of_a_segment_with_a_hint_survives_a_power_cut) {
  Random random;
  MemEnv env;
  Options options = HintOptions(SyncMode::kInterval);
  options.sync_every_ms = 60'000;
  auto store = OpenStore(&env, options);
  REQUIRE(store != nullptr);
  Work(store.get(), &random, 1000, false);
  for (int i = 0; i < 20 && HintNames(env).empty(); i++) {
    env.AdvanceMs(200);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT(!HintNames(env).empty());
  auto killed = env.KillProcess();
  EXPECT_OK(store->Close());
  store.reset();
  EXPECT(Recover(killed.get()).counts.hints_unproven > 0);
  auto opened = OpenStore(killed.get(), HintOptions());
  REQUIRE(opened != nullptr);
  Contents shown;
  EXPECT_OK(ReadAll(opened.get(), &shown));
  EXPECT(shown.size() > 100);
  auto after = killed->PowerCutKeepNothing();
  EXPECT_OK(opened->Close());
  auto again = OpenStore(after.get(), HintOptions());
  REQUIRE(again != nullptr);
  ExpectContents(again.get(), shown);
  EXPECT_OK(again->Close());
}

TEST(An_unclean_end_leaves_the_same_with_hints_as_without) {
  Random random;
  uint64_t hinted = 0;
  uint64_t unproven = 0;
  for (uint64_t round = 0; round < Rounds(30); round++) {
    auto env = std::make_unique<MemEnv>();
    for (int life = 0; life < 3; life++) {
      const SyncMode mode = static_cast<SyncMode>(random.Below(3));
      auto store = OpenStore(env.get(), HintOptions(mode));
      REQUIRE(store != nullptr);
      Work(store.get(), &random, 500, random.OneIn(2));
      // Hints of what is sealed by now, as the compactor would write them.
      if (random.OneIn(2)) LetHintsBeWritten(env.get(), store.get());
      if (random.OneIn(4)) EXPECT_OK(store->Close());
      const bool cut = random.OneIn(2);
      auto after = cut ? env->PowerCutKeepRandom(random.Next()) : env->KillProcess();
      store.reset();
      env = std::move(after);
      const OpenCounts counts =
          ExpectSame(*env, "round " + std::to_string(round) + ", life " + std::to_string(life) + (cut ? ", cut" : ""));
      hinted += counts.hinted_segments;
      unproven += counts.hints_unproven;
    }
  }
  EXPECT(hinted > 0);
  std::printf("       %llu segments by their hints, %llu not proven durable\n", static_cast<unsigned long long>(hinted),
              static_cast<unsigned long long>(unproven));
}

TEST(Hints_without_their_segment_and_half_written_ones_are_removed_by_an_opening) {
  Random random;
  auto env = Closed(&random, false);
  REQUIRE(env != nullptr);
  const std::vector<std::string> names = HintNames(*env);
  REQUIRE(!names.empty());
  std::string content;
  REQUIRE(env->Content(PathOf(names[0]), &content));
  env->SetContent(PathOf("00000099.log.hint"), content);
  env->SetContent(PathOf("00000001.seg.hint"), content);
  env->SetContent(PathOf("00000002.log.hint.tmp"), content);
  auto store = OpenStore(env.get(), HintOptions());
  REQUIRE(store != nullptr);
  EXPECT(HintNames(*env) == names);
  bool exists = true;
  EXPECT_OK(env->Exists(PathOf("00000002.log.hint.tmp"), &exists));
  EXPECT(!exists);
  EXPECT_OK(store->Close());
}

// --- Enough to do for two threads, and for somebody to want to know how far it is.

TEST(A_large_store_is_opened_by_two_threads_and_tells_how_far_it_is) {
  MemEnv env;
  Options options = HintOptions(SyncMode::kOs);
  options.segment_bytes = 4 << 20;
  auto store = OpenStore(&env, options);
  REQUIRE(store != nullptr);
  const int batches = static_cast<int>(Rounds(650));
  for (int i = 0; i < batches; i++) {
    Changes batch;
    for (int j = 0; j < 1000; j++) {
      const std::string key = std::to_string(i % 600) + ":" + std::to_string(j);
      if (i % 50 == 49 && j % 3 == 0) batch.push_back(Delete(std::to_string(i - 7) + ":" + std::to_string(j)));
      batch.push_back(
          Put(key, "a value of some length", j % 5 == 0 ? 1'800'000'000'000U + static_cast<uint64_t>(j) : 0));
    }
    EXPECT_OK(WriteAndWait(store.get(), batch));
  }
  EXPECT_OK(store->Close());
  store.reset();
  EXPECT(ExpectSame(env, "large").hinted_keys > 50'000);
  RemoveHints(&env);
  FaultEnv slow(&env);
  slow.SetHook([&](const Call& call) {
    if (call.kind == kReadCall) env.AdvanceMs(200);
  });
  std::vector<OpenProgress> told;
  std::shared_ptr<Store> again;
  EXPECT_OK(Store::Open(&slow, kDirectory, options, &again, [&](const OpenProgress& p) { told.push_back(p); }));
  REQUIRE(!told.empty());
  for (size_t i = 0; i < told.size(); i++) {
    EXPECT(told[i].bytes_done <= told[i].bytes_total);
    EXPECT(i == 0 || told[i].bytes_done > told[i - 1].bytes_done);
    EXPECT(i == 0 || told[i].records >= told[i - 1].records);
  }
  EXPECT(told.back().records > 0);
  EXPECT_OK(again->Close());
}

}  // namespace
}  // namespace crabkv::test
