// A log of every kind of record over three segments is cut at every byte and has every bit flipped, in the segments and
// in the MANIFEST, after a clean close and after a kill. Opening what is left gives a prefix of the log in whole
// batches, no shorter than what the intact rest proves durable, or an error; never a wrong value. The second segment is
// one large record, of which only some bytes are tried.
#include <algorithm>
#include <chrono>
#include <thread>

#include "native/core/frame_reader.h"
#include "native/core/group_queue.h"
#include "native/core/manifest.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

struct ProvingFrame {
  uint64_t offset = 0;
  uint64_t end = 0;
  uint64_t durable_lsn = 0;
};

struct Log {
  SyncMode mode = SyncMode::kAlways;
  bool clean = false;
  std::map<std::string, std::string> files;                 // by path
  std::map<std::string, std::vector<ProvingFrame>> frames;  // of the segments
  std::map<uint64_t, Contents> states;                      // by the last LSN: what the store holds then
  uint64_t manifest_proof = 0;                              // what the MANIFEST proves durable
};

Options LogOptions(SyncMode mode) {
  Options options = SmallOptions(mode);
  options.compression = Codec::kSnappy;
  options.auto_compaction = false;
  return options;
}

// Written by hand, in log order; every batch is acknowledged before the next one.
std::vector<Changes> AllKindsOfChanges() {
  Random random(42);
  const std::string squeezable(300, 's');
  return {
      {Put("plain", random.Bytes(40))},
      {Put("a", "1"), Put("", ""), Put("b", squeezable), Delete("plain"), Expire("a", 1'900'000'000'000)},
      {Put("deadline", "d", 1'800'000'000'000)},
      {Expire("deadline", 0)},
      {Put("b", "short")},
      {Delete("a")},
      {Put("odd", random.Bytes(21))},
      {Put("big", random.Bytes(134'000))},  // a segment of its own
      {Delete("big"), Put("after", "big")},
      {Put("x", squeezable), Put("y", random.Bytes(33)), Put("x", "again")},
      {Expire("y", 1'850'000'000'000)},
      {Delete("")},
      {Put("last", "one")},
  };
}

void NoteFrames(const MemEnv& env, Log* log) {
  for (const std::string& path : env.AllFiles()) {
    uint64_t number = 0;
    std::string content;
    if (!env.Content(path, &content)) continue;
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name == "MANIFEST") log->files[path] = content;
    if (!ParseSegmentFileName(name, &number)) continue;
    log->files[path] = content;
    SegmentHeader header;
    EXPECT_OK(DecodeSegmentHeader(content, path, &header));
    for (uint64_t at = SegmentHeader::kBytes; at < content.size();) {
      FrameHeader frame;
      if (!DecodeFrameHeader(std::string_view(content).substr(at), header.salt, &frame)) break;
      log->frames[path].push_back({at, at + frame.frame_bytes(), frame.durable_lsn});
      at += frame.frame_bytes();
    }
  }
}

Log MakeLog(SyncMode mode, bool clean) {
  Log log;
  log.mode = mode;
  log.clean = clean;
  MemEnv env;
  ModelLog model;
  auto store = OpenStore(&env, LogOptions(mode));
  log.states[0] = Contents();
  for (const Changes& changes : AllKindsOfChanges()) {
    Commit commit;
    EXPECT_OK(WriteAndWait(store.get(), changes, &commit));
    model.Add(commit, changes);
    log.states[commit.version] = model.At(commit.version);
    if (changes[0].key == "b" && mode == SyncMode::kAlways) {
      // A watermark vouches for this one.
      const uint64_t before = store->Stats().log_bytes;
      for (int i = 0; i < 1000 && store->Stats().log_bytes == before; i++) {
        env.AdvanceMs(60);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      EXPECT_EQ(store->Stats().log_bytes, before + FrameHeader::kBytes);
    }
  }
  if (clean) EXPECT_OK(store->Close());
  if (clean) log.manifest_proof = model.last_version();
  NoteFrames(env, &log);
  EXPECT_EQ(log.frames.size(), 3u);
  EXPECT_OK(store->Close());
  return log;
}

// What is proven durable by the frames that do not touch [begin, end) of `path`, and by the MANIFEST if that is intact.
uint64_t ProvenWithout(const Log& log, const std::string& path, uint64_t begin, uint64_t end) {
  uint64_t proven = log.frames.count(path) == 1 ? log.manifest_proof : 0;
  for (const auto& [file, frames] : log.frames) {
    for (const ProvingFrame& frame : frames) {
      if (file == path && frame.offset < end && frame.end > begin) continue;
      proven = std::max(proven, frame.durable_lsn);
    }
  }
  return proven;
}

// Tries damage on one machine after the other.
class Bench {
 public:
  explicit Bench(const Log* log) : log_(log) {
    EXPECT_OK(env_.CreateDirectory(kDirectory));
    for (const auto& [path, content] : log->files) env_.SetContent(path, content);
  }

  // The file holds `damaged` now; what the rest proves must be found, or the damage reported.
  void Try(const std::string& path, const std::string& damaged, uint64_t proven, bool for_writing) {
    env_.SetContent(path, damaged);
    if (!for_writing) {
      Options options = LogOptions(log_->mode);
      options.read_only = true;
      Check(&env_, options, proven);
    } else if (auto machine = env_.KillProcess(); Check(machine.get(), LogOptions(log_->mode), proven)) {
      // What the opening showed stays.
      auto after = machine->PowerCutKeepNothing();
      Check(after.get(), LogOptions(log_->mode), shown_);
    }
    env_.SetContent(path, log_->files.at(path));
  }

  uint64_t opened = 0;
  uint64_t refused = 0;

 private:
  bool Check(Env* env, const Options& options, uint64_t proven) {
    std::shared_ptr<Store> store;
    const Status status = Store::Open(env, kDirectory, options, &store);
    if (!status.ok()) {
      refused++;
      if (!status.Is(Code::kCorruption) && !status.Is(Code::kFormat)) EXPECT_CODE(status, Code::kCorruption);
      return false;
    }
    opened++;
    Contents contents;
    EXPECT_OK(ReadAll(store.get(), &contents));
    // All states differ.
    for (const auto& [version, state] : log_->states) {
      if (!(state == contents)) continue;
      shown_ = version;
      return EXPECT(version >= proven);
    }
    EXPECT_EQ(Difference(log_->states.rbegin()->second, contents), "the same, or another state");
    return false;
  }

  const Log* const log_;
  MemEnv env_;
  uint64_t shown_ = 0;
};

// The offsets of a file to try: all of a small one; the beginning, the end and a few others of a large one.
std::vector<uint64_t> Offsets(uint64_t size) {
  std::vector<uint64_t> offsets;
  Random random;
  for (uint64_t at = 0; at < size; at++) {
    const bool inside = at > 320 && at + 200 < size && size > 20'000;
    if (inside ? random.OneIn(1000) : random.OneIn(ByteStride())) offsets.push_back(at);
  }
  return offsets;
}

std::string Where(const Log& log, const std::string& path, uint64_t offset) {
  return path + " at " + std::to_string(offset) + (log.clean ? ", closed" : ", killed") + ", sync mode " +
         std::to_string(static_cast<int>(log.mode));
}

void CutEverywhere(const Log& log) {
  Bench bench(&log);
  Random random;
  for (const auto& [path, content] : log.files) {
    for (const uint64_t offset : Offsets(content.size())) {
      const Context context("cut " + Where(log, path, offset));
      bench.Try(path, content.substr(0, offset), ProvenWithout(log, path, offset, UINT64_MAX), random.OneIn(16));
    }
  }
  EXPECT(bench.refused > 0);
  EXPECT(bench.opened > 0);
}

void FlipEverywhere(const Log& log, bool every_bit) {
  Bench bench(&log);
  Random random;
  for (const auto& [path, content] : log.files) {
    for (const uint64_t offset : Offsets(content.size())) {
      for (uint32_t bit = every_bit ? 0 : static_cast<uint32_t>(random.Below(8)); bit < 8; bit += every_bit ? 1 : 8) {
        const Context context("bit " + std::to_string(bit) + " of " + Where(log, path, offset));
        std::string damaged = content;
        damaged[offset] = static_cast<char>(damaged[offset] ^ (1 << bit));
        bench.Try(path, damaged, ProvenWithout(log, path, offset, offset + 1), random.OneIn(16));
      }
    }
  }
  EXPECT(bench.refused > 0);
  EXPECT(bench.opened > 0);
}

TEST(A_log_cut_at_any_byte_opens_as_a_prefix_or_is_refused) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kOs}) {
    CutEverywhere(MakeLog(mode, true));
    CutEverywhere(MakeLog(mode, false));
  }
}

