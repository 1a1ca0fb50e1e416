// What a power cut leaves of everything that was not synced: for each write, truncation and change of a name, whether
// it reached the disk. Operations are known by their sequence numbers, which count all of a machine's. Made for one
// cut; not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/native/harness.h"

namespace crabkv::test {

class PowerCut {
 public:
  enum class Fate : uint8_t { kLost, kKept, kTorn };

  // How the operations that survive are chosen.
  enum class Style : uint8_t {
    kEach,        // every one for itself
    kUpTo,        // all up to some moment, none after it: a disk that keeps the order
    kAllButOne,   // one is lost
    kOnlyOne,     // one is kept
    kWholeFiles,  // of a file (and of a directory's names) all or nothing: files written back in any order
    kNamesFirst,  // every name, and of the bytes some
    kBytesFirst,  // every byte, and of the names some
  };
  static constexpr uint64_t kStyles = 7;

  // Each operation lost, kept or torn with the same odds; torn at sectors.
  static PowerCut Even(uint64_t seed) { return PowerCut(seed, Style::kEach, 50, kSectorBytes, {}); }
  // Style, odds and where writes tear follow from the seed. Of the operations with these sequence numbers one is
  // singled out where the style asks for that.
  static PowerCut OfAnyStyle(uint64_t seed, const std::vector<uint64_t>& unsynced);

  Fate OfBytes(uint64_t inode, uint64_t sequence);
  bool KeepsName(uint64_t directory_inode, uint64_t sequence);
  // Of a torn write: whether one unit of unit_bytes() is on the disk.
  bool KeepsUnit() { return random_.OneIn(2); }
  // Whether a file has the length that lost writes would have given it.
  bool KeepsLength() { return random_.OneIn(4); }
  uint64_t unit_bytes() const { return unit_bytes_; }
  std::string Describe() const;

 private:
  static constexpr uint64_t kSectorBytes = 512;  // what a disk writes whole or not at all

  PowerCut(uint64_t seed, Style style, uint64_t percent, uint64_t unit_bytes, const std::vector<uint64_t>& unsynced)
      : random_(seed), style_(style), percent_(percent), unit_bytes_(unit_bytes), whole_files_seed_(random_.Next()) {
    if (!unsynced.empty()) pivot_ = unsynced[random_.Below(unsynced.size())];
  }
  bool Chosen() { return random_.Below(100) < percent_; }
  bool ChosenFile(uint64_t inode) const { return Random(whole_files_seed_ ^ inode).Below(100) < percent_; }
  Fate Any();

  Random random_;
  const Style style_;
  const uint64_t percent_;  // of what is chosen at random, how much is kept
  const uint64_t unit_bytes_;
  const uint64_t whole_files_seed_;
  uint64_t pivot_ = 0;
};

}  // namespace crabkv::test
