// Which records of a segment are known to be dead: a bit for each 32 bytes of it, set for the record that begins there.
// Without any it takes no memory, else a 256th of the segment. One thread at a time (the compactor's).
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/format.h"

namespace crabkv {

class DeadMarks {
 public:
  explicit DeadMarks(uint64_t segment_bytes) : word_count_(segment_bytes / kBytesInWord + 1) {}

  void Set(uint64_t offset) {
    if (words_.empty()) words_.resize(word_count_);
    words_[offset / kBytesInWord] |= Bit(offset);
  }
  bool Has(uint64_t offset) const { return !words_.empty() && (words_[offset / kBytesInWord] & Bit(offset)) != 0; }
  void Clear() { words_.clear(); }

 private:
  static constexpr uint64_t kBytesInBit = 32;
  static constexpr uint64_t kBytesInWord = 64 * kBytesInBit;
  static_assert(RecordHeader::kBytes >= kBytesInBit, "no two records begin in the bytes of one bit");

  static uint64_t Bit(uint64_t offset) { return uint64_t{1} << (offset / kBytesInBit % 64); }

  uint64_t word_count_;
  std::vector<uint64_t> words_;
};

}  // namespace crabkv