TEST(A_log_with_any_bit_flipped_opens_as_a_prefix_or_is_refused) {
  FlipEverywhere(MakeLog(SyncMode::kAlways, false), Stride() == 1);
  FlipEverywhere(MakeLog(SyncMode::kAlways, true), LongRun());
  FlipEverywhere(MakeLog(SyncMode::kOs, false), LongRun());
  FlipEverywhere(MakeLog(SyncMode::kInterval, true), LongRun());
}

// With nothing damaged all of it is there: or the tests above would pass by refusing everything.
TEST(An_undamaged_log_opens_whole) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    for (const bool clean : {true, false}) {
      const Log log = MakeLog(mode, clean);
      Bench bench(&log);
      const auto& [path, content] = *log.files.begin();
      for (const bool for_writing : {true, false}) bench.Try(path, content, log.states.rbegin()->first, for_writing);
      EXPECT_EQ(bench.refused, 0u);
    }
  }
}

// --- Reading what is damaged under an open store.

bool ReadsRight(Store* store, const std::string& key, const std::string& value, bool many) {
  ReadBuffer buffer;
  EntryInfo info;
  const Status single = store->Get(key, DiskWait::kAllowed, &buffer, &info);
  const bool right = single.ok() && info.found && buffer.view() == value;
  if (!right) EXPECT_CODE(single, Code::kCorruption);
  if (!many) return right;
  const std::string_view view = key;
  MultiGetResult result;
  const Status multiple = store->GetMany(&view, 1, DiskWait::kAllowed, &result);
  EXPECT_EQ(multiple.ok(), right);
  if (multiple.ok()) EXPECT(result.items[0].found && result.values.view() == value);
  return right;
}

