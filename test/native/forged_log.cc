#include "test/native/forged_log.h"

#include <algorithm>

#include "native/core/crc32c.h"
#include "native/core/frame_reader.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

namespace {

bool HasRecords(FrameType type) { return type == FrameType::kData || type == FrameType::kBlock; }

uint32_t PayloadCrc(const ForgedFrame& frame) {
  if (!HasRecords(frame.header.type) || frame.header.count == 0)
    return Crc32c(frame.payload.data(), frame.payload.size());
  uint32_t crc = 0;
  ForEachRecord(frame.payload,
                [&](const RecordHeader&, uint64_t at) { crc = Crc32cExtend(crc, frame.payload.data() + at, 4); });
  return crc;
}

ForgedSegment Parse(const std::string& path, const std::string& content) {
  ForgedSegment segment;
  segment.path = path;
  segment.bytes = content.size();
  EXPECT_OK(DecodeSegmentHeader(content, path, &segment.header));
  for (uint64_t at = SegmentHeader::kBytes; at < content.size();) {
    ForgedFrame frame;
    const std::string_view rest = std::string_view(content).substr(at);
    if (!DecodeFrameHeader(rest, segment.header.salt, &frame.header)) break;
    frame.payload = rest.substr(FrameHeader::kBytes, frame.header.payload_bytes);
    at += frame.header.frame_bytes();
    segment.frames.push_back(std::move(frame));
  }
  return segment;
}

// The file's bytes; `*crc` is that of the frame before, and becomes that of the last one.
std::string Content(ForgedSegment* segment, uint32_t* crc) {
  std::string content(SegmentHeader::kBytes, '\0');
  EncodeSegmentHeader(segment->header, content.data());
  uint64_t seal_offset = 0;
  for (ForgedFrame& frame : segment->frames) {
    if (frame.linked) frame.header.previous_crc = *crc;
    frame.header.payload_bytes = static_cast<uint32_t>(frame.payload.size());
    frame.header.payload_crc = PayloadCrc(frame);
    char header[FrameHeader::kBytes];
    EncodeFrameHeader(segment->header.salt, &frame.header, header);
    *crc = frame.header.crc;
    if (frame.header.type == FrameType::kSeal) seal_offset = content.size();
    content.append(header, sizeof(header));
    content += frame.payload;
  }
  if (seal_offset != 0) {
    char trailer[Trailer::kBytes];
    EncodeTrailer({seal_offset + segment->trailer_shift}, segment->header.salt, trailer);
    content.append(trailer, sizeof(trailer));
  }
  content.resize(std::max<uint64_t>(content.size(), segment->bytes));
  return content;
}

}  // namespace

ForgedLog::ForgedLog(MemEnv* env) : env_(env) {
  EXPECT_OK(Manifest::Load(env, kDirectory, &manifest));
  EXPECT(manifest.clean);
  std::vector<ForgedSegment> logs;
  for (const std::string& path : env->AllFiles()) {
    const std::string name = path.substr(path.rfind('/') + 1);
    std::string content;
    uint64_t number = 0;
    const bool compacted = ParseCompactedFileName(name, &number);
    if (!compacted && !ParseSegmentFileName(name, &number)) continue;
    EXPECT(env->Content(path, &content));
    ForgedSegment segment = Parse(path, content);
    if (segment.frames.empty()) continue;  // made ahead
    (compacted ? segments : logs).push_back(std::move(segment));
  }
  std::move(logs.begin(), logs.end(), std::back_inserter(segments));
}

void ForgedLog::Save() {
  uint32_t crc = 0;
  for (ForgedSegment& segment : segments) {
    if (segment.path.find(".seg") != std::string::npos) crc = 0;
    env_->SetContent(segment.path, Content(&segment, &crc));
    if (segment.path.find(".seg") == std::string::npos) continue;
    // The log goes on behind the segments whose place it took.
    if (!manifest.compacted.empty()) crc = manifest.compacted.back().last_log_crc;
  }
  if (ends_at_end) manifest.clean_last_crc = crc;
  EXPECT_OK(Manifest::Write(env_, kDirectory, manifest));
  if (manifest.clean) EXPECT_OK(Manifest::AppendClean(env_, kDirectory, manifest));
}

ForgedFrame* ForgedLog::Find(ForgedSegment* segment, FrameType type, size_t n) {
  for (ForgedFrame& frame : segment->frames) {
    if (frame.header.type == type && n-- == 0) return &frame;
  }
  CRABKV_ASSERT(false);
  return nullptr;
}

void ForgedLog::ChangeRecords(ForgedSegment* segment, ForgedFrame* frame,
                              const std::function<void(RecordHeader*)>& change) {
  std::string changed;
  ForEachRecord(frame->payload, [&](const RecordHeader& found, uint64_t at) {
    RecordHeader record = found;
    change(&record);
    const std::string_view key = std::string_view(frame->payload).substr(at + RecordHeader::kBytes, record.key_bytes);
    const std::string_view value =
        std::string_view(frame->payload).substr(at + RecordHeader::kBytes + record.key_bytes, record.stored_bytes);
    record.crc = FinishRecordCrc(RecordBodyCrc(record, key, value), record.lsn, segment->header.salt);
    std::string encoded(record.record_bytes(), '\0');
    EncodeRecord(record, key, value, encoded.data());
    changed += encoded;
  });
  frame->payload = changed;
}

void ForgedLog::Renumber(ForgedSegment* segment, ForgedFrame* frame, uint64_t base_lsn) {
  frame->header.base_lsn = base_lsn;
  ChangeRecords(segment, frame, [&base_lsn](RecordHeader* record) { record->lsn = base_lsn++; });
}

}  // namespace crabkv::test
