// Verifying finds all that opening would refuse, and nothing in a store that is well: every byte of every file of a
// store with log segments and compacted ones has a bit flipped, files are cut and removed. Opening is the oracle.
#include "native/core/verify.h"

#include <atomic>
#include <thread>

#include "native/core/format.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

const StepDone kGoOn = [](uint64_t) { return true; };

Options VerifyOptions(SyncMode mode = SyncMode::kAlways) {
  Options options = SmallOptions(mode);
  options.auto_compaction = false;
  return options;
}

// Two compacted segments' worth of a run, and log segments behind it.
void Fill(Store* store) {
  for (int i = 0; i < 6; i++) {
    EXPECT_OK(WriteAndWait(store, {Put("old:" + std::to_string(i), std::string(90, 'o')), Delete("old:0")}));
  }
  EXPECT_OK(EndSegment(store));
  EXPECT_OK(WriteAndWait(store, {Put("old:1", "again"), Expire("old:2", 1'900'000'000'000)}));
  EXPECT_OK(EndSegment(store));
  EXPECT_OK(CompactRun(store, 0, 2));
  EXPECT_OK(WriteAndWait(store, {Put("new:1", "one"), Put("new:2", "two")}));
  EXPECT_OK(EndSegment(store));
  EXPECT_OK(WriteAndWait(store, {Put("new:3", "three")}));
  EXPECT_OK(WriteAndWait(store, {Delete("old:4")}));
}

std::unique_ptr<MemEnv> FilledAndClosed() {
  MemEnv env;
  auto store = OpenStore(&env, VerifyOptions());
  if (store == nullptr) return nullptr;
  Fill(store.get());
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

VerifyReport Verify(Env* env) {
  VerifyReport report;
  EXPECT_OK(VerifyDirectory(env, kDirectory, kGoOn, &report));
  return report;
}

std::string Describe(const VerifyReport& report) {
  std::string text = std::to_string(report.fault_count) + " faults";
  for (const crabkv::Fault& fault : report.faults) {
    text += "; " + fault.file + " at " + std::to_string(fault.offset) + ": " + fault.what;
  }
  return text;
}

// What a reader finds; false when the store does not open.
bool ReadReadOnly(Env* env, Contents* contents) {
  Options options = VerifyOptions();
  options.read_only = true;
  std::shared_ptr<Store> store;
  if (!Store::Open(env, kDirectory, options, &store).ok()) return false;
  return EXPECT_OK(ReadAll(store.get(), contents));
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool HasFaultIn(const VerifyReport& report, const std::string& file) {
  for (const crabkv::Fault& fault : report.faults) {
    if (fault.file == file) return true;
  }
  return false;
}

TEST(A_store_that_is_well_has_no_faults) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  const VerifyReport report = Verify(env.get());
  EXPECT_EQ(Describe(report), "0 faults");
  EXPECT_EQ(report.last_lsn, 13u);
  EXPECT(report.files >= 4);
  EXPECT(report.records >= 9);
  EXPECT(report.unfinished_file.empty());
}

TEST(A_new_store_has_no_faults_and_a_directory_without_one_is_missing) {
  MemEnv env;
  VerifyReport report;
  EXPECT_CODE(VerifyDirectory(&env, kDirectory, kGoOn, &report), Code::kMissing);
  auto store = OpenStore(&env, VerifyOptions());
  REQUIRE(store != nullptr);
  EXPECT_CODE(VerifyDirectory(&env, kDirectory, kGoOn, &report), Code::kLocked);
  EXPECT_OK(store->Close());
  EXPECT_EQ(Describe(Verify(&env)), "0 faults");
}

TEST(Every_flipped_bit_that_opening_or_reading_would_notice_is_a_fault) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  Contents before;
  REQUIRE(ReadReadOnly(env.get(), &before));
  Random random;
  uint64_t found = 0;
  for (const std::string& path : env->AllFiles()) {
    std::string content;
    if (NameOf(path) == "LOCK" || NameOf(path) == "RESERVE" || !env->Content(path, &content)) continue;
    for (uint64_t i = 0; i < content.size(); i += ByteStride()) {
      const Context context(path + " byte " + std::to_string(i));
      std::string flipped = content;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << random.Below(8)));
      env->SetContent(path, flipped);
      const VerifyReport report = Verify(env.get());
      Contents after;
      const bool opens = ReadReadOnly(env.get(), &after);
      if (report.fault_count == 0 && !(opens && after == before)) Fail(__FILE__, __LINE__, "not found");
      if (!opens) EXPECT(report.fault_count > 0);
      if (report.fault_count > 0) found++;
    }
    env->SetContent(path, content);
  }
  EXPECT(found > 0);
}

