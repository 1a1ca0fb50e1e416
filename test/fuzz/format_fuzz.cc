// Records, frames and the MANIFEST, alone.
#include "native/core/coding.h"
#include "native/core/compression.h"
#include "native/core/frame_reader.h"
#include "native/core/manifest.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/mend.h"
#include "test/native/mem_env.h"

namespace crabkv::fuzz {

namespace {

constexpr char kDirectory[] = "/db";

std::unique_ptr<test::MemEnv> EnvWith(const char* name, const std::string& content) {
  test::MemEnvOptions options;
  options.file_bytes_max = 4 << 20;
  auto env = std::make_unique<test::MemEnv>(options);
  CHECK(env->CreateDirectory(kDirectory).ok());
  env->SetContent(std::string(kDirectory) + "/" + name, content);
  return env;
}

void ReadRecord(const RecordHeader& record, std::string_view bytes) {
  std::string value(record.raw_bytes, '\0');
  if (!CopyValue(record, bytes, value.data())) return;
  // What was read writes itself again.
  if (record.flags != 0 || bytes.size() < record.record_bytes()) return;
  const std::string_view key = bytes.substr(RecordHeader::kBytes, record.key_bytes);
  std::string again(record.record_bytes(), '\0');
  RecordHeader header = record;
  EncodeRecord(header, key, value, again.data());
  RecordHeader decoded;
  CHECK(DecodeRecordHeader(again.data(), again.size(), &decoded));
  CHECK(decoded.lsn == record.lsn && decoded.raw_bytes == record.raw_bytes && decoded.key_bytes == record.key_bytes);
}

}  // namespace

// The salt, then records back to back.
FUZZ(record) {
  Input from(input);
  const uint64_t salt = from.Number();
  const std::string bytes(from.rest());
  for (uint64_t at = 0; at < bytes.size();) {
    RecordHeader record;
    if (!DecodeRecordHeader(bytes.data() + at, bytes.size() - at, &record)) break;
    CHECK(record.record_bytes() <= bytes.size() - at && record.record_bytes() >= RecordHeader::kBytes);
    const bool checks = CheckRecord(record, bytes.data() + at, salt);
    static_cast<void>(checks);
    ReadRecord(record, std::string_view(bytes).substr(at));
    at += record.record_bytes();
  }
}

// How, then a segment.
FUZZ(frame) {
  Input from(input);
  const bool mend = from.Byte() % 4 != 0;
  std::string bytes(from.rest());
  uint32_t chain = 0;
  if (mend) MendSegment(&bytes, &chain);
  SegmentHeader header;
  const Status decoded = DecodeSegmentHeader(bytes, "segment", &header);
  if (!decoded.ok()) header.salt = bytes.size() < 56 ? 0 : GetU64(bytes.data() + 48);
  const auto env = EnvWith("segment", bytes);
  std::unique_ptr<File> file;
  CHECK(env->OpenFile(std::string(kDirectory) + "/segment", OpenMode::kRead, &file).ok());
  FrameReader reader(file.get(), "segment", header.salt, SegmentHeader::kBytes, bytes.size());
  uint64_t offset = reader.offset();
  for (;;) {
    Frame frame;
    FrameReader::Result result;
    std::string why;
    CHECK(reader.Next(&result, &frame, &why).ok());
    if (result != FrameReader::Result::kFrame) {
      CHECK(reader.offset() == offset);
      break;
    }
    CHECK(frame.offset == offset && reader.offset() == offset + frame.header.frame_bytes());
    offset = reader.offset();
    if (frame.header.type != FrameType::kData && frame.header.type != FrameType::kBlock) continue;
    ForEachRecord(frame.payload,
                  [&](const RecordHeader& record, uint64_t at) { ReadRecord(record, frame.payload.substr(at)); });
  }
  bool found = false;
  uint64_t at = 0;
  CHECK(FindFrameHeader(
            file.get(), header.salt, 0, bytes.size(), [](const FrameHeader&) { return false; }, &found, &at)
            .ok());
  CHECK(!found);
}

// How, then a MANIFEST. What it says is said again by one that is written from it.
FUZZ(manifest) {
  Input from(input);
  const bool mend = from.Byte() % 4 != 0;
  std::string bytes(from.rest());
  if (mend) MendManifest(&bytes);
  const auto env = EnvWith(Manifest::kFileName, bytes);
  ManifestState state;
  if (!Manifest::Load(env.get(), kDirectory, &state).ok()) return;
  CHECK(Manifest::Write(env.get(), kDirectory, state).ok());
  if (state.clean && !state.is_backup) CHECK(Manifest::AppendClean(env.get(), kDirectory, state).ok());
  ManifestState again;
  CHECK(Manifest::Load(env.get(), kDirectory, &again).ok());
  CHECK(again.epoch == state.epoch && again.epoch_first_lsn == state.epoch_first_lsn && again.clean == state.clean);
  CHECK(again.store_id == state.store_id && again.hash_seed[1] == state.hash_seed[1]);
  CHECK(again.cut.segment == state.cut.segment && again.cut.next_segment == state.cut.next_segment);
  CHECK(again.compacted.size() == state.compacted.size() && again.clock_ms == state.clock_ms);
}

}  // namespace crabkv::fuzz
