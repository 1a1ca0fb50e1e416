#include "native/protocol/numbers.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace crabkv::protocol {

bool ParseInteger(std::string_view text, int64_t* number) {
  if (text.empty() || text.size() > kIntegerCharsMax) return false;
  const size_t first = text[0] == '-' ? 1 : 0;
  if (text.size() == first || text[first] < '0' || text[first] > '9') return false;
  if (text[first] == '0' && text.size() != 1) return false;  // neither 01 nor -0
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseUnsigned(std::string_view text, uint64_t* number) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

size_t FormatInteger(int64_t number, char* to) {
  const auto [end, error] = std::to_chars(to, to + kIntegerCharsMax, number);
  static_cast<void>(error);  // there is always room
  return static_cast<size_t>(end - to);
}

bool ParseLongDouble(std::string_view text, long double* number) {
  constexpr size_t kCharsMax = 5 * 1024;  // as Redis: the longest long double has some 5,000 digits
  if (text.empty() || text.size() >= kCharsMax) return false;
  const char first = text[0];
  if (first == ' ' || (first >= '\t' && first <= '\r')) return false;
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  *number = std::strtold(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size() || std::isnan(*number)) return false;
  return !(errno == ERANGE && (std::isinf(*number) || std::fpclassify(*number) == FP_ZERO));
}

std::string FormatLongDouble(long double number) {
  char text[5 * 1024];
  const int length = std::snprintf(text, sizeof(text), "%.17Lf", number);
  std::string result(text, static_cast<size_t>(length));
  if (result.find('.') != std::string::npos) {
    while (result.back() == '0') result.pop_back();
    if (result.back() == '.') result.pop_back();
  }
  return result == "-0" ? "0" : result;
}

}  // namespace crabkv::protocol
