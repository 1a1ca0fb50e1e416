// CRC-32C (Castagnoli), the checksum of everything on disk: the processor's instruction where it has one (chosen once,
// at run time), tables elsewhere. All implementations give the same value. Any thread; owns nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace crabkv {

using Crc32cFunction = uint32_t (*)(uint32_t crc, const char* data, size_t n);

namespace crc32c_internal {
// Holds a function that chooses and replaces itself until the first call; constant-initialised, so it is right even
// when a static constructor elsewhere computes a checksum.
extern std::atomic<Crc32cFunction> extend;
}  // namespace crc32c_internal

// The CRC of A followed by B, given the CRC of A (0 when A is empty) and the bytes of B.
inline uint32_t Crc32cExtend(uint32_t crc, const char* data, size_t n) {
  return crc32c_internal::extend.load(std::memory_order_relaxed)(crc, data, n);
}

inline uint32_t Crc32c(const char* data, size_t n) { return Crc32cExtend(0, data, n); }

// An implementation that this machine can run; for tests and for telling a person.
struct Crc32cVariant {
  const char* name;
  Crc32cFunction extend;
};

// The best first; the first one is in use.
std::vector<Crc32cVariant> Crc32cVariants();
const char* Crc32cImplementation();

}  // namespace crabkv
