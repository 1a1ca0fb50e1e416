// The requests that wait, and which of their keys are told of.
#include "native/protocol/key_scout.h"

#include <string>
#include <vector>

#include "test/native/harness.h"

using crabkv::protocol::KeyScout;

namespace {

std::string Request(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

std::vector<std::string> Look(KeyScout* scout, std::string_view waiting) {
  std::vector<std::string> keys;
  scout->LookAhead(waiting, [&keys](std::string_view key) { keys.emplace_back(key); });
  return keys;
}

TEST(A_key_scout_looks_eight_requests_ahead_and_at_each_once) {
  std::string bytes;
  std::vector<size_t> begins;
  for (int i = 0; i < 20; i++) {
    begins.push_back(bytes.size());
    bytes += Request({"SET", "key" + std::to_string(i), "value"});
  }
  begins.push_back(bytes.size());
  KeyScout scout;
  const std::string_view all = bytes;
  std::vector<std::string> seen = Look(&scout, all.substr(begins[1]));
  EXPECT(seen.size() == 8u);
  for (size_t i = 2; i <= 20; i++) {
    const std::vector<std::string> more = Look(&scout, all.substr(begins[i]));
    EXPECT(more.size() == (i + 8 <= 20 ? 1u : 0u));
    seen.insert(seen.end(), more.begin(), more.end());
  }
  EXPECT(seen.size() == 19u);
  for (size_t i = 0; i < seen.size(); i++) EXPECT(seen[i] == "key" + std::to_string(i + 1));
}

TEST(A_key_scout_stops_at_what_is_not_whole_or_not_an_array_of_short_strings) {
  const std::string whole = Request({"GET", "a"});
  const std::string behind = Request({"GET", "z"});
  for (const std::string& odd :
       {std::string("GET b\r\n"), std::string("*2\r\n$3\r\nGET\r\n:1\r\n"), std::string("*2\r\n$3\r\nGET\r\n$-1\r\n"),
        std::string("*99\r\n"), std::string("*\r\n"), std::string("*2\n"), std::string("*2\r\n$9999999\r\n"),
        std::string("*4294967297\r\n"), std::string("\r\n")}) {
    KeyScout scout;
    EXPECT(Look(&scout, whole + odd + behind) == std::vector<std::string>{"a"});
  }
  for (size_t length = 0; length < whole.size(); length++) {
    KeyScout scout;
    // Memory of its own, so that a sanitizer sees a look behind its end.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT(Look(&scout, std::string_view(part.data(), part.size())).empty());
  }
}

TEST(A_key_scout_tells_of_no_long_words) {
  KeyScout scout;
  const std::string bytes =
      Request({"ECHO", std::string(513, 'x')}) + Request({"PING"}) + Request({"GET", std::string(512, 'y')});
  EXPECT(Look(&scout, bytes) == std::vector<std::string>{std::string(512, 'y')});
}

TEST(A_key_scout_goes_on_behind_requests_that_never_run) {
  // The parser passes over requests of no words.
  std::string bytes;
  for (int i = 0; i < 12; i++) bytes += "*0\r\n";
  const size_t begin = bytes.size();
  bytes += Request({"GET", "a"}) + Request({"PING"}) + Request({"GET", "b"});
  KeyScout scout;
  const std::string_view all = bytes;
  EXPECT(Look(&scout, all).empty());
  EXPECT((Look(&scout, all.substr(begin)) == std::vector<std::string>{"a", "b"}));
}

}  // namespace