// Of a store that was killed, an unfinished end is no fault; anything else is.
TEST(After_a_kill_what_opening_cuts_off_is_no_fault) {
  Random random;
  const uint64_t step = LongRun() ? 1 : 29 * ByteStride();
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kOs}) {
    MemEnv env;
    auto store = OpenStore(&env, VerifyOptions(mode));
    REQUIRE(store != nullptr);
    Fill(store.get());
    auto killed = env.KillProcess();
    EXPECT_OK(store->Close());
    EXPECT_EQ(Describe(Verify(killed.get())), "0 faults");
    std::vector<std::string> files = killed->AllFiles();
    for (const std::string& path : files) {
      std::string content;
      if (path.find(".log") == std::string::npos || !killed->Content(path, &content)) continue;
      for (uint64_t i = random.Below(step); i < content.size(); i += step) {
        const Context context(path + " byte " + std::to_string(i));
        std::string flipped = content;
        flipped[i] = static_cast<char>(flipped[i] ^ 4);
        killed->SetContent(path, flipped);
        Contents after;
        const VerifyReport report = Verify(killed.get());
        if (ReadReadOnly(killed.get(), &after) != (report.fault_count == 0)) Fail(__FILE__, __LINE__, Describe(report));
      }
      killed->SetContent(path, content);
    }
  }
}

TEST(Every_power_cut_of_a_store_with_compaction_leaves_no_fault) {
  MemEnv env;
  auto store = OpenStore(&env, VerifyOptions(SyncMode::kOs));
  REQUIRE(store != nullptr);
  Fill(store.get());
  for (uint64_t seed = 1; seed <= Rounds(100); seed++) {
    const Context context("seed " + std::to_string(seed));
    auto cut = env.PowerCutKeepRandom(seed);
    EXPECT_EQ(Describe(Verify(cut.get())), "0 faults");
  }
  EXPECT_OK(store->Close());
}

TEST(A_damaged_record_is_named_by_its_file_place_and_key) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  for (const std::string& path : env->AllFiles()) {
    std::string content;
    if (!env->Content(path, &content)) continue;
    const size_t at = content.find("new:2two");
    if (at == std::string::npos) continue;
    content[at + 6] = 'X';
    env->SetContent(path, content);
    const VerifyReport report = Verify(env.get());
    REQUIRE(report.faults.size() == 1);
    const crabkv::Fault& fault = report.faults[0];
    EXPECT_EQ(fault.file, NameOf(path));
    EXPECT(fault.offset < at && at < fault.offset + fault.bytes);
    // The batch of both puts goes as a whole.
    REQUIRE(fault.keys.size() == 2);
    EXPECT_EQ(fault.keys[0] + " " + fault.keys[1], "new:2 new:1");
    EXPECT_EQ(fault.key_count, 2u);
    return;
  }
  Fail(__FILE__, __LINE__, "the record is in no file");
}

