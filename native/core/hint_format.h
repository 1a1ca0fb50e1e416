// The bytes of a hint file: what a segment's records come to, key by key, so that an opening need not read the segment.
// native/FORMAT.md (Hints) is the specification. A hint is a cache: whatever is wrong with one, the segment is read.
// Pure functions: any thread. Decoders trust nothing in the bytes they are given.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "native/core/fingerprint.h"
#include "native/core/format.h"
#include "native/core/options.h"
#include "native/core/slot_table.h"

namespace crabkv {

// The slots are divided into this many ranges of neighbours; each has a block of its own.
inline constexpr uint32_t kHintRanges = 64;
inline constexpr uint32_t kHintSlotsInRange = 256;

std::string HintFileName(SegmentKind kind, uint64_t number);  // 00000042.log.hint, 00000007.seg.hint
bool ParseHintFileName(std::string_view name, SegmentKind* kind, uint64_t* number);

// What a walk over a segment's frames finds besides the state of its keys.
struct SegmentSummary {
  SealPayload counts;               // of its records; live_bytes is 0
  uint64_t end_offset = 0;          // behind the last frame
  uint64_t last_frame_offset = 0;   // of that frame
  uint64_t records_end_offset = 0;  // behind the last frame with records; 0 for none, and in compacted segments
  uint64_t clock_ms = 0;            // the highest of the frames
  uint64_t durable_lsn = 0;         // likewise
  uint32_t epoch = 0;               // of the last frame, as are the next two
  uint32_t last_crc = 0;            // header CRC
  FrameType last_type = FrameType::kStart;
  uint32_t records_end_crc = 0;  // header CRC of the last frame with records

  // Adds the next frame, which checked out.
  void Take(const FrameHeader& header, uint64_t offset);
  uint64_t last_lsn() const { return counts.last_lsn; }  // 0: the segment has no records
  // How long the file of a segment that ends so is.
  uint64_t segment_bytes() const { return end_offset + (last_type == FrameType::kSeal ? Trailer::kBytes : 0); }
};

// Which segment a hint is of: a hint counts only where all of this agrees.
struct HintIdentity {
  SegmentKind kind = SegmentKind::kLog;
  uint64_t number = 0;
  uint64_t salt = 0;
  uint64_t segment_bytes = 0;  // of the file
  uint64_t hash_seed[2] = {0, 0};
};

struct HintHead {
  static constexpr uint64_t kBytes = 1024;
  struct Range {
    uint32_t entries = 0;
    uint32_t deadlines = 0;  // of entries that have one
    uint32_t crc = 0;        // of the block, then of the salt
    uint64_t block_bytes() const;
  };
  HintIdentity identity;
  SegmentSummary summary;
  std::array<Range, kHintRanges> ranges;

  uint64_t entries() const;
  uint64_t file_bytes() const;
};
void EncodeHintHead(const HintHead& head, char* to);
// False when it is damaged, of a format that this version does not read, or not of the segment `expected`.
bool DecodeHintHead(std::string_view bytes, const HintIdentity& expected, HintHead* head);

// What a segment's records come to for one key.
struct HintEntry {
  static constexpr uint64_t kBytes = 20;
  Fingerprint fingerprint;
  // The slot (14 bits, the highest), RecordType (2), has a deadline (1), 8 spare, size class (9), offset / 8 of the
  // record (30; a PUT's; in a DEL or EXPIRE only while a hint is made).
  uint64_t bits = 0;

  static HintEntry Make(const KeyHash& hash, RecordType type, uint64_t offset, uint64_t record_bytes);
  uint16_t slot() const { return static_cast<uint16_t>(bits >> 50); }
  RecordType type() const { return static_cast<RecordType>((bits >> 48) & 3); }
  bool has_deadline() const { return (bits & kHasDeadline) != 0; }
  void set_has_deadline(bool value) { bits = value ? bits | kHasDeadline : bits & ~kHasDeadline; }
  uint64_t offset() const { return (bits & kOffsetMask) * 8; }
  // Without a place: of a key that the segment holds no PUT of.
  void ForgetPlace() { bits &= ~((uint64_t{1} << 39) - 1); }
  Location InSegment(uint32_t handle) const {
    return Location::Packed(handle, offset(), static_cast<uint32_t>(bits >> 30) & Location::kSizeClassMax);
  }

 private:
  static constexpr uint64_t kHasDeadline = uint64_t{1} << 47;
  static constexpr uint64_t kOffsetMask = (uint64_t{1} << 30) - 1;
};
void EncodeHintEntry(const HintEntry& entry, char* to);
HintEntry DecodeHintEntry(const char* from);

// The CRC of a block with the salt of its segment.
uint32_t HintBlockCrc(std::string_view block, uint64_t salt);

}  // namespace crabkv
