#include "native/core/format.h"

#include <cstdio>
#include <cstring>

#include "native/core/coding.h"
#include "native/core/crc32c.h"

namespace crabkv {

namespace {
constexpr char kSegmentMagic[] = "CrabKVsg";  // 8 bytes
constexpr uint64_t kSegmentCrcOffset = SegmentHeader::kBytes - 4;
constexpr uint64_t kFrameCrcOffset = FrameHeader::kBytes - 4;

uint32_t ExtendU64(uint32_t crc, uint64_t value) {
  char bytes[8];
  PutU64(bytes, value);
  return Crc32cExtend(crc, bytes, sizeof(bytes));
}
}  // namespace

void EncodeSegmentHeader(const SegmentHeader& header, char* to) {
  std::memset(to, 0, SegmentHeader::kBytes);
  std::memcpy(to, kSegmentMagic, 8);
  PutU16(to + 8, kFormatMajor);
  PutU16(to + 10, kFormatMinor);
  PutU32(to + 12, 0);  // incompatible flags
  PutU32(to + 16, 0);  // compatible flags
  PutU32(to + 20, static_cast<uint32_t>(header.kind));
  PutU64(to + 24, header.number);
  PutU64(to + 32, header.store_id.high);
  PutU64(to + 40, header.store_id.low);
  PutU64(to + 48, header.salt);
  PutU64(to + 56, header.min_lsn);
  PutU64(to + 64, header.max_lsn);
  PutU64(to + 72, header.horizon);
  PutU32(to + kSegmentCrcOffset, Crc32c(to, kSegmentCrcOffset));
}

Status DecodeSegmentHeader(std::string_view bytes, const std::string& path, SegmentHeader* header) {
  if (bytes.size() < SegmentHeader::kBytes) {
    return Status::Corruption(path, bytes.size(), "the segment header is cut short");
  }
  const char* from = bytes.data();
  if (Crc32c(from, kSegmentCrcOffset) != GetU32(from + kSegmentCrcOffset)) {
    return Status::Corruption(path, 0, "the segment header fails its CRC");
  }
  if (std::memcmp(from, kSegmentMagic, 8) != 0) {
    return Status::Error(Code::kFormat, path + " is not a CrabKV segment");
  }
  if (GetU16(from + 8) != kFormatMajor) {
    return Status::Error(Code::kFormat, path + " has format version " + std::to_string(GetU16(from + 8)) +
                                            "; this version reads " + std::to_string(kFormatMajor));
  }
  if ((GetU32(from + 12) & ~kKnownIncompatibleFlags) != 0) {
    return Status::Error(Code::kFormat, path + " uses format features that this version does not know");
  }
  header->kind = static_cast<SegmentKind>(GetU32(from + 20));
  header->number = GetU64(from + 24);
  header->store_id.high = GetU64(from + 32);
  header->store_id.low = GetU64(from + 40);
  header->salt = GetU64(from + 48);
  header->min_lsn = GetU64(from + 56);
  header->max_lsn = GetU64(from + 64);
  header->horizon = GetU64(from + 72);
  return Status::Ok();
}

namespace {
constexpr char kLogSuffix[] = ".log";
constexpr char kCompactedSuffix[] = ".seg";

std::string NumberedName(uint64_t number, const char* suffix) {
  char name[32];
  std::snprintf(name, sizeof(name), "%08llu%s", static_cast<unsigned long long>(number), suffix);
  return name;
}

bool ParseNumberedName(std::string_view name, std::string_view suffix, uint64_t* number) {
  if (name.size() < 8 + suffix.size() || name.size() > 20 + suffix.size()) return false;
  if (name.substr(name.size() - suffix.size()) != suffix) return false;
  const std::string_view digits = name.substr(0, name.size() - suffix.size());
  uint64_t value = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  *number = value;
  return value != 0 && NumberedName(value, "").size() == digits.size();
}
}  // namespace

std::string SegmentFileName(uint64_t number) { return NumberedName(number, kLogSuffix); }
std::string CompactedFileName(uint64_t number) { return NumberedName(number, kCompactedSuffix); }
bool ParseSegmentFileName(std::string_view name, uint64_t* number) {
  return ParseNumberedName(name, kLogSuffix, number);
}
bool ParseCompactedFileName(std::string_view name, uint64_t* number) {
  return ParseNumberedName(name, kCompactedSuffix, number);
}

void EncodeFrameHeader(uint64_t salt, FrameHeader* header, char* to) {
  PutU32(to, FrameHeader::kMagic);
  to[4] = static_cast<char>(header->type);
  to[5] = static_cast<char>(header->flags);
  PutU16(to + 6, static_cast<uint16_t>(FrameHeader::kBytes));
  PutU32(to + 8, header->payload_bytes);
  PutU32(to + 12, header->count);
  PutU64(to + 16, header->base_lsn);
  PutU64(to + 24, header->durable_lsn);
  PutU64(to + 32, header->clock_ms);
  PutU32(to + 40, header->epoch);
  PutU32(to + 44, header->previous_crc);
  PutU32(to + 48, header->payload_crc);
  header->crc = ExtendU64(Crc32c(to, kFrameCrcOffset), salt);
  PutU32(to + kFrameCrcOffset, header->crc);
}

bool DecodeFrameHeader(std::string_view bytes, uint64_t salt, FrameHeader* header) {
  if (bytes.size() < FrameHeader::kBytes) return false;
  const char* from = bytes.data();
  if (GetU32(from) != FrameHeader::kMagic || GetU16(from + 6) != FrameHeader::kBytes) return false;
  header->crc = GetU32(from + kFrameCrcOffset);
  if (ExtendU64(Crc32c(from, kFrameCrcOffset), salt) != header->crc) return false;
  const uint8_t type = static_cast<uint8_t>(from[4]);
  if (type < static_cast<uint8_t>(FrameType::kStart) || type > static_cast<uint8_t>(FrameType::kBlock)) return false;
  header->type = static_cast<FrameType>(type);
  header->flags = static_cast<uint8_t>(from[5]);
  header->payload_bytes = GetU32(from + 8);
  header->count = GetU32(from + 12);
  header->base_lsn = GetU64(from + 16);
  header->durable_lsn = GetU64(from + 24);
  header->clock_ms = GetU64(from + 32);
  header->epoch = GetU32(from + 40);
  header->previous_crc = GetU32(from + 44);
  header->payload_crc = GetU32(from + 48);
  return header->payload_bytes % 8 == 0;
}

const char* WhyMisplaced(FrameType type, SegmentKind kind) {
  const bool block = type == FrameType::kBlock;
  if (kind == SegmentKind::kLog) return block ? "a frame that log segments do not have" : nullptr;
  return block || type == FrameType::kSeal ? nullptr : "a frame that compacted segments do not have";
}

void EncodeStart(const StartPayload& start, char* to) {
  PutU64(to, start.previous_number);
  PutU64(to + 8, start.previous_salt);
  PutU64(to + 16, start.previous_last_lsn);
}

StartPayload DecodeStart(const char* from) {
  StartPayload start;
  start.previous_number = GetU64(from);
  start.previous_salt = GetU64(from + 8);
  start.previous_last_lsn = GetU64(from + 16);
  return start;
}

void SealPayload::Count(const RecordHeader& record) {
  if (record.type == RecordType::kPut) puts++;
  if (record.type == RecordType::kDelete) {
    deletes++;
    tombstone_bytes += record.record_bytes();
  }
  if (record.type == RecordType::kExpire) {
    expires++;
    expire_bytes += record.record_bytes();
  }
  if (first_lsn == 0) first_lsn = record.lsn;
  last_lsn = record.lsn;
}

void EncodeSeal(const SealPayload& seal, char* to) {
  const uint64_t fields[8] = {seal.puts,      seal.deletes,  seal.expires,     seal.live_bytes, seal.tombstone_bytes,
                              seal.first_lsn, seal.last_lsn, seal.expire_bytes};
  for (int i = 0; i < 8; i++) PutU64(to + 8 * i, fields[i]);
}

SealPayload DecodeSeal(const char* from) {
  SealPayload seal;
  seal.puts = GetU64(from);
  seal.deletes = GetU64(from + 8);
  seal.expires = GetU64(from + 16);
  seal.live_bytes = GetU64(from + 24);
  seal.tombstone_bytes = GetU64(from + 32);
  seal.first_lsn = GetU64(from + 40);
  seal.last_lsn = GetU64(from + 48);
  seal.expire_bytes = GetU64(from + 56);
  return seal;
}

void EncodeTrailer(const Trailer& trailer, uint64_t salt, char* to) {
  PutU64(to, Trailer::kMagic);
  PutU64(to + 8, trailer.seal_offset);
  PutU64(to + 16, 0);
  PutU32(to + 24, 0);
  PutU32(to + 28, ExtendU64(Crc32c(to, 28), salt));
}

bool DecodeTrailer(std::string_view bytes, uint64_t salt, Trailer* trailer) {
  if (bytes.size() < Trailer::kBytes || GetU64(bytes.data()) != Trailer::kMagic) return false;
  if (ExtendU64(Crc32c(bytes.data(), 28), salt) != GetU32(bytes.data() + 28)) return false;
  trailer->seal_offset = GetU64(bytes.data() + 8);
  return true;
}

// Bytes 4..32 of a record: all of its header that the body CRC covers. By whole words, as the CRC reads them: a word
// that was written in parts is not there to be read until all of them have left the processor.
static void EncodeRecordBody(const RecordHeader& header, char* to) {
  constexpr uint64_t kKeyspace = 0;
  constexpr uint64_t kReserved = 0;
  const uint64_t kind = static_cast<uint64_t>(header.type) | uint64_t{header.flags} << 8 | kKeyspace << 16;
  PutU64(to, kind | uint64_t{header.key_bytes} << 32);
  PutU64(to + 8, header.stored_bytes | uint64_t{header.raw_bytes} << 32);
  PutU64(to + 16, kReserved | header.expires_at_ms << 32);
  PutU32(to + 24, static_cast<uint32_t>(header.expires_at_ms >> 32));
}

uint32_t RecordBodyCrc(const RecordHeader& header, std::string_view key, std::string_view stored_value) {
  char body[28];
  EncodeRecordBody(header, body);
  uint32_t crc = Crc32c(body, sizeof(body));
  crc = Crc32cExtend(crc, key.data(), key.size());
  return Crc32cExtend(crc, stored_value.data(), stored_value.size());
}

uint32_t FinishRecordCrc(uint32_t body_crc, uint64_t lsn, uint64_t salt) {
  char bytes[16];
  PutU64(bytes, lsn);
  PutU64(bytes + 8, salt);
  return Crc32cExtend(body_crc, bytes, sizeof(bytes));
}

uint64_t EncodeRecord(const RecordHeader& header, std::string_view key, std::string_view stored_value, char* to) {
  PutU32(to, header.crc);
  EncodeRecordBody(header, to + 4);
  PutU64(to + 32, header.lsn);
  char* end = to + RecordHeader::kBytes;
  if (!key.empty()) std::memcpy(end, key.data(), key.size());
  end += key.size();
  if (!stored_value.empty()) std::memcpy(end, stored_value.data(), stored_value.size());
  end += stored_value.size();
  const uint64_t bytes = header.record_bytes();
  std::memset(end, 0, static_cast<uint64_t>(to + bytes - end));
  return bytes;
}

bool DecodeRecordHeader(const char* from, uint64_t available, RecordHeader* header) {
  if (available < RecordHeader::kBytes) return false;
  const uint8_t type = static_cast<uint8_t>(from[4]);
  if (type < static_cast<uint8_t>(RecordType::kPut) || type > static_cast<uint8_t>(RecordType::kExpire)) return false;
  header->type = static_cast<RecordType>(type);
  header->flags = static_cast<uint8_t>(from[5]);
  header->key_bytes = GetU32(from + 8);
  header->stored_bytes = GetU32(from + 12);
  header->raw_bytes = GetU32(from + 16);
  header->expires_at_ms = GetU64(from + 24);
  header->lsn = GetU64(from + 32);
  header->crc = GetU32(from);
  // Bounds what a reader allocates for the raw value: no Snappy text grows by more than 64 bytes for 3.
  const bool compressed = (header->flags & kRecordCodecMask) != 0;
  const uint64_t raw_bytes_max = uint64_t{header->stored_bytes} * (compressed ? 22 : 1);
  if (header->raw_bytes > raw_bytes_max || (!compressed && header->raw_bytes != header->stored_bytes)) return false;
  return RecordBytes(header->key_bytes, header->stored_bytes) <= available;
}

bool CheckRecord(const RecordHeader& header, const char* from, uint64_t salt) {
  // Keyspace and reserved bytes are covered because the CRC is taken over the bytes as they lie there.
  const uint64_t tail = uint64_t{header.key_bytes} + header.stored_bytes;
  uint32_t crc = Crc32c(from + 4, 28);
  crc = Crc32cExtend(crc, from + RecordHeader::kBytes, tail);
  return FinishRecordCrc(crc, header.lsn, salt) == header.crc;
}

}  // namespace crabkv
