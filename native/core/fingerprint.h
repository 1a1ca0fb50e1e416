// A key's identity in memory: its slot and a 96-bit fingerprint, both from one keyed 128-bit SipHash (the seed is
// random per store and kept in the MANIFEST). Among ten million keys the chance that any two share slot and fingerprint
// is below 1e-15, so for every question but "what is the value" an equal fingerprint is the same key.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/core/siphash.h"

namespace crabkv {

struct Fingerprint {
  // Ordered as a 96-bit number, `high` first: tables keep their entries in this order.
  uint32_t high = 0;
  uint32_t middle = 0;
  uint32_t low = 0;
  bool operator==(const Fingerprint& o) const { return high == o.high && middle == o.middle && low == o.low; }
  bool operator<(const Fingerprint& o) const {
    if (high != o.high) return high < o.high;
    if (middle != o.middle) return middle < o.middle;
    return low < o.low;
  }
};

struct KeyHash {
  Fingerprint fingerprint;
  uint16_t slot = 0;     // below kSlotCount
  uint16_t counter = 0;  // change counter
};

// The part of a key that decides its slot: what stands between the first '{' and the next '}', where both are there and
// something is between them (as in Redis Cluster), else the whole key.
inline std::string_view HashTagOf(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

inline KeyHash HashKey(const uint64_t seed[2], std::string_view key) {
  const Hash128 hash = SipHash13(seed, key);
  KeyHash result;
  result.fingerprint.high = static_cast<uint32_t>(hash.hi >> 32);
  result.fingerprint.middle = static_cast<uint32_t>(hash.hi);
  result.fingerprint.low = static_cast<uint32_t>(hash.lo >> 32);
  result.counter = static_cast<uint16_t>(hash.lo >> 16);
  const std::string_view tag = HashTagOf(key);
  const uint64_t slot_bits = tag.size() == key.size() ? hash.lo : SipHash13(seed, tag).lo;
  result.slot = static_cast<uint16_t>(slot_bits & 0x3fff);
  return result;
}

}  // namespace crabkv
