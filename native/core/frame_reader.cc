#include "native/core/frame_reader.h"

#include <algorithm>
#include <cstring>

#include "native/core/compression.h"
#include "native/core/crc32c.h"
#include "native/core/options.h"

namespace crabkv {

namespace {
constexpr uint64_t kPieceBytes = 1 << 20;

bool AllZero(std::string_view bytes) {
  return bytes.empty() || (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Null when the payload is what the header says, else what is wrong with it.
const char* CheckRecords(const FrameHeader& header, std::string_view payload, uint64_t salt) {
  const bool log = header.type == FrameType::kData;
  uint32_t crc = 0;
  uint32_t count = 0;
  for (uint64_t at = 0; at < payload.size(); count++) {
    RecordHeader record;
    if (!DecodeRecordHeader(payload.data() + at, payload.size() - at, &record)) return "a record's header is invalid";
    if (!CheckRecord(record, payload.data() + at, salt)) return "a record fails its CRC";
    if (log && record.lsn != header.base_lsn + count) return "a record has the wrong LSN";
    crc = Crc32cExtend(crc, payload.data() + at, 4);
    at += record.record_bytes();
  }
  if (count != header.count) return "the number of records is not what the frame says";
  return crc == header.payload_crc ? nullptr : "the frame's payload fails its CRC";
}

const char* CheckPayload(const FrameHeader& header, std::string_view payload, uint64_t salt) {
  if (header.type == FrameType::kData || header.type == FrameType::kBlock) return CheckRecords(header, payload, salt);
  uint64_t expected = 0;
  if (header.type == FrameType::kStart) expected = StartPayload::kBytes;
  if (header.type == FrameType::kSeal) expected = SealPayload::kBytes;
  if (header.count != 0 || payload.size() != expected) return "the frame has the wrong length";
  return Crc32c(payload.data(), payload.size()) == header.payload_crc ? nullptr : "the frame's payload fails its CRC";
}
}  // namespace

Status FrameReader::Fill(uint64_t offset, uint64_t length, std::string_view* bytes) {
  const uint64_t available = offset < limit_ ? limit_ - offset : 0;
  length = std::min(length, available);
  if (offset < buffer_offset_ || offset + length > buffer_offset_ + buffer_bytes_) {
    const uint64_t wanted = std::min(std::max(length, kPieceBytes), available);
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    CRABKV_RETURN_IF_ERROR(file_->ReadAt(offset, wanted, buffer_.data(), &buffer_bytes_));
    buffer_offset_ = offset;
  }
  const uint64_t at = offset - buffer_offset_;
  *bytes = std::string_view(buffer_.data() + at, std::min(length, buffer_bytes_ - at));
  return Status::Ok();
}

Status FrameReader::Next(Result* result, Frame* frame, std::string* why) {
  std::string_view bytes;
  CRABKV_RETURN_IF_ERROR(Fill(offset_, FrameHeader::kBytes, &bytes));
  *result = Result::kBad;
  if (!DecodeFrameHeader(bytes, salt_, &frame->header)) {
    if (AllZero(bytes)) *result = Result::kEnd;
    *why = bytes.size() < FrameHeader::kBytes ? "the frame header is cut short" : "the frame header fails its CRC";
    return Status::Ok();
  }
  const uint64_t frame_bytes = frame->header.frame_bytes();
  if (frame_bytes > limit_ - offset_) {
    *why = "the frame is cut short";
    return Status::Ok();
  }
  CRABKV_RETURN_IF_ERROR(Fill(offset_, frame_bytes, &bytes));
  if (bytes.size() < frame_bytes) {
    *why = "the frame is cut short";
    return Status::Ok();
  }
  frame->payload = bytes.substr(FrameHeader::kBytes);
  frame->offset = offset_;
  if (const char* wrong = CheckPayload(frame->header, frame->payload, salt_)) {
    *why = wrong;
    return Status::Ok();
  }
  *result = Result::kFrame;
  offset_ += frame_bytes;
  return Status::Ok();
}

bool CopyValue(const RecordHeader& record, std::string_view bytes, char* to) {
  const std::string_view stored = bytes.substr(RecordHeader::kBytes + record.key_bytes, record.stored_bytes);
  if ((record.flags & kRecordCodecMask) != static_cast<uint8_t>(Codec::kNone)) {
    return DecompressSnappy(stored, record.raw_bytes, to);
  }
  std::copy_n(stored.data(), stored.size(), to);
  return true;
}

}  // namespace crabkv
