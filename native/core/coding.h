// Fixed-width little-endian integers in byte buffers, at any alignment: the only way the core reads and writes numbers
// on disk. On little-endian machines each is one load or store.
#pragma once

#include <cstdint>
#include <cstring>

namespace crabkv {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, "no mixed orders");

inline uint16_t LittleEndian(uint16_t v) {
  return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap16(v);
}
inline uint32_t LittleEndian(uint32_t v) {
  return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap32(v);
}
inline uint64_t LittleEndian(uint64_t v) {
  return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}

inline void PutU16(char* to, uint16_t v) {
  v = LittleEndian(v);
  std::memcpy(to, &v, sizeof(v));
}
inline void PutU32(char* to, uint32_t v) {
  v = LittleEndian(v);
  std::memcpy(to, &v, sizeof(v));
}
inline void PutU64(char* to, uint64_t v) {
  v = LittleEndian(v);
  std::memcpy(to, &v, sizeof(v));
}

inline uint16_t GetU16(const char* from) {
  uint16_t v;
  std::memcpy(&v, from, sizeof(v));
  return LittleEndian(v);
}
inline uint32_t GetU32(const char* from) {
  uint32_t v;
  std::memcpy(&v, from, sizeof(v));
  return LittleEndian(v);
}
inline uint64_t GetU64(const char* from) {
  uint64_t v;
  std::memcpy(&v, from, sizeof(v));
  return LittleEndian(v);
}

}  // namespace crabkv
