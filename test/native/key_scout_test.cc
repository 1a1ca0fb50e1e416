// The requests that wait, and which of their keys are told of.
#include "native/protocol/key_scout.h"

#include <string>
#include <vector>

#include "test/native/harness.h"

namespace {

using Scout = crabkv::protocol::KeyScout<std::string>;

std::string Request(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

struct Told {
  std::vector<std::string> far;
  std::vector<std::string> near;
};

Told Look(Scout* scout, std::string_view waiting) {
  Told told;
  scout->LookAhead(
      waiting,
      [&told](std::string_view key) {
        told.far.emplace_back(key);
        return "token of " + std::string(key);
      },
      [&told](const std::string& token) { told.near.push_back(token); });
  return told;
}

std::vector<std::string> FirstOf(std::string_view waiting) {
  Scout scout;
  return Look(&scout, waiting).far;
}

TEST(A_key_scout_tells_of_each_key_sixteen_requests_ahead_and_again_at_eight) {
  constexpr size_t kRequests = 30;
  std::string bytes;
  std::vector<size_t> begins;
  for (size_t i = 0; i < kRequests; i++) {
    begins.push_back(bytes.size());
    bytes += Request(i % 5 == 4 ? std::vector<std::string>{"PING"}
                                : std::vector<std::string>{"SET", "key" + std::to_string(i), "value"});
  }
  begins.push_back(bytes.size());
  Scout scout;
  for (size_t i = 0; i < kRequests; i++) {
    const Told told = Look(&scout, std::string_view(bytes).substr(begins[i + 1]));
    std::vector<std::string> far, near;
    const auto expect = [](size_t first, size_t last, const std::string& before, std::vector<std::string>* names) {
      for (size_t at = first; at <= last && at < kRequests; at++)
        if (at % 5 != 4) names->push_back(before + "key" + std::to_string(at));
    };
    expect(i == 0 ? 1 : i + Scout::kFar, i + Scout::kFar, "", &far);
    expect(i == 0 ? 1 : i + Scout::kNear, i + Scout::kNear, "token of ", &near);
    EXPECT(told.far == far);
    EXPECT(told.near == near);
  }
}

TEST(A_key_scout_stops_at_what_is_not_whole_or_not_an_array_of_short_strings) {
  const std::string whole = Request({"GET", "a"});
  const std::string behind = Request({"GET", "z"});
  for (const std::string& odd :
       {std::string("GET b\r\n"), std::string("*2\r\n$3\r\nGET\r\n:1\r\n"), std::string("*2\r\n$3\r\nGET\r\n$-1\r\n"),
        std::string("*99\r\n"), std::string("*\r\n"), std::string("*2\n"), std::string("*2\r\n$9999999\r\n"),
        std::string("*4294967297\r\n"), std::string("\r\n")}) {
    EXPECT(FirstOf(whole + odd + behind) == std::vector<std::string>{"a"});
  }
  for (size_t length = 0; length < whole.size(); length++) {
    // Memory of its own, so that a sanitizer sees a look behind its end.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT(FirstOf(std::string_view(part.data(), part.size())).empty());
  }
}

TEST(A_key_scout_tells_of_no_long_words) {
  const std::string bytes =
      Request({"ECHO", std::string(513, 'x')}) + Request({"PING"}) + Request({"GET", std::string(512, 'y')});
  EXPECT(FirstOf(bytes) == std::vector<std::string>{std::string(512, 'y')});
}

TEST(A_key_scout_goes_on_behind_requests_that_never_run) {
  // The parser passes over requests of no words.
  std::string bytes;
  for (int i = 0; i < 20; i++) bytes += "*0\r\n";
  const size_t begin = bytes.size();
  bytes += Request({"GET", "a"}) + Request({"PING"}) + Request({"GET", "b"});
  Scout scout;
  const std::string_view all = bytes;
  EXPECT(Look(&scout, all).far.empty());
  const Told told = Look(&scout, all.substr(begin));
  EXPECT((told.far == std::vector<std::string>{"a", "b"}));
  EXPECT((told.near == std::vector<std::string>{"token of a", "token of b"}));
}

}  // namespace
