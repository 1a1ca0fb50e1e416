// A repair keeps exactly what can be read: bits flipped in every file of a store with log segments and compacted ones,
// files cut and removed. The model is the records of the undamaged files, each with its place: what a damage takes is
// the batch that it hits (in a compacted segment, the record), and the last of what is left of a key is its value.
#include "native/core/repair.h"

#include <algorithm>

#include "native/core/frame_reader.h"
#include "native/core/manifest.h"
#include "test/native/compaction_fixture.h"
#include "test/native/harness.h"
#include "test/native/repair_fixture.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kSealBytes = FrameHeader::kBytes + SealPayload::kBytes + Trailer::kBytes;

// Of what a flip in a file can lose: nothing, but in a record, or in the salt of the last segment.
Records WithoutFlipped(const Records& all, const std::string& file, uint64_t at, const std::string& last_log) {
  const bool is_salt = at >= 48 && at < 56;
  if (file == last_log && is_salt) return WithoutFile(all, file);
  return WithoutRange(all, file, at, at + 1);
}

bool Has(const Records& records, uint64_t lsn) {
  return std::any_of(records.begin(), records.end(), [&](const auto& record) { return record.lsn == lsn; });
}

TEST(Each_flipped_bit_takes_what_it_hits_and_no_more) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  const Records all = RecordsOf(env.get());
  const std::string last_log = LastLog(env.get());
  const std::vector<std::string> files = env->AllFiles();
  Random random;
  const uint64_t step = LongRun() ? 1 : 5 * ByteStride();
  for (const std::string& path : files) {
    std::string content;
    const std::string name = NameOf(path);
    if (name == "LOCK" || name == "RESERVE" || !env->Content(path, &content)) continue;
    for (uint64_t i = random.Below(step); i < content.size(); i += step) {
      const Context context(name + " byte " + std::to_string(i));
      std::string flipped = content;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << random.Below(8)));
      env->SetContent(path, flipped);
      const Records left = WithoutFlipped(all, name, i, last_log);
      RepairReport report;
      ExpectRepaired(env.get(), left, &report);
      const bool lost = left.size() < all.size();
      EXPECT(report.data_lost() || !lost);
      // Without the MANIFEST nobody knows what else there was, nor without a SEAL.
      const bool is_seal = name.find(".seg") != std::string::npos && i >= content.size() - kSealBytes;
      if (name != Manifest::kFileName && !is_seal) EXPECT_EQ(report.data_lost(), lost);
    }
    env->SetContent(path, content);
  }
}

TEST(A_segment_that_was_cut_loses_what_is_behind_the_cut) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  const Records all = RecordsOf(env.get());
  Random random;
  for (const std::string& path : env->AllFiles()) {
    std::string content;
    if (!IsSegment(NameOf(path)) || !env->Content(path, &content)) continue;
    for (uint64_t round = 0; round < Rounds(20); round++) {
      const uint64_t cut = random.Below(content.size());
      const Context context(NameOf(path) + " cut at " + std::to_string(cut));
      env->SetContent(path, content.substr(0, cut));
      RepairReport report;
      // A record goes with its padding.
      const Records left = cut < SegmentHeader::kBytes
                               ? WithoutFile(all, NameOf(path))
                               : WithoutRange(all, NameOf(path), cut & ~uint64_t{7}, content.size());
      ExpectRepaired(env.get(), left, &report);
      EXPECT(report.data_lost() || left.size() == all.size());
    }
    env->SetContent(path, content);
  }
}

TEST(Without_one_of_the_files_the_others_are_kept) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  const Records all = RecordsOf(env.get());
  for (const std::string& path : env->AllFiles()) {
    const std::string name = NameOf(path);
    if (!IsSegment(name) && name != Manifest::kFileName) continue;
    const Context context(name);
    std::string content;
    REQUIRE(env->Content(path, &content));
    EXPECT_OK(env->Remove(path));
    RepairReport report;
    const Records left = WithoutFile(all, name);
    ExpectRepaired(env.get(), left, &report);
    EXPECT(report.data_lost());
    env->SetContent(path, content);
  }
}

TEST(A_repaired_store_survives_a_power_cut) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  RepairReport report;
  REQUIRE_OK(RepairDirectory(env.get(), kDirectory, kRepaired, kGoOn, &report));
  auto cut = env->PowerCutKeepNothing();
  Contents contents;
  EXPECT(ReadReadOnly(cut.get(), kRepaired, &contents));
  EXPECT_EQ(Difference(ContentsOf(RecordsOf(env.get())), contents), "the same");
}

