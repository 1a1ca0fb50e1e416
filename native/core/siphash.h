// Keyed SipHash with a 128-bit result (J.-P. Aumasson, D. J. Bernstein: "SipHash: a fast short-input PRF"; the 128-bit
// form is that of the reference implementation). Whoever does not know the seed cannot make keys that collide.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/core/coding.h"

namespace crabkv {

struct Hash128 {
  uint64_t lo = 0;
  uint64_t hi = 0;
  bool operator==(const Hash128& other) const { return lo == other.lo && hi == other.hi; }
  bool operator!=(const Hash128& other) const { return !(*this == other); }
};

namespace siphash_internal {

struct State {
  uint64_t v0, v1, v2, v3;

  static uint64_t Rotate(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }

  template <int kRounds>
  void Mix() {
    for (int round = 0; round < kRounds; round++) {
      v0 += v1;
      v2 += v3;
      v1 = Rotate(v1, 13) ^ v0;
      v3 = Rotate(v3, 16) ^ v2;
      v0 = Rotate(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = Rotate(v1, 17) ^ v2;
      v3 = Rotate(v3, 21) ^ v0;
      v2 = Rotate(v2, 32);
    }
  }

  template <int kRounds>
  void Absorb(uint64_t word) {
    v3 ^= word;
    Mix<kRounds>();
    v0 ^= word;
  }
};

// The last 0..7 bytes, little-endian, under the length's low byte.
inline uint64_t LastWord(const char* tail, uint64_t length) {
  const uint64_t n = length & 7;
  uint64_t word = 0;
  if (n >= 4) {
    // Two loads that may overlap: no byte past the end is touched.
    word = GetU32(tail) | (uint64_t{GetU32(tail + n - 4)} << (8 * (n - 4)));
  } else if (n > 0) {
    word = static_cast<uint8_t>(tail[0]) | (uint64_t{static_cast<uint8_t>(tail[n / 2])} << (8 * (n / 2))) |
           (uint64_t{static_cast<uint8_t>(tail[n - 1])} << (8 * (n - 1)));
  }
  return word | (length << 56);
}

}  // namespace siphash_internal

template <int kCompressionRounds, int kFinalRounds>
inline Hash128 SipHash(const uint64_t seed[2], std::string_view bytes) {
  siphash_internal::State s{seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d ^ 0xee,
                            seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573};
  const char* p = bytes.data();
  const char* const end = p + (bytes.size() & ~size_t{7});
  for (; p != end; p += 8) s.Absorb<kCompressionRounds>(GetU64(p));
  s.Absorb<kCompressionRounds>(siphash_internal::LastWord(p, bytes.size()));
  Hash128 hash;
  s.v2 ^= 0xee;
  s.Mix<kFinalRounds>();
  hash.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
  s.v1 ^= 0xdd;
  s.Mix<kFinalRounds>();
  hash.hi = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
  return hash;
}

// The store's hash of a key. Never change it: it decides where records of existing stores and hints are looked for.
inline Hash128 SipHash13(const uint64_t seed[2], std::string_view bytes) { return SipHash<1, 3>(seed, bytes); }

// The one that test vectors are published for.
inline Hash128 SipHash24(const uint64_t seed[2], std::string_view bytes) { return SipHash<2, 4>(seed, bytes); }

}  // namespace crabkv
