// CRC-32C by table (slicing by 8), by SSE4.2 and by the arm64 CRC extension.
//
// The instructions take 3 cycles for 8 bytes but start one every cycle, so a text is cut in three equal lanes whose
// CRCs run side by side. Lanes are joined by a carry-less multiplication: moving a CRC past k words is multiplying it
// by x^64k mod P, and the product goes into the last word of the last lane instead of being reduced on its own. (V.
// Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel 2011; zlib-style lanes of
// any length.)
#include "native/core/crc32c.h"

#include "native/core/coding.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#include <wmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace crabkv {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // bit-reflected

// --- Tables.

struct Tables {
  uint32_t byte[8][256];
};

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables.byte[0][i] = crc;
  }
  for (uint32_t i = 0; i < 256; i++) {
    for (int t = 1; t < 8; t++) {
      const uint32_t before = tables.byte[t - 1][i];
      tables.byte[t][i] = (before >> 8) ^ tables.byte[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t ExtendByTable(uint32_t crc, const char* data, size_t n) {
  const auto& t = kTables.byte;
  crc = ~crc;
  for (; n >= 8; n -= 8, data += 8) {
    const uint64_t word = GetU64(data) ^ crc;
    crc = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^ t[4][(word >> 24) & 0xff] ^
          t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^ t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; n > 0; n--, data++) crc = (crc >> 8) ^ t[0][(crc ^ static_cast<uint8_t>(*data)) & 0xff];
  return ~crc;
}

// --- By instruction.

#if defined(__x86_64__) || defined(__aarch64__)

// Words of a lane at most; three lanes of it are 3 KiB, within the L1 cache.
constexpr size_t kLaneWordsMax = 128;

// Below this a text is not worth joining lanes for.
constexpr size_t kLanesFrom = 72;

// moved[k] moves a CRC past k words: x^(64k - 33) mod P, bit-reflected; the missing 33 come from the product of two
// reflected values being shifted by one, and from the CRC step that reduces it, which multiplies by x^32.
struct Moves {
  uint32_t past[2 * kLaneWordsMax + 1];
};

constexpr Moves MakeMoves() {
  Moves moves{};
  uint32_t power = 0x80000000;  // x^0
  for (uint32_t exponent = 0; exponent <= 64 * 2 * kLaneWordsMax - 33; exponent++) {
    if ((exponent + 33) % 64 == 0) moves.past[(exponent + 33) / 64] = power;
    power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
  }
  return moves;
}

constexpr Moves kMoves = MakeMoves();

#endif

#if defined(__x86_64__)

#if defined(__clang__) && __clang_major__ >= 14
// There crc32 is a feature of its own, which a cross compiler may have switched off.
#define CRABKV_TARGET_CRC __attribute__((target("sse4.2,crc32")))
#define CRABKV_TARGET_LANES __attribute__((target("sse4.2,crc32,pclmul")))
#else
#define CRABKV_TARGET_CRC __attribute__((target("sse4.2")))
#define CRABKV_TARGET_LANES __attribute__((target("sse4.2,pclmul")))
#endif

CRABKV_TARGET_CRC inline uint64_t Step8(uint64_t crc, const char* p) { return _mm_crc32_u64(crc, GetU64(p)); }
CRABKV_TARGET_CRC inline uint64_t Step8(uint64_t crc, uint64_t word) { return _mm_crc32_u64(crc, word); }
CRABKV_TARGET_CRC inline uint64_t Step4(uint64_t crc, const char* p) {
  return _mm_crc32_u32(static_cast<uint32_t>(crc), GetU32(p));
}
CRABKV_TARGET_CRC inline uint64_t Step2(uint64_t crc, const char* p) {
  return _mm_crc32_u16(static_cast<uint32_t>(crc), GetU16(p));
}
CRABKV_TARGET_CRC inline uint64_t Step1(uint64_t crc, const char* p) {
  return _mm_crc32_u8(static_cast<uint32_t>(crc), static_cast<uint8_t>(*p));
}
CRABKV_TARGET_LANES inline uint64_t Multiply(uint64_t crc, uint32_t by) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(crc)), _mm_cvtsi32_si128(static_cast<int>(by)), 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

#elif defined(__aarch64__)

#if defined(__APPLE__)
#define CRABKV_TARGET_CRC
#define CRABKV_TARGET_LANES
#elif defined(__clang__)
#define CRABKV_TARGET_CRC __attribute__((target("crc")))
#define CRABKV_TARGET_LANES __attribute__((target("crc,aes")))
#else
#define CRABKV_TARGET_CRC __attribute__((target("+crc")))
#define CRABKV_TARGET_LANES __attribute__((target("+crc+crypto")))
#endif

CRABKV_TARGET_CRC inline uint64_t Step8(uint64_t crc, uint64_t word) {
  return __crc32cd(static_cast<uint32_t>(crc), word);
}
CRABKV_TARGET_CRC inline uint64_t Step8(uint64_t crc, const char* p) { return Step8(crc, GetU64(p)); }
CRABKV_TARGET_CRC inline uint64_t Step4(uint64_t crc, const char* p) {
  return __crc32cw(static_cast<uint32_t>(crc), GetU32(p));
}
CRABKV_TARGET_CRC inline uint64_t Step2(uint64_t crc, const char* p) {
  return __crc32ch(static_cast<uint32_t>(crc), GetU16(p));
}
CRABKV_TARGET_CRC inline uint64_t Step1(uint64_t crc, const char* p) {
  return __crc32cb(static_cast<uint32_t>(crc), static_cast<uint8_t>(*p));
}
CRABKV_TARGET_LANES inline uint64_t Multiply(uint64_t crc, uint32_t by) {
  return static_cast<uint64_t>(vmull_p64(static_cast<poly64_t>(crc), static_cast<poly64_t>(by)));
}

#endif

#if defined(__x86_64__) || defined(__aarch64__)

CRABKV_TARGET_CRC inline uint32_t Finish(uint64_t crc, const char* data, size_t n) {
  for (; n >= 8; n -= 8, data += 8) crc = Step8(crc, data);
  if ((n & 4) != 0) {
    crc = Step4(crc, data);
    data += 4;
  }
  if ((n & 2) != 0) {
    crc = Step2(crc, data);
    data += 2;
  }
  if ((n & 1) != 0) crc = Step1(crc, data);
  return ~static_cast<uint32_t>(crc);
}

CRABKV_TARGET_CRC uint32_t ExtendByWords(uint32_t crc, const char* data, size_t n) {
  return Finish(static_cast<uint32_t>(~crc), data, n);
}

// Three lanes of `words` words each.
CRABKV_TARGET_LANES inline uint64_t ExtendLanes(uint64_t crc, const char* data, size_t words) {
  const char* second = data + words * 8;
  const char* third = second + words * 8;
  uint64_t b = 0;
  uint64_t c = 0;
  const size_t last = (words - 1) * 8;
  for (size_t i = 0; i < last; i += 8) {
    crc = Step8(crc, data + i);
    b = Step8(b, second + i);
    c = Step8(c, third + i);
  }
  crc = Step8(crc, data + last);
  b = Step8(b, second + last);
  const uint64_t joined = Multiply(crc, kMoves.past[2 * words]) ^ Multiply(b, kMoves.past[words]);
  return Step8(c, GetU64(third + last) ^ joined);
}

CRABKV_TARGET_LANES uint32_t ExtendByLanes(uint32_t crc_before, const char* data, size_t n) {
  uint64_t crc = static_cast<uint32_t>(~crc_before);
  while (n >= kLanesFrom) {
    size_t words = n / 24;
    if (words > kLaneWordsMax) words = kLaneWordsMax;
    crc = ExtendLanes(crc, data, words);
    data += words * 24;
    n -= words * 24;
  }
  return Finish(crc, data, n);
}

#endif

// --- Choosing.

uint32_t ChooseAndExtend(uint32_t crc, const char* data, size_t n) {
  const Crc32cFunction chosen = Crc32cVariants().front().extend;
  crc32c_internal::extend.store(chosen, std::memory_order_relaxed);
  return chosen(crc, data, n);
}

}  // namespace

namespace crc32c_internal {
std::atomic<Crc32cFunction> extend{ChooseAndExtend};
}

std::vector<Crc32cVariant> Crc32cVariants() {
  std::vector<Crc32cVariant> variants;
#if defined(__x86_64__)
  // Not __builtin_cpu_supports: that is a part of compilers' runtimes which some do not ship.
  constexpr unsigned int kHasPclmul = 1 << 1;
  constexpr unsigned int kHasSse42 = 1 << 20;
  unsigned int a = 0, b = 0, capabilities = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &capabilities, &d) != 0 && (capabilities & kHasSse42) != 0) {
    if ((capabilities & kHasPclmul) != 0) variants.push_back({"sse4.2, three lanes", ExtendByLanes});
    variants.push_back({"sse4.2", ExtendByWords});
  }
#elif defined(__aarch64__) && defined(__APPLE__)
  variants.push_back({"arm64, three lanes", ExtendByLanes});
  variants.push_back({"arm64", ExtendByWords});
#elif defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kHasPmull = 1 << 4;  // HWCAP_PMULL, HWCAP_CRC32: the kernel's numbers, not in every libc
  constexpr unsigned long kHasCrc32 = 1 << 7;
  const unsigned long capabilities = getauxval(AT_HWCAP);
  if ((capabilities & kHasCrc32) != 0) {
    if ((capabilities & kHasPmull) != 0) variants.push_back({"arm64, three lanes", ExtendByLanes});
    variants.push_back({"arm64", ExtendByWords});
  }
#endif
  variants.push_back({"table", ExtendByTable});
  return variants;
}

const char* Crc32cImplementation() { return Crc32cVariants().front().name; }

}  // namespace crabkv
