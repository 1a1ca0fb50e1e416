// The bytes on disk: constants, and encoding and decoding of each fixed-size structure. native/FORMAT.md is the
// specification and explains the fields; nothing else in the core knows an offset. Integers are little-endian; every
// structure is a multiple of 8 bytes and lies at a multiple of 8.
// Pure functions: any thread. Decoders never read beyond the bytes they are given and trust nothing in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "native/core/status.h"

namespace crabkv {

inline constexpr uint16_t kFormatMajor = 1;  // raised when older readers must refuse
inline constexpr uint16_t kFormatMinor = 0;  // raised when older readers may read on
inline constexpr uint32_t kKnownIncompatibleFlags = 0;

inline constexpr uint64_t kRecordBytesMax = uint64_t{1} << 30;  // of one record, whatever the options say

inline constexpr uint64_t PadTo8(uint64_t n) { return (n + 7) & ~uint64_t{7}; }

// --- Segments: a file of one header and then frames without gaps.

struct StoreId {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const StoreId& other) const { return high == other.high && low == other.low; }
};

enum class SegmentKind : uint32_t { kLog = 1, kCompacted = 2 };

struct SegmentHeader {
  static constexpr uint64_t kBytes = 128;
  SegmentKind kind = SegmentKind::kLog;
  uint64_t number = 0;
  StoreId store_id;
  uint64_t salt =
      0;  // random; enters every CRC in the segment, so that no byte of another file passes for one of its own
  uint64_t min_lsn = 0;  // the last three: compacted segments only
  uint64_t max_lsn = 0;
  uint64_t horizon = 0;
};
void EncodeSegmentHeader(const SegmentHeader& header, char* to);
// kFormat for another magic, a newer major version or an unknown incompatible flag; kCorruption for a bad CRC.
Status DecodeSegmentHeader(std::string_view bytes, const std::string& path, SegmentHeader* header);

// Log and compacted segments are numbered apart, so that the log's numbers rise with its LSNs.
std::string SegmentFileName(uint64_t number);    // 00000042.log
std::string CompactedFileName(uint64_t number);  // 00000007.seg
bool ParseSegmentFileName(std::string_view name, uint64_t* number);
bool ParseCompactedFileName(std::string_view name, uint64_t* number);

// --- Records.

enum class RecordType : uint8_t { kInvalid = 0, kPut = 1, kDelete = 2, kExpire = 3 };

inline constexpr uint8_t kRecordCodecMask = 0x0f;  // Codec
inline constexpr uint8_t kRecordEndOfBatch = 0x10;
inline constexpr uint8_t kRecordMoved = 0x20;  // copied by compaction

struct RecordHeader {
  static constexpr uint64_t kBytes = 40;
  RecordType type = RecordType::kInvalid;
  uint8_t flags = 0;
  uint32_t key_bytes = 0;
  uint32_t stored_bytes = 0;   // of the value as it lies in the file
  uint32_t raw_bytes = 0;      // of the value as the user gave it
  uint64_t expires_at_ms = 0;  // 0: never
  uint64_t lsn = 0;
  uint32_t crc = 0;

  uint64_t record_bytes() const { return PadTo8(kBytes + key_bytes + stored_bytes); }
};
inline constexpr uint64_t RecordBytes(uint64_t key_bytes, uint64_t stored_bytes) {
  return PadTo8(RecordHeader::kBytes + key_bytes + stored_bytes);
}
// --- Frames: what one write puts in the log.

enum class FrameType : uint8_t {
  kStart = 1,      // first in each log segment: which segment it continues
  kData = 2,       // records
  kWatermark = 3,  // nothing but a later durable LSN
  kSeal = 4,       // last in a full segment: its counts
  kBlock = 5,      // records of a compacted segment
};
// What is wrong with a frame of this type in a segment of this kind; null when nothing is.
const char* WhyMisplaced(FrameType type, SegmentKind kind);