TEST(A_missing_segment_is_a_fault_that_says_which) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  for (const std::string& path : env->AllFiles()) {
    const std::string name = NameOf(path);
    uint64_t number = 0;
    if (!ParseSegmentFileName(name, &number) && !ParseCompactedFileName(name, &number)) continue;
    const Context context(name);
    std::string content;
    REQUIRE(env->Content(path, &content));
    EXPECT_OK(env->Remove(path));
    const VerifyReport report = Verify(env.get());
    EXPECT(report.fault_count > 0);
    if (name.find(".seg") != std::string::npos) EXPECT(HasFaultIn(report, name));
    env->SetContent(path, content);
  }
  EXPECT_OK(env->Remove(std::string(kDirectory) + "/MANIFEST"));
  EXPECT(HasFaultIn(Verify(env.get()), "MANIFEST"));
}

TEST(An_open_store_is_checked_while_it_is_written_and_compacted) {
  MemEnv env;
  auto store = OpenStore(&env, VerifyOptions());
  REQUIRE(store != nullptr);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; i++) {
      EXPECT_OK(WriteAndWait(store.get(), {Put("k" + std::to_string(i % 50), std::string(300, 'v'))}));
      if (i % 40 == 39) EXPECT_OK(Compact(store.get()));
    }
  });
  for (uint64_t i = 0; i < Rounds(50); i++) {
    VerifyReport report;
    EXPECT_OK(store->Verify(kGoOn, &report));
    EXPECT_EQ(Describe(report), "0 faults");
  }
  stop = true;
  writer.join();
  EXPECT_OK(store->Close());
  EXPECT_EQ(Describe(Verify(&env)), "0 faults");
}

TEST(Rot_in_an_open_store_is_a_fault) {
  MemEnv env;
  auto store = OpenStore(&env, VerifyOptions());
  REQUIRE(store != nullptr);
  Fill(store.get());
  uint64_t files = 0;
  for (const std::string& path : env.AllFiles()) {
    std::string content;
    const size_t at = env.Content(path, &content) ? content.find("old:1") : std::string::npos;
    if (at == std::string::npos) continue;
    files++;
    std::string flipped = content;
    flipped[at + 5] = static_cast<char>(flipped[at + 5] ^ 1);
    std::unique_ptr<File> file;
    REQUIRE_OK(env.OpenFile(path, OpenMode::kReadWrite, &file));
    REQUIRE_OK(file->WriteAt(0, flipped));
    VerifyReport report;
    EXPECT_OK(store->Verify(kGoOn, &report));
    EXPECT(HasFaultIn(report, NameOf(path)));
    REQUIRE_OK(file->WriteAt(0, content));
  }
  EXPECT(files > 0);
  EXPECT_OK(store->Close());
  VerifyReport report;
  EXPECT_CODE(store->Verify(kGoOn, &report), Code::kClosed);
}

// Writes the file anew under the store that has it open.
void Overwrite(Env* env, const std::string& path, const std::string& content) {
  std::unique_ptr<File> file;
  REQUIRE_OK(env->OpenFile(path, OpenMode::kReadWrite, &file));
  EXPECT_OK(file->WriteAt(0, content));
}

TEST(What_an_open_store_has_lost_beside_its_records_is_a_fault) {
  MemEnv env;
  auto store = OpenStore(&env, VerifyOptions());
  REQUIRE(store != nullptr);
  Fill(store.get());
  std::string header_of_another;
  for (const std::string& path : env.AllFiles()) {
    const std::string name = NameOf(path);
    uint64_t number = 0;
    const bool compacted = ParseCompactedFileName(name, &number);
    const bool log = ParseSegmentFileName(name, &number);
    std::string content;
    if (!compacted && !log && name != "MANIFEST") continue;
    REQUIRE(env.Content(path, &content));
    VerifyReport before;
    EXPECT_OK(store->Verify(kGoOn, &before));
    EXPECT_EQ(Describe(before), "0 faults");
    const Context context(name);
    std::string flipped = content;
    flipped[40] = static_cast<char>(flipped[40] ^ 1);
    VerifyReport report;
    Overwrite(&env, path, flipped);
    EXPECT_OK(store->Verify(kGoOn, &report));
    // A segment that was made ahead holds nothing yet.
    const bool holds = content.size() > SegmentHeader::kBytes && content[SegmentHeader::kBytes] != 0;
    if (holds) EXPECT(HasFaultIn(report, name));
    Overwrite(&env, path, content);
    if (log && holds && !header_of_another.empty()) {
      VerifyReport swapped;
      Overwrite(&env, path, header_of_another);
      EXPECT_OK(store->Verify(kGoOn, &swapped));
      EXPECT(Describe(swapped).find("its header is that of another segment") != std::string::npos);
      Overwrite(&env, path, content);
    }
    if (log) header_of_another = content.substr(0, SegmentHeader::kBytes);
    if (log) continue;
    EXPECT_OK(env.Remove(path));
    VerifyReport missing;
    EXPECT_OK(store->Verify(kGoOn, &missing));
    EXPECT(HasFaultIn(missing, name));
    env.SetContent(path, content);
  }
}

