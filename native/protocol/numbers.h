// Numbers as Redis reads and writes them: integers without sign, space or leading zero that nobody needs, and the long
// doubles of INCRBYFLOAT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crabkv::protocol {

// False for anything but the one way to write an integer of 64 bits (Redis' string2ll).
bool ParseInteger(std::string_view text, int64_t* number);
// Decimal, all of the text (Redis' string2ull, as of cursors).
bool ParseUnsigned(std::string_view text, uint64_t* number);

inline constexpr size_t kIntegerCharsMax = 20;
// Writes the digits to `to` (kIntegerCharsMax at most); returns how many.
size_t FormatInteger(int64_t number, char* to);

// Infinity is a number here, NaN and surrounding spaces are not.
bool ParseLongDouble(std::string_view text, long double* number);
// 17 digits behind the point, without the zeros at their end.
std::string FormatLongDouble(long double number);

}  // namespace crabkv::protocol
