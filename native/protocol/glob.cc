#include "native/protocol/glob.h"

#include <cstdint>
#include <utility>

namespace crabkv::protocol {

namespace {

// The class that begins behind '[': whether `c` is in it. Moves `pattern` behind the ']', or to its end without one.
bool InClass(std::string_view* pattern, char c) {
  std::string_view p = *pattern;
  const bool negated = !p.empty() && p[0] == '^';
  if (negated) p.remove_prefix(1);
  bool found = false;
  while (!p.empty() && p[0] != ']') {
    if (p[0] == '\\' && p.size() >= 2) {
      found = found || p[1] == c;
      p.remove_prefix(2);
    } else if (p.size() >= 3 && p[1] == '-') {
      uint8_t low = static_cast<uint8_t>(p[0]);
      uint8_t high = static_cast<uint8_t>(p[2]);
      if (low > high) std::swap(low, high);
      found = found || (static_cast<uint8_t>(c) >= low && static_cast<uint8_t>(c) <= high);
      p.remove_prefix(3);
    } else {
      found = found || p[0] == c;
      p.remove_prefix(1);
    }
  }
  if (!p.empty()) p.remove_prefix(1);
  *pattern = p;
  return found != negated;
}

// One character of the text against the beginning of the pattern, which is no '*'; moves the pattern on.
bool MatchesOne(std::string_view* pattern, char c) {
  const char first = pattern->front();
  pattern->remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return InClass(pattern, c);
  if (first != '\\' || pattern->empty()) return first == c;
  const char escaped = pattern->front();
  pattern->remove_prefix(1);
  return escaped == c;
}

}  // namespace

// Going back to the last star only: what an earlier one could take, the last one can. So never more than length times
// length.
bool MatchesGlob(std::string_view pattern, std::string_view text) {
  std::string_view star_pattern;
  std::string_view star_text;
  bool has_star = false;
  for (;;) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      has_star = true;
      star_pattern = pattern;
      star_text = text;
      continue;
    }
    if (text.empty() && pattern.empty()) return true;
    if (!text.empty() && !pattern.empty() && MatchesOne(&pattern, text.front())) {
      text.remove_prefix(1);
      continue;
    }
    if (!has_star || star_text.empty()) return false;
    star_text.remove_prefix(1);
    text = star_text;
    pattern = star_pattern;
  }
}

}  // namespace crabkv::protocol
