// See mend.h. The offsets are those of native/FORMAT.md.
#include "test/fuzz/mend.h"

#include <algorithm>

#include "native/core/coding.h"
#include "native/core/crc32c.h"
#include "native/core/format.h"
#include "native/core/hint_format.h"

namespace crabkv::fuzz {

namespace {

uint32_t CrcOf(const char* bytes, uint64_t length, uint64_t salt) {
  char number[8];
  PutU64(number, salt);
  return Crc32cExtend(Crc32c(bytes, length), number, sizeof(number));
}

// The CRCs of the records, and over them.
uint32_t MendRecords(char* payload, uint64_t length, uint64_t salt) {
  uint32_t crc = 0;
  RecordHeader record;
  for (uint64_t at = 0; at < length && DecodeRecordHeader(payload + at, length - at, &record);
       at += record.record_bytes()) {
    const uint64_t tail = uint64_t{record.key_bytes} + record.stored_bytes;
    const uint32_t body = Crc32cExtend(Crc32c(payload + at + 4, 28), payload + at + RecordHeader::kBytes, tail);
    PutU32(payload + at, FinishRecordCrc(body, record.lsn, salt));
    crc = Crc32cExtend(crc, payload + at, 4);
  }
  return crc;
}

}  // namespace

void MendSegment(std::string* bytes, uint32_t* chain) {
  if (bytes->size() < SegmentHeader::kBytes) return;
  char* const file = bytes->data();
  PutU32(file + 124, Crc32c(file, 124));
  const uint64_t salt = GetU64(file + 48);
  if (GetU32(file + 20) == static_cast<uint32_t>(SegmentKind::kCompacted)) *chain = 0;
  uint64_t at = SegmentHeader::kBytes;
  while (at + FrameHeader::kBytes <= bytes->size() && GetU32(file + at) == FrameHeader::kMagic) {
    char* const frame = file + at;
    const uint64_t left = bytes->size() - at - FrameHeader::kBytes;
    const uint64_t length = GetU32(frame + 8);
    if (length > left) break;
    const FrameType type = static_cast<FrameType>(frame[4]);
    char* const payload = frame + FrameHeader::kBytes;
    const bool has_records = type == FrameType::kData || type == FrameType::kBlock;
    PutU32(frame + 44, *chain);
    PutU32(frame + 48, has_records ? MendRecords(payload, length, salt) : Crc32c(payload, length));
    *chain = CrcOf(frame, 52, salt);
    PutU32(frame + 52, *chain);
    at += FrameHeader::kBytes + length;
  }
  if (at + Trailer::kBytes <= bytes->size() && GetU64(file + at) == Trailer::kMagic) {
    PutU32(file + at + 28, CrcOf(file + at, 28, salt));
  }
}

void MendManifest(std::string* bytes) {
  constexpr uint64_t kHeaderBytes = 32;
  constexpr uint64_t kEditHeaderBytes = 16;
  if (bytes->size() < kHeaderBytes) return;
  char* const file = bytes->data();
  PutU32(file + 28, Crc32c(file, 28));
  uint32_t previous = 0;
  for (uint64_t at = kHeaderBytes; at + kEditHeaderBytes <= bytes->size();) {
    const uint64_t length = GetU32(file + at + 12);
    if (length % 8 != 0 || length > bytes->size() - at - kEditHeaderBytes) return;
    PutU32(file + at + 4, previous);
    previous = Crc32c(file + at + 4, kEditHeaderBytes - 4 + length);
    PutU32(file + at, previous);
    at += kEditHeaderBytes + length;
  }
}

void MendHint(std::string* bytes) {
  constexpr uint64_t kSaltOffset = 32;
  constexpr uint64_t kRangesOffset = 248;
  constexpr uint64_t kRangeBytes = 12;
  constexpr uint64_t kCrcOffset = HintHead::kBytes - 4;
  if (bytes->size() < HintHead::kBytes) return;
  char* const file = bytes->data();
  const uint64_t salt = GetU64(file + kSaltOffset);
  uint64_t at = HintHead::kBytes;
  for (uint64_t i = 0; i < kHintRanges; i++) {
    char* const range = file + kRangesOffset + i * kRangeBytes;
    HintHead::Range described;
    described.entries = GetU32(range);
    described.deadlines = GetU32(range + 4);
    const uint64_t length = described.block_bytes();
    if (length > bytes->size() - at) break;
    PutU32(range + 8, HintBlockCrc(std::string_view(file + at, length), salt));
    at += length;
  }
  PutU32(file + kCrcOffset, Crc32c(file, kCrcOffset));
}

}  // namespace crabkv::fuzz
