// See power_cut.h.
#include "test/native/power_cut.h"

namespace crabkv::test {

PowerCut PowerCut::OfAnyStyle(uint64_t seed, const std::vector<uint64_t>& unsynced) {
  Random random(seed ^ 0x5745'9a1e);
  const Style style = static_cast<Style>(random.Below(kStyles));
  constexpr uint64_t kPercents[] = {10, 50, 90};
  // A page is what a kernel writes back, a sector what a disk promises, a word what the format is made of.
  constexpr uint64_t kUnits[] = {4096, kSectorBytes, 8};
  const uint64_t percent = kPercents[random.Below(3)];
  return PowerCut(seed, style, percent, kUnits[random.Below(3)], unsynced);
}

PowerCut::Fate PowerCut::Any() {
  if (random_.Below(3) == 0) return Fate::kTorn;
  return Chosen() ? Fate::kKept : Fate::kLost;
}

PowerCut::Fate PowerCut::OfBytes(uint64_t inode, uint64_t sequence) {
  const auto kept_if = [](bool kept) { return kept ? Fate::kKept : Fate::kLost; };
  switch (style_) {
    case Style::kUpTo:
      return sequence == pivot_ ? Any() : kept_if(sequence < pivot_);
    case Style::kAllButOne:
      return sequence != pivot_ ? Fate::kKept : random_.OneIn(2) ? Fate::kLost : Fate::kTorn;
    case Style::kOnlyOne:
      return kept_if(sequence == pivot_);
    case Style::kWholeFiles:
      return kept_if(ChosenFile(inode));
    case Style::kBytesFirst:
      return Fate::kKept;
    default:
      return Any();
  }
}

bool PowerCut::KeepsName(uint64_t directory_inode, uint64_t sequence) {
  switch (style_) {
    case Style::kUpTo:
      return sequence <= pivot_;
    case Style::kAllButOne:
      return sequence != pivot_;
    case Style::kOnlyOne:
      return sequence == pivot_;
    case Style::kWholeFiles:
      return ChosenFile(directory_inode);
    case Style::kNamesFirst:
      return true;
    default:
      return Chosen();
  }
}

std::string PowerCut::Describe() const {
  constexpr const char* kNames[] = {
      "each for itself", "all up to one operation", "all but one operation", "one operation only",
      "whole files",     "all names, some bytes",   "all bytes, some names"};
  std::string text = kNames[static_cast<size_t>(style_)];
  if (pivot_ != 0) text += ", operation " + std::to_string(pivot_);
  return text + ", " + std::to_string(percent_) + " % kept, torn at " + std::to_string(unit_bytes_) + " bytes";
}

}  // namespace crabkv::test
