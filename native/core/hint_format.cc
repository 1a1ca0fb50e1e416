#include "native/core/hint_format.h"

#include <algorithm>
#include <cstring>

#include "native/core/coding.h"
#include "native/core/crc32c.h"

namespace crabkv {

namespace {
constexpr char kHintMagic[] = "CrabKVht";  // 8 bytes
constexpr char kHintSuffix[] = ".hint";
constexpr uint64_t kRangesOffset = 248;
constexpr uint64_t kRangeBytes = 12;
constexpr uint64_t kCrcOffset = HintHead::kBytes - 4;
static_assert(kRangesOffset + kHintRanges * kRangeBytes == kCrcOffset - 4, "the ranges fill the head");
static_assert(kHintRanges * kHintSlotsInRange == kSlotCount, "every slot is in one range");
}  // namespace

std::string HintFileName(SegmentKind kind, uint64_t number) {
  return (kind == SegmentKind::kLog ? SegmentFileName(number) : CompactedFileName(number)) + kHintSuffix;
}

bool ParseHintFileName(std::string_view name, SegmentKind* kind, uint64_t* number) {
  constexpr size_t kSuffixBytes = sizeof(kHintSuffix) - 1;
  if (name.size() < kSuffixBytes || name.substr(name.size() - kSuffixBytes) != kHintSuffix) return false;
  name.remove_suffix(kSuffixBytes);
  *kind = SegmentKind::kLog;
  if (ParseSegmentFileName(name, number)) return true;
  *kind = SegmentKind::kCompacted;
  return ParseCompactedFileName(name, number);
}

void SegmentSummary::Take(const FrameHeader& header, uint64_t offset) {
  last_frame_offset = offset;
  end_offset = offset + header.frame_bytes();
  clock_ms = std::max(clock_ms, header.clock_ms);
  durable_lsn = std::max(durable_lsn, header.durable_lsn);
  epoch = header.epoch;
  last_crc = header.crc;
  last_type = header.type;
  if (header.type == FrameType::kData && header.count != 0) {
    records_end_offset = end_offset;
    records_end_crc = header.crc;
  }
}

uint64_t HintHead::Range::block_bytes() const { return PadTo8(entries * HintEntry::kBytes) + uint64_t{deadlines} * 8; }

uint64_t HintHead::entries() const {
  uint64_t sum = 0;
  for (const Range& range : ranges) sum += range.entries;
  return sum;
}

uint64_t HintHead::file_bytes() const {
  uint64_t sum = kBytes;
  for (const Range& range : ranges) sum += range.block_bytes();
  return sum;
}

void EncodeHintHead(const HintHead& head, char* to) {
  const SegmentSummary& summary = head.summary;
  std::memset(to, 0, HintHead::kBytes);
  std::memcpy(to, kHintMagic, 8);
  PutU16(to + 8, kFormatMajor);
  PutU16(to + 10, kFormatMinor);
  PutU32(to + 12, 0);  // incompatible flags
  PutU32(to + 16, static_cast<uint32_t>(head.identity.kind));
  PutU32(to + 20, static_cast<uint32_t>(summary.last_type));
  PutU64(to + 24, head.identity.number);
  PutU64(to + 32, head.identity.salt);
  PutU64(to + 40, head.identity.segment_bytes);
  PutU64(to + 48, head.identity.hash_seed[0]);
  PutU64(to + 56, head.identity.hash_seed[1]);
  PutU64(to + 64, summary.end_offset);
  PutU64(to + 72, summary.last_frame_offset);
  PutU64(to + 80, summary.records_end_offset);
  PutU64(to + 88, summary.clock_ms);
  PutU64(to + 96, summary.durable_lsn);
  PutU32(to + 104, summary.epoch);
  PutU32(to + 108, summary.last_crc);
  PutU32(to + 112, summary.records_end_crc);
  EncodeSeal(summary.counts, to + 120);
  for (uint32_t i = 0; i < kHintRanges; i++) {
    char* const range = to + kRangesOffset + i * kRangeBytes;
    PutU32(range, head.ranges[i].entries);
    PutU32(range + 4, head.ranges[i].deadlines);
    PutU32(range + 8, head.ranges[i].crc);
  }
  PutU32(to + kCrcOffset, Crc32c(to, kCrcOffset));
}

bool DecodeHintHead(std::string_view bytes, const HintIdentity& expected, HintHead* head) {
  if (bytes.size() < HintHead::kBytes) return false;
  const char* const from = bytes.data();
  if (std::memcmp(from, kHintMagic, 8) != 0) return false;
  if (Crc32c(from, kCrcOffset) != GetU32(from + kCrcOffset)) return false;
  if (GetU16(from + 8) != kFormatMajor || GetU32(from + 12) != 0) return false;
  HintIdentity& identity = head->identity;
  SegmentSummary& summary = head->summary;
  identity.kind = static_cast<SegmentKind>(GetU32(from + 16));
  summary.last_type = static_cast<FrameType>(GetU32(from + 20));
  identity.number = GetU64(from + 24);
  identity.salt = GetU64(from + 32);
  identity.segment_bytes = GetU64(from + 40);
  identity.hash_seed[0] = GetU64(from + 48);
  identity.hash_seed[1] = GetU64(from + 56);
  summary.end_offset = GetU64(from + 64);
  summary.last_frame_offset = GetU64(from + 72);
  summary.records_end_offset = GetU64(from + 80);
  summary.clock_ms = GetU64(from + 88);
  summary.durable_lsn = GetU64(from + 96);
  summary.epoch = GetU32(from + 104);
  summary.last_crc = GetU32(from + 108);
  summary.records_end_crc = GetU32(from + 112);
  summary.counts = DecodeSeal(from + 120);
  for (uint32_t i = 0; i < kHintRanges; i++) {
    const char* const range = from + kRangesOffset + i * kRangeBytes;
    head->ranges[i] = {GetU32(range), GetU32(range + 4), GetU32(range + 8)};
    if (head->ranges[i].deadlines > head->ranges[i].entries) return false;
  }
  if (identity.kind != expected.kind || identity.number != expected.number || identity.salt != expected.salt) {
    return false;
  }
  return identity.segment_bytes == expected.segment_bytes && identity.hash_seed[0] == expected.hash_seed[0] &&
         identity.hash_seed[1] == expected.hash_seed[1];
}

HintEntry HintEntry::Make(const KeyHash& hash, RecordType type, uint64_t offset, uint64_t record_bytes) {
  HintEntry entry;
  entry.fingerprint = hash.fingerprint;
  entry.bits = (uint64_t{hash.slot} << 50) | (static_cast<uint64_t>(type) << 48) |
               (uint64_t{Location::SizeClassOf(record_bytes)} << 30) | ((offset / 8) & kOffsetMask);
  return entry;
}

void EncodeHintEntry(const HintEntry& entry, char* to) {
  PutU32(to, entry.fingerprint.high);
  PutU32(to + 4, entry.fingerprint.middle);
  PutU32(to + 8, entry.fingerprint.low);
  PutU64(to + 12, entry.bits);
}

HintEntry DecodeHintEntry(const char* from) {
  HintEntry entry;
  entry.fingerprint = {GetU32(from), GetU32(from + 4), GetU32(from + 8)};
  entry.bits = GetU64(from + 12);
  return entry;
}

uint32_t HintBlockCrc(std::string_view block, uint64_t salt) {
  char bytes[8];
  PutU64(bytes, salt);
  return Crc32cExtend(Crc32c(block.data(), block.size()), bytes, sizeof(bytes));
}

}  // namespace crabkv