// LSNs between the previous frame's last and this frame's base were given out and undone: nothing is missing.
inline constexpr uint8_t kFrameSkipsLsns = 1;

struct FrameHeader {
  static constexpr uint64_t kBytes = 56;
  static constexpr uint32_t kMagic = 0x6d724643;  // "CFrm"
  FrameType type = FrameType::kData;
  uint8_t flags = 0;
  uint32_t payload_bytes = 0;  // multiple of 8
  uint32_t count = 0;          // records
  uint64_t base_lsn = 0;       // of the first record; of the next one to come when count is 0
  uint64_t durable_lsn = 0;    // every LSN up to this one was known durable when the frame was written
  uint64_t clock_ms = 0;       // the store's clock then
  uint32_t epoch = 0;          // of the opening that wrote it
  uint32_t previous_crc = 0;  // header CRC of the frame before, in this segment or the one that START names; 0 for none
  uint32_t payload_crc = 0;   // kData, kBlock: CRC of the records' CRCs, in order; else of the payload
  uint32_t crc = 0;           // of this header; salt last

  uint64_t last_lsn() const { return base_lsn + count - 1; }  // base_lsn - 1 when there is no record
  uint64_t frame_bytes() const { return kBytes + payload_bytes; }
};
void EncodeFrameHeader(uint64_t salt, FrameHeader* header, char* to);  // sets header->crc
// False when these bytes are no frame header of a segment with this salt.
bool DecodeFrameHeader(std::string_view bytes, uint64_t salt, FrameHeader* header);

struct StartPayload {
  static constexpr uint64_t kBytes = 24;
  uint64_t previous_number = 0;  // 0: the log begins here
  uint64_t previous_salt = 0;
  uint64_t previous_last_lsn = 0;
};
void EncodeStart(const StartPayload& start, char* to);
StartPayload DecodeStart(const char* from);

struct SealPayload {
  static constexpr uint64_t kBytes = 64;
  uint64_t puts = 0;
  uint64_t deletes = 0;
  uint64_t expires = 0;
  uint64_t live_bytes = 0;  // estimate when it was sealed
  uint64_t tombstone_bytes = 0;
  uint64_t first_lsn = 0;
  uint64_t last_lsn = 0;
  uint64_t expire_bytes = 0;

  // Adds a record that was written to the segment.
  void Count(const RecordHeader& record);
  // Of the records that hold no value: they are live only as long as something older is.
  uint64_t marker_bytes() const { return tombstone_bytes + expire_bytes; }
};
void EncodeSeal(const SealPayload& seal, char* to);
SealPayload DecodeSeal(const char* from);

// After the SEAL frame, at the file's end: finds SEAL without walking the segment.
struct Trailer {
  static constexpr uint64_t kBytes = 32;
  static constexpr uint64_t kMagic = 0x656c696154425243;  // "CRBTaile"
  uint64_t seal_offset = 0;
};
void EncodeTrailer(const Trailer& trailer, uint64_t salt, char* to);
bool DecodeTrailer(std::string_view bytes, uint64_t salt, Trailer* trailer);

// --- Functions of records.

// The CRC of everything but LSN and salt: computed before the LSN is known.
uint32_t RecordBodyCrc(const RecordHeader& header, std::string_view key, std::string_view stored_value);
// LSN and salt enter last.
uint32_t FinishRecordCrc(uint32_t body_crc, uint64_t lsn, uint64_t salt);
// Writes the whole record, padding included; header.lsn and header.crc are final. Returns its bytes.
uint64_t EncodeRecord(const RecordHeader& header, std::string_view key, std::string_view stored_value, char* to);
// The header's fields, unchecked but for what keeps a reader in bounds: false when the type is unknown, the record
// would be longer than `available`, or the raw length is more than the stored bytes can hold.
bool DecodeRecordHeader(const char* from, uint64_t available, RecordHeader* header);
// Checks the whole record's CRC; `from` holds header.record_bytes().
bool CheckRecord(const RecordHeader& header, const char* from, uint64_t salt);

}  // namespace crabkv
