// A directory that a newer version wrote, or that says what no version writes, with every checksum right: it is refused
// with its reason by opening and by verifying, and nothing in it is changed.
#include <functional>

#include "native/core/coding.h"
#include "native/core/crc32c.h"
#include "native/core/format.h"
#include "native/core/verify.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

constexpr uint64_t kManifestHeaderBytes = 32;
constexpr uint64_t kEditHeaderBytes = 16;

const std::string kManifest = std::string(kDirectory) + "/MANIFEST";
const std::string kSegment = std::string(kDirectory) + "/00000001.log";

std::unique_ptr<MemEnv> Closed() {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("k", "v")}));
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

// The place of the n-th edit of a MANIFEST.
uint64_t EditAt(const std::string& manifest, int n) {
  uint64_t at = kManifestHeaderBytes;
  for (; n > 0; n--) at += kEditHeaderBytes + GetU32(&manifest[at + 12]);
  return at;
}

void FixManifestHeader(std::string* bytes) { PutU32(&(*bytes)[28], Crc32c(bytes->data(), 28)); }

// Makes the CRCs of all edits, and the links between them, right.
void FixEdits(std::string* bytes) {
  uint32_t previous = 0;
  for (uint64_t at = kManifestHeaderBytes; at < bytes->size();) {
    const uint64_t length = kEditHeaderBytes + GetU32(&(*bytes)[at + 12]);
    PutU32(&(*bytes)[at + 4], previous);
    previous = Crc32c(bytes->data() + at + 4, length - 4);
    PutU32(&(*bytes)[at], previous);
    at += length;
  }
}

// Leaves the n-th edit with this many fields.
void CutEdit(std::string* bytes, int n, uint64_t fields) {
  const uint64_t at = EditAt(*bytes, n);
  const uint64_t before = GetU32(&(*bytes)[at + 12]);
  PutU32(&(*bytes)[at + 12], static_cast<uint32_t>(8 * fields));
  bytes->erase(at + kEditHeaderBytes + 8 * fields, before - 8 * fields);
  FixEdits(bytes);
}

void FixSegmentHeader(std::string* bytes) { PutU32(&(*bytes)[124], Crc32c(bytes->data(), 124)); }

struct Strange {
  const std::string* path;
  const char* reason;
  Code code;
  std::function<void(std::string*)> change;
};

const Strange kStrange[] = {
    {&kManifest, "format version 2; this version of CrabKV reads version 1", Code::kFormat,
     [](std::string* bytes) { PutU16(&(*bytes)[8], 2), FixManifestHeader(bytes); }},
    {&kManifest, "format features that this version of CrabKV does not know", Code::kFormat,
     [](std::string* bytes) { PutU32(&(*bytes)[12], 0x80), FixManifestHeader(bytes); }},
    {&kManifest, "unknown key hash", Code::kFormat,
     [](std::string* bytes) {
       PutU64(&(*bytes)[EditAt(*bytes, 0) + kEditHeaderBytes + 32], 9);
       FixEdits(bytes);
     }},
    {&kManifest, "unknown manifest edit 77", Code::kFormat,
     [](std::string* bytes) { PutU32(&(*bytes)[EditAt(*bytes, 1) + 8], 77), FixEdits(bytes); }},
    {&kManifest, "unknown manifest edit 1", Code::kFormat, [](std::string* bytes) { CutEdit(bytes, 0, 4); }},
    {&kManifest, "unknown manifest edit 2", Code::kFormat, [](std::string* bytes) { CutEdit(bytes, 1, 5); }},
    {&kManifest, "unknown manifest edit 3", Code::kFormat, [](std::string* bytes) { CutEdit(bytes, 2, 2); }},
    {&kManifest, "unknown manifest edit 4", Code::kFormat,
     [](std::string* bytes) { PutU32(&(*bytes)[EditAt(*bytes, 2) + 8], 4), FixEdits(bytes); }},
    {&kManifest, "unknown manifest edit 5", Code::kFormat,
     [](std::string* bytes) { PutU32(&(*bytes)[EditAt(*bytes, 2) + 8], 5), FixEdits(bytes); }},
    {&kManifest, "an edit is missing before this one", Code::kCorruption,
     [](std::string* bytes) {
       const uint64_t at = EditAt(*bytes, 1);
       bytes->erase(at, EditAt(*bytes, 2) - at);
     }},
    {&kManifest, "is not a CrabKV manifest", Code::kFormat, [](std::string* bytes) { *bytes = "something else"; }},
    {&kManifest, "the store's own entries fail their CRC", Code::kCorruption,
     [](std::string* bytes) { bytes->resize(kManifestHeaderBytes); }},
    {&kManifest, "the entries of the backup fail their CRC", Code::kCorruption,
     [](std::string* bytes) { PutU32(&(*bytes)[12], 1), FixManifestHeader(bytes); }},
    {&kSegment, "has format version 2; this version reads 1", Code::kFormat,
     [](std::string* bytes) { PutU16(&(*bytes)[8], 2), FixSegmentHeader(bytes); }},
    {&kSegment, "uses format features that this version does not know", Code::kFormat,
     [](std::string* bytes) { PutU32(&(*bytes)[12], 1), FixSegmentHeader(bytes); }},
    {&kSegment, "is not a CrabKV segment", Code::kFormat,
     [](std::string* bytes) { (*bytes)[0] = 'X', FixSegmentHeader(bytes); }},
    {&kSegment, "the segment header is cut short", Code::kCorruption,
     [](std::string* bytes) { bytes->resize(SegmentHeader::kBytes - 1); }},
};

TEST(What_a_newer_version_or_none_wrote_is_refused_with_its_reason_and_left_as_it_is) {
  auto whole = Closed();
  for (const Strange& strange : kStrange) {
    const Context context(strange.reason);
    auto env = whole->KillProcess();
    std::string bytes;
    REQUIRE(env->Content(*strange.path, &bytes));
    strange.change(&bytes);
    env->SetContent(*strange.path, bytes);
    const uint64_t before = env->Fingerprint();
    for (const bool read_only : {true, false}) {
      Options options = SmallOptions();
      options.read_only = read_only;
      std::shared_ptr<Store> store;
      const Status status = Store::Open(env.get(), kDirectory, options, &store);
      EXPECT_CODE(status, strange.code);
      if (status.message().find(strange.reason) == std::string::npos) Fail(__FILE__, __LINE__, status.message());
      EXPECT_EQ(env->Fingerprint(), before);
    }
    VerifyReport report;
    EXPECT_OK(VerifyDirectory(
        env.get(), kDirectory, [](uint64_t) { return true; }, &report));
    EXPECT(report.fault_count > 0);
    if (strange.path == &kSegment) continue;
    // With nothing but such a MANIFEST there is nothing to check.
    EXPECT_OK(env->Remove(kSegment));
    const Status alone = VerifyDirectory(
        env.get(), kDirectory, [](uint64_t) { return true; }, &report);
    if (strange.code == Code::kFormat) EXPECT_CODE(alone, Code::kFormat);
    if (strange.code != Code::kFormat) EXPECT_OK(alone);
  }
}

TEST(A_newer_minor_version_is_read) {
  auto env = Closed();
  std::string bytes;
  REQUIRE(env->Content(kManifest, &bytes));
  PutU16(&bytes[10], 7);
  FixManifestHeader(&bytes);
  env->SetContent(kManifest, bytes);
  auto store = OpenStore(env.get(), SmallOptions());
  REQUIRE(store != nullptr);
  EXPECT_EQ(Get(store.get(), "k"), "v");
}

}  // namespace
}  // namespace crabkv::test