TEST(A_record_damaged_under_an_open_store_is_an_error_and_never_a_value) {
  MemEnv env;
  auto store = OpenStore(&env, LogOptions(SyncMode::kAlways));
  const std::string plain = Random(7).Bytes(45);
  const std::string squeezed = std::string(200, 'q') + "end";
  Commit commit;
  EXPECT_OK(WriteAndWait(store.get(), {Put("plain key", plain), Put("squeezed key", squeezed)}, &commit));
  const std::string path = std::string(kDirectory) + "/00000001.log";
  std::string content;
  REQUIRE(env.Content(path, &content));
  const uint64_t end = store->Stats().log_bytes;
  const uint64_t begin = GroupQueue::kFirstOffset + FrameHeader::kBytes;
  std::vector<bool> padding(end, false);
  ForEachRecord(std::string_view(content).substr(begin, end - begin), [&](const RecordHeader& record, uint64_t at) {
    const uint64_t used = RecordHeader::kBytes + record.key_bytes + record.stored_bytes;
    for (uint64_t byte = used; byte < record.record_bytes(); byte++) padding[begin + at + byte] = true;
  });
  for (uint64_t at = begin; at < end; at++) {
    for (int bit = 0; bit < 8; bit++) {
      std::string damaged = content;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      env.SetContent(path, damaged);
      const Context context("bit " + std::to_string(bit) + " at " + std::to_string(at));
      const bool both = static_cast<int>(ReadsRight(store.get(), "plain key", plain, true)) &
                        static_cast<int>(ReadsRight(store.get(), "squeezed key", squeezed, true));
      EXPECT_EQ(both, padding[at]);
      Contents contents;
      const Status scanned = ReadAll(store.get(), &contents);
      if (scanned.ok()) EXPECT(contents["plain key"].value == plain && contents["squeezed key"].value == squeezed);
      if (!both) EXPECT_CODE(scanned, Code::kCorruption);
    }
  }
  env.SetContent(path, content);
  EXPECT_EQ(Get(store.get(), "plain key"), plain);
}

TEST(A_cut_of_more_segments_than_a_store_may_have_is_refused) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  REQUIRE(store != nullptr);
  EXPECT_OK(WriteAndWait(store.get(), {Put("k", "v")}));
  EXPECT_OK(store->Close());
  store.reset();
  ManifestState state;
  EXPECT_OK(Manifest::Load(&env, kDirectory, &state));
  for (const LogCut& cut : {LogCut{1, 0, uint64_t{1} << 40}, LogCut{9, 0, 4}, LogCut{0, 0, UINT64_MAX}}) {
    state.cut = cut;
    EXPECT_OK(Manifest::Write(&env, kDirectory, state));
    EXPECT_CODE(Store::Open(&env, kDirectory, SmallOptions(), &store), Code::kCorruption);
  }
}

}  // namespace
}  // namespace crabkv::test