TEST(A_check_of_an_open_store_whose_calls_fail_says_so) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, VerifyOptions());
  REQUIRE(store != nullptr);
  Fill(store.get());
  bool hit = true;
  for (uint64_t nth = 1; hit; nth++) {
    const Context context("call " + std::to_string(nth));
    test::Fault fault;
    fault.nth = nth;
    fault.kinds = kReadCall | kOpenCall | kStatCall;
    env.Inject(fault);
    const uint64_t before = env.faults_hit();
    VerifyReport report;
    const Status status = store->Verify(kGoOn, &report);
    hit = env.faults_hit() != before;
    env.ClearFaults();
    EXPECT_EQ(status.Is(Code::kIo), hit);
    EXPECT_EQ(Describe(report), "0 faults");
  }
  EXPECT_OK(store->Close());
}

TEST(Of_more_faults_or_keys_than_a_report_holds_the_rest_is_counted) {
  MemEnv env;
  Options options = VerifyOptions();
  options.segment_bytes = 1 << 20;
  auto store = OpenStore(&env, options);
  REQUIRE(store != nullptr);
  constexpr uint64_t kFaults = VerifyReport::kFaultsMax + 50;
  for (uint64_t i = 0; i < kFaults; i++) EXPECT_OK(WriteAndWait(store.get(), {Put("rotten", "r")}));
  Changes many;
  for (int i = 0; i < 40; i++) many.push_back(Put("many" + std::to_string(100 + i), "rotten"));
  many.push_back(Put(std::string(3000, 'K') + "rotten", "v"));
  EXPECT_OK(WriteAndWait(store.get(), many));
  EXPECT_OK(store->Close());
  const std::string path = std::string(kDirectory) + "/00000001.log";
  std::string content;
  REQUIRE(env.Content(path, &content));
  for (size_t at = content.find("rotten"); at != std::string::npos; at = content.find("rotten", at + 1)) {
    content[at] = 'R';
  }
  env.SetContent(path, content);
  const VerifyReport report = Verify(&env);
  EXPECT_EQ(report.faults.size(), VerifyReport::kFaultsMax);
  EXPECT_EQ(report.fault_count, kFaults + 1);
  // The last one alone.
  for (size_t at = content.find("Rotten"), n = 0; n < kFaults; at = content.find("Rotten", at + 1), n++) {
    content[at] = 'r';
  }
  env.SetContent(path, content);
  const VerifyReport last = Verify(&env);
  REQUIRE(last.faults.size() == 1);
  EXPECT_EQ(last.faults[0].keys.size(), crabkv::Fault::kKeysMax);
  EXPECT_EQ(last.faults[0].key_count, 41u);
  for (const std::string& key : last.faults[0].keys) EXPECT(key.size() <= crabkv::Fault::kKeyBytesMax);
}

TEST(A_check_can_be_given_up) {
  auto env = FilledAndClosed();
  REQUIRE(env != nullptr);
  VerifyReport report;
  int steps = 0;
  EXPECT_CODE(VerifyDirectory(
                  env.get(), kDirectory, [&](uint64_t) { return ++steps < 3; }, &report),
              Code::kAborted);
  EXPECT_EQ(steps, 3);
}

}  // namespace
}  // namespace crabkv::test
