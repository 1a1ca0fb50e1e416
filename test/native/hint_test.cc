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

// Time passes until every sealed segment has its hint.
void LetHintsBeWritten(MemEnv* env, Store* store) {
  for (int i = 0; i < 400 && store->Stats().hinted_segments + 2 < store->Stats().segments; i++) {
    env->AdvanceMs(120);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

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
  Contents contents;
  EXPECT_OK(ReadAll(again.get(), &contents));
  EXPECT_EQ(Difference(shown, contents), "the same");
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

TEST(Hints_are_written_while_the_log_is_quiet) {
  MemEnv env;
  Random random;
  auto store = OpenStore(&env, HintOptions());
  REQUIRE(store != nullptr);
  Work(store.get(), &random, 1000, false);
  EXPECT_EQ(store->Stats().hinted_segments, 0u);
  const uint64_t disk_bytes = store->Stats().disk_bytes;
  LetHintsBeWritten(&env, store.get());
  StoreStats stats = store->Stats();
  // One more may be on its way: its file is there before it counts.
  for (int i = 0; i < 400 && stats.hinted_segments != HintNames(env).size(); i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    stats = store->Stats();
  }
  EXPECT(stats.hinted_segments >= 2);
  EXPECT_EQ(stats.hinted_segments, HintNames(env).size());
  uint64_t bytes = 0;
  for (const std::string& name : HintNames(env)) {
    std::string content;
    EXPECT(env.Content(PathOf(name), &content));
    bytes += content.size();
  }
  EXPECT_EQ(stats.hint_bytes, bytes);
  // The log may have grown, too: space is made ahead of it meanwhile.
  EXPECT(stats.disk_bytes >= disk_bytes + bytes);
  auto killed = env.KillProcess();
  ExpectSame(*killed, "killed");
  EXPECT_OK(store->Close());
}

TEST(A_hint_that_compaction_writes_is_the_one_that_reading_gives) {
  Random random;
  auto env = Closed(&random, false);
  REQUIRE(env != nullptr);
  auto store = OpenStore(env.get(), HintOptions());
  REQUIRE(store != nullptr);
  EXPECT_OK(CompactRun(store.get(), 0, 100));
  const std::vector<std::string> names = HintNames(*env);
  EXPECT_EQ(names.size(), store->Stats().hinted_segments);
  std::map<std::string, std::string> contents;
  for (const std::string& name : names) {
    EXPECT(env->Content(PathOf(name), &contents[name]));
  }
  EXPECT(std::any_of(names.begin(), names.end(), [](auto& name) { return name.find(".seg") != std::string::npos; }));
  EXPECT_OK(store->Close());
  store.reset();
  RemoveHints(env.get());
  store = OpenStore(env.get(), HintOptions());
  REQUIRE(store != nullptr);
  EXPECT_OK(store->Close());
  for (const std::string& name : names) {
    std::string content;
    EXPECT(env->Content(PathOf(name), &content));
    EXPECT(content == contents[name]);
  }
}

TEST(A_hint_that_cant_be_written_is_done_without) {
  Random random;
  for (const uint32_t kind : {kOpenCall, kWriteCall, kRenameCall, kRemoveCall}) {
    MemEnv memory;
    FaultEnv env(&memory);
    Fault fault;
    fault.kinds = kind;
    fault.path_part = ".hint";
    fault.error = ENOSPC;
    fault.forever = true;
    env.Inject(fault);
    auto store = OpenStore(&env, HintOptions());
    REQUIRE(store != nullptr);
    Work(store.get(), &random, 1000, true);
    EXPECT_OK(store->Close());
    store = OpenStore(&env, HintOptions());
    REQUIRE(store != nullptr);
    if (kind != kRemoveCall) EXPECT_EQ(store->Stats().open_hinted_segments, 0u);
    Contents contents;
    EXPECT_OK(ReadAll(store.get(), &contents));
    EXPECT_OK(store->Close());
  }
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
      batch.push_back(Put(key, "a value of some length", j % 5 == 0 ? 1'800'000'000'000 + j : 0));
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