TEST(Several_damages_at_once_take_what_they_hit) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  const Records all = RecordsOf(env.get());
  Random random;
  for (uint64_t round = 0; round < Rounds(100); round++) {
    const Context context("round " + std::to_string(round));
    auto damaged = env->KillProcess();
    std::vector<uint64_t> hits;
    for (uint64_t flips = 2 + random.Below(3); flips > 0; flips--) {
      const uint64_t index = random.Below(all.size());
      if (std::count(hits.begin(), hits.end(), index) != 0) continue;
      hits.push_back(index);
      const PlacedRecord& hit = all[index];
      const uint64_t at = hit.begin + random.Below(hit.end - hit.begin);
      std::string content;
      REQUIRE(damaged->Content(std::string(kDirectory) + "/" + hit.file, &content));
      content[at] = static_cast<char>(~content[at]);
      damaged->SetContent(std::string(kDirectory) + "/" + hit.file, content);
    }
    Records left = all;
    for (const uint64_t index : hits) {
      const Records without = WithoutRange(all, all[index].file, all[index].begin, all[index].end);
      left.erase(
          std::remove_if(left.begin(), left.end(), [&](const auto& record) { return !Has(without, record.lsn); }),
          left.end());
    }
    RepairReport report;
    REQUIRE_OK(RepairDirectory(damaged.get(), kDirectory, kRepaired, kGoOn, &report));
    Contents contents;
    EXPECT(ReadReadOnly(damaged.get(), kRepaired, &contents));
    EXPECT_EQ(Difference(ContentsOf(left), contents), "the same");
  }
}

TEST(Of_a_store_that_is_well_all_is_kept) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  RepairReport report;
  ExpectRepaired(env.get(), RecordsOf(env.get()), &report);
  EXPECT(!report.data_lost());
  EXPECT_EQ(report.found.fault_count, 0u);
  Contents contents;
  EXPECT(ReadReadOnly(env.get(), kDirectory, &contents));
  EXPECT_EQ(report.keys, contents.size());
  EXPECT_EQ(Difference(ContentsOf(RecordsOf(env.get())), contents), "the same");
}

// What opening cuts off as unfinished is cut off here: a repair shows nothing that opening would not.
TEST(After_a_kill_a_repair_has_what_opening_would_have) {
  Random random;
  const uint64_t step = LongRun() ? 5 : 97 * ByteStride();
  uint64_t opened = 0;
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kOs}) {
    MemEnv env;
    std::shared_ptr<Store> store;
    REQUIRE_OK(Store::Open(&env, kDirectory, RepairOptions(mode), &store));
    Fill(store.get());
    auto killed = env.KillProcess();
    EXPECT_OK(store->Close());
    for (const std::string& path : killed->AllFiles()) {
      std::string content;
      if (!IsSegment(NameOf(path)) || !killed->Content(path, &content)) continue;
      for (uint64_t i = random.Below(step); i < content.size(); i += step) {
        const Context context(path + " byte " + std::to_string(i));
        std::string flipped = content;
        flipped[i] = static_cast<char>(flipped[i] ^ 4);
        killed->SetContent(path, flipped);
        Contents before, after;
        if (!ReadReadOnly(killed.get(), kDirectory, &before)) continue;
        opened++;
        RepairReport report;
        REQUIRE_OK(RepairDirectory(killed.get(), kDirectory, kRepaired, kGoOn, &report));
        EXPECT(ReadReadOnly(killed.get(), kRepaired, &after));
        EXPECT_EQ(Difference(before, after), "the same");
        RemoveAll(killed.get(), kRepaired);
      }
      killed->SetContent(path, content);
    }
  }
  EXPECT(opened > 0);
}

// Inputs that nobody had removed yet when the MANIFEST was lost: the tombstone is gone, the put must not come back.
TEST(Without_a_MANIFEST_a_deleted_key_does_not_come_back_from_what_compaction_replaced) {
  MemEnv env;
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(&env, kDirectory, RepairOptions(), &store));
  EXPECT_OK(WriteAndWait(store.get(), {Put("deleted", "x"), Put("kept", "1")}));
  EXPECT_OK(EndSegment(store.get()));
  const std::string first = std::string(kDirectory) + "/" + SegmentFileName(1);
  std::string content;
  REQUIRE(env.Content(first, &content));
  EXPECT_OK(WriteAndWait(store.get(), {Delete("deleted"), Put("kept", "2")}));
  EXPECT_OK(EndSegment(store.get()));
  EXPECT_OK(CompactRun(store.get(), 0, 2));
  EXPECT_OK(WriteAndWait(store.get(), {Put("late", "3")}));
  EXPECT_OK(store->Close());
  bool exists = true;
  EXPECT_OK(env.Exists(first, &exists));
  REQUIRE(!exists);
  env.SetContent(first, content);
  for (const bool has_manifest : {true, false}) {
    if (!has_manifest) EXPECT_OK(env.Remove(std::string(kDirectory) + "/MANIFEST"));
    RepairReport report;
    REQUIRE_OK(RepairDirectory(&env, kDirectory, kRepaired, kGoOn, &report));
    Contents contents;
    EXPECT(ReadReadOnly(&env, kRepaired, &contents));
    const Contents expected = {{"kept", {"2", 0}}, {"late", {"3", 0}}};
    EXPECT_EQ(Difference(expected, contents), "the same");
    RemoveAll(&env, kRepaired);
  }
}

