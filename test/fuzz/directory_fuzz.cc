// A whole directory: opening, reading, verifying and opening again, whatever lies in its files.
#include <map>

#include "native/core/coding.h"
#include "native/core/format.h"
#include "native/core/hint_format.h"
#include "native/core/manifest.h"
#include "native/core/store.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/mend.h"
#include "test/native/mem_env.h"

namespace crabkv::fuzz {

namespace {

constexpr char kDirectory[] = "/db";

enum FileKind : uint8_t { kManifestFile, kLogFile, kCompactedFile, kLogHintFile, kCompactedHintFile, kFileKinds };

std::string NameOf(uint8_t kind, uint8_t number) {
  switch (kind) {
    case kManifestFile:
      return Manifest::kFileName;
    case kLogFile:
      return SegmentFileName(number);
    case kCompactedFile:
      return CompactedFileName(number);
    default:
      return HintFileName(kind == kLogHintFile ? SegmentKind::kLog : SegmentKind::kCompacted, number);
  }
}

// How, then files: kind and number (a byte each), length, content. `*forged`: some file says what no store has written,
// under checksums that are right, and is believed.
std::unique_ptr<test::MemEnv> MakeDirectory(std::string_view input, bool* forged) {
  Input from(input);
  const bool mend = from.Byte() % 4 != 0;
  test::MemEnvOptions options;
  options.file_bytes_max = 4 << 20;
  auto env = std::make_unique<test::MemEnv>(options);
  CHECK(env->CreateDirectory(kDirectory).ok());
  uint32_t chain = 0;
  for (int file = 0; file < 8 && !from.empty(); file++) {
    const uint8_t kind = from.Byte() % kFileKinds;
    const uint8_t number = from.Byte();
    std::string content = from.Part(from.Number());
    if (mend && kind == kManifestFile) MendManifest(&content);
    // Those of the log chain in the order in which they come; a compacted one by itself.
    uint32_t own_chain = 0;
    if (mend && kind == kLogFile) MendSegment(&content, &chain);
    if (mend && kind == kCompactedFile) MendSegment(&content, &own_chain);
    if (mend && kind > kCompactedFile) MendHint(&content);
    *forged = *forged || (mend && kind > kCompactedFile);
    env->SetContent(std::string(kDirectory) + "/" + NameOf(kind, number), content);
  }
  return env;
}

Options SmallOptions(bool read_only) {
  Options options;
  options.segment_bytes = 64 << 10;
  options.shard_count = 2;
  options.read_only = read_only;
  options.auto_compaction = false;
  return options;
}

struct Contents {
  std::map<std::string, uint64_t> versions;  // by key
  bool complete = false;
};

// Reading may find what opening does not look at (a value that can't be decompressed); it must say so.
Contents ReadAll(Store* store) {
  Contents contents;
  std::unique_ptr<Scan> scan;
  if (!store->NewScan(ScanOptions(), &scan).ok()) return contents;
  for (bool done = false; !done;) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    if (!scan->Next(100, 1 << 20, &chunk, &entries, &done).ok()) return contents;
    const char* at = chunk.data();
    for (uint32_t i = 0; i < entries; i++) {
      const uint32_t key_bytes = GetU32(at);
      const uint32_t value_bytes = GetU32(at + 4);
      const std::string key(at + 24, key_bytes);
      contents.versions[key] = GetU64(at + 8);
      ReadBuffer value;
      EntryInfo info;
      const Status read = store->Get(key, DiskWait::kAllowed, &value, &info);
      CHECK(!read.ok() || !info.found || info.version == contents.versions[key]);
      at += 24 + key_bytes + value_bytes;
    }
  }
  contents.complete = true;
  return contents;
}

bool OpenAndRead(Env* env, bool read_only, Contents* contents) {
  std::shared_ptr<Store> store;
  if (!Store::Open(env, kDirectory, SmallOptions(read_only), &store).ok()) return false;
  *contents = ReadAll(store.get());
  if (!read_only) {
    Commit commit;
    if (store->Put("and", "on", 0, &commit).ok()) CHECK(store->WaitFor(commit.group, true).ok());
    contents->versions["and"] = commit.version;
  }
  CHECK(store->Close().ok());
  return true;
}

// Finishing a cut, as opening for writing does, takes three calls for each segment number in it, of which a forged
// MANIFEST may name a million: that ends, but takes longer than an input may.
bool TellsOfWideCut(Env* env) {
  constexpr uint64_t kSegmentsMax = 4096;
  ManifestState state;
  return Manifest::Load(env, kDirectory, &state).ok() && state.cut.next_segment > state.cut.segment + kSegmentsMax;
}

}  // namespace

FUZZ(directory) {
  bool forged = false;
  const auto env = MakeDirectory(input, &forged);
  VerifyReport report;
  const Status verified = VerifyDirectory(
      env.get(), kDirectory, [](uint64_t) { return true; }, &report);
  static_cast<void>(verified);
  Contents read_only, written, again;
  const bool opens_for_reading = OpenAndRead(env.get(), true, &read_only);
  if (TellsOfWideCut(env.get())) return;
  if (!OpenAndRead(env.get(), false, &written)) return;
  // What an opening has made of it is a store.
  CHECK(OpenAndRead(env.get(), true, &again) || forged);
  if (forged || !written.complete) return;
  CHECK(again.complete && again.versions == written.versions);
  // A directory without a store in it becomes one.
  if (!opens_for_reading) return;
  for (const auto& [key, version] : read_only.versions) CHECK(key == "and" || written.versions.count(key) == 1);
}

}  // namespace crabkv::fuzz
