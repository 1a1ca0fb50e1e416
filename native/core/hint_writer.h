// Makes a segment's hint file: takes the segment's records in log order, works out what they come to for each key, and
// writes that. One thread; Write may block. What can't be written is given up: a hint is a cache.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "native/core/env.h"
#include "native/core/hint_format.h"

namespace crabkv {

class HintWriter {
 public:
  // Of more records there is no hint: they are all in memory (32 bytes each) while it is made.
  static constexpr uint64_t kRecordsMax = uint64_t{4} << 20;
  // Shorter segments have no hint: reading them is as good.
  static constexpr uint64_t kSegmentBytesMin = 16 << 10;

  // `offset` is the record's in the segment. `record` has the deadline.
  void Add(const KeyHash& hash, const RecordHeader& record, uint64_t offset);
  // Whether there can be a hint of what was added.
  bool fits() const { return added_ < kRecordsMax; }
  // Gives the file in `directory` its final name when all of it is written; it is not synced, as what a power cut
  // leaves of it is known by its CRCs. `*bytes` is its length, 0 when a hint would be large beside its segment: then
  // none is written. kDiskFull also when it would take much of what space there is left.
  Status Write(Env* env, const std::string& directory, const HintIdentity& identity, const SegmentSummary& summary,
               uint64_t* bytes);

 private:
  struct Record {
    HintEntry entry;
    uint64_t deadline_ms = 0;
  };
  // In log order; once reduced, one a key, by slot and fingerprint.
  using Records = std::vector<Record>;
  static void Reduce(Records* records);
  static void EncodeBlock(const Records& records, uint64_t salt, HintHead::Range* range, std::string* block);
  uint64_t EstimatedBytes() const;
  Status WriteFile(Env* env, const std::string& path, HintHead* head);

  std::array<Records, kHintRanges> ranges_;  // by slot: short enough to be sorted in the processor's cache
  uint64_t added_ = 0;
};

}  // namespace crabkv