TEST(Where_the_newest_version_is_damaged_the_one_before_is_kept_and_the_report_says_so) {
  MemEnv env;
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(&env, kDirectory, RepairOptions(), &store));
  for (const char* value : {"first", "second"}) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("a", std::string("a-") + value)}));
    EXPECT_OK(WriteAndWait(store.get(), {Put("b", std::string("b-") + value)}));
  }
  EXPECT_OK(WriteAndWait(store.get(), {Put("c", "c-only")}));
  EXPECT_OK(store->Close());
  for (const char* damaged : {"a-second", "b-first", "c-only"}) Damage(&env, damaged);
  RepairReport report;
  REQUIRE_OK(RepairDirectory(&env, kDirectory, kRepaired, kGoOn, &report));
  Contents contents;
  EXPECT(ReadReadOnly(&env, kRepaired, &contents));
  EXPECT_EQ(Difference({{"a", {"a-first", 0}}, {"b", {"b-second", 0}}}, contents), "the same");
  std::string kept;
  for (size_t i = 0; i < report.kept.size(); i++) {
    for (size_t j = 0; j < report.kept[i].size(); j++) {
      kept += report.found.faults[i].keys[j] + std::to_string(static_cast<int>(report.kept[i][j])) + " ";
    }
  }
  EXPECT_EQ(kept, "b2 a1 c0 ");
  EXPECT(report.data_lost());
}

TEST(Deadlines_stay_and_what_had_expired_by_the_clock_of_the_store_is_left_out) {
  MemEnv env;
  const uint64_t now = env.WallMs();
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(&env, kDirectory, RepairOptions(), &store));
  EXPECT_OK(
      WriteAndWait(store.get(), {Put("soon", "1", now + 1000), Put("later", "2", now + 100'000), Put("moved", "3")}));
  EXPECT_OK(WriteAndWait(store.get(), {Expire("moved", now + 50'000)}));
  env.AdvanceMs(5000);
  EXPECT_OK(store->Close());
  // The machine's clock went back; the store's does not.
  env.SetWallMs(now);
  RepairReport report;
  REQUIRE_OK(RepairDirectory(&env, kDirectory, kRepaired, kGoOn, &report));
  EXPECT_EQ(report.expired, 1u);
  EXPECT_EQ(report.keys, 2u);
  Contents contents;
  EXPECT(ReadReadOnly(&env, kRepaired, &contents));
  EXPECT_EQ(Difference({{"later", {"2", now + 100'000}}, {"moved", {"3", now + 50'000}}}, contents), "the same");
}

TEST(Many_records_of_all_sizes_and_codecs_keep_their_order) {
  MemEnv env;
  Options options = RepairOptions(SyncMode::kOs);
  options.compression = Codec::kSnappy;
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(&env, kDirectory, options, &store));
  Random random;
  for (int batch = 0; batch < 60; batch++) {
    Changes changes;
    for (int i = 0; i < 150; i++) {
      const std::string key = std::to_string(random.Below(6000));
      changes.push_back(random.OneIn(5) ? Delete(key) : Put(key, std::string(random.Below(90), 'v') + key));
    }
    EXPECT_OK(WriteAndWait(store.get(), changes));
  }
  EXPECT_OK(WriteAndWait(store.get(), {Put("", ""), Put("empty", ""), Put("large", random.Bytes(3 << 20))}));
  EXPECT_OK(WriteAndWait(store.get(), {Put(std::string(60'000, 'k'), "long key")}));
  EXPECT_OK(store->Close());
  RepairReport report;
  REQUIRE_OK(RepairDirectory(&env, kDirectory, kRepaired, kGoOn, &report));
  EXPECT(!report.data_lost());
  Contents before, after;
  EXPECT(ReadReadOnly(&env, kDirectory, &before));
  EXPECT(ReadReadOnly(&env, kRepaired, &after));
  EXPECT_EQ(report.keys, before.size());
  EXPECT_EQ(Difference(before, after), "the same");
  EXPECT(KeysInLogOrder(&env, kDirectory) == KeysInLogOrder(&env, kRepaired));
  VerifyReport verified;
  EXPECT_OK(VerifyDirectory(&env, kRepaired, kGoOn, &verified));
  EXPECT_EQ(verified.fault_count, 0u);
}

}  // namespace
}  // namespace crabkv::test
