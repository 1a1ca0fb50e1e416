// The lines that tell lengths in RESP, "*3" and "$16", as every client writes them.
#pragma once

#include <cstdint>

namespace crabkv::protocol {

inline constexpr int kLengthDigitsMax = 6;

// Takes the number between `mark` and the end of the line at *at, and moves *at behind that. False for anything but the
// one way to write a number of few digits, also for a line that is not there in full: that may still be right.
inline bool TakeLength(const char** at, const char* end, char mark, uint32_t* length) {
  const char* p = *at;
  if (p == end || *p != mark) return false;
  const char* const digits = ++p;
  uint32_t value = 0;
  while (p != end && *p >= '0' && *p <= '9' && p - digits < kLengthDigitsMax) {
    value = value * 10 + static_cast<uint32_t>(*p++ - '0');
  }
  const bool is_plain = p != digits && (*digits != '0' || p - digits == 1);
  if (!is_plain || end - p < 2 || p[0] != '\r' || p[1] != '\n') return false;
  *length = value;
  *at = p + 2;
  return true;
}

}  // namespace crabkv::protocol
