// Where compaction has put the records of the segments it replaces: from the old place of each to the new one. In
// effect from the moment the new segments take the old ones' place until nothing in memory names the old places: the
// index follows it entry by entry meanwhile, and what is taken back or was looked up before is translated. Filled by
// one thread, then only read.
#pragma once

#include <algorithm>
#include <vector>

#include "native/core/fingerprint.h"
#include "native/core/segment_table.h"

namespace crabkv {

class Forwarding {
 public:
  struct Move {
    Location from;
    Location to;
    Fingerprint fingerprint;
    uint16_t slot = 0;
    // Without its change counter.
    KeyHash key() const {
      KeyHash hash;
      hash.fingerprint = fingerprint;
      hash.slot = slot;
      return hash;
    }
  };

  // Holds the old segments, so that their handles name nothing else meanwhile.
  explicit Forwarding(const std::vector<Segment*>& inputs) {
    for (Segment* segment : inputs) inputs_.emplace_back(segment);
  }
  void Add(const KeyHash& hash, Location from, Location to) {
    moves_.push_back({from, to, hash.fingerprint, hash.slot});
  }
  // After the last Add: `place(to)` is where each record lies in the end.
  template <typename PlaceOf>
  void Finish(PlaceOf place) {
    for (Move& move : moves_) move.to = place(move.to);
    const auto before = [](const Move& a, const Move& b) { return a.from.bits < b.from.bits; };
    // Segments are read from their beginnings: only their handles may be out of order.
    if (!std::is_sorted(moves_.begin(), moves_.end(), before)) std::sort(moves_.begin(), moves_.end(), before);
  }
  const std::vector<Move>& moves() const { return moves_; }

  // The place of the same record now, with the flags that `location` has beside it.
  Location Translate(Location location) const {
    if (!location || !IsInput(location.segment_handle())) return location;
    const auto move = std::lower_bound(moves_.begin(), moves_.end(), location, [](const Move& m, Location wanted) {
      return m.from.bits < wanted.bits && !m.from.SameRecord(wanted);
    });
    if (move == moves_.end() || !move->from.SameRecord(location)) return location;
    Location moved = move->to;
    moved.set_has_deadline(location.has_deadline());
    return moved;
  }

 private:
  bool IsInput(uint32_t handle) const {
    for (const SegmentPin& input : inputs_) {
      if (input.get()->handle == handle) return true;
    }
    return false;
  }

  std::vector<SegmentPin> inputs_;
  std::vector<Move> moves_;  // by `from` once sorted
};

}  // namespace crabkv
