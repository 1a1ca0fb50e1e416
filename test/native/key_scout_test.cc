// The requests that wait, and which of their keys are told of.
#include "native/protocol/key_scout.h"

#include <string>
#include <vector>

#include "test/native/harness.h"

using crabkv::KeyHash;

namespace {

// A store that notes what it is told of; its hashes are numbers of keys.
class NotingStore {
 public:
  KeyHash PrefetchSlot(std::string_view key) {
    slots.emplace_back(key);
    keys_.emplace_back(key);
    KeyHash hash;
    hash.fingerprint.low = static_cast<uint32_t>(keys_.size() - 1);
    return hash;
  }
  void PrefetchEntry(const KeyHash& hash) { entries.push_back(keys_[hash.fingerprint.low]); }
  void PrefetchValues(const KeyHash* const* hashes, size_t count) {
    for (size_t i = 0; i < count; i++) values.push_back(keys_[hashes[i]->fingerprint.low]);
  }
  void Forget() {
    slots.clear();
    entries.clear();
    values.clear();
  }

  std::vector<std::string> slots, entries, values;

 private:
  std::vector<std::string> keys_;
};

using Scout = crabkv::protocol::KeyScout<NotingStore>;

std::string Request(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

std::vector<std::string> KeysIn(std::string_view waiting) {
  NotingStore store;
  Scout(&store).LookAhead(waiting);
  return store.slots;
}

TEST(A_key_scout_tells_of_each_key_once_for_each_step_of_its_look_up) {
  constexpr size_t kRequests = 60;
  const auto key = [](size_t i) { return "key" + std::to_string(i); };
  const auto has_key = [](size_t i) { return i % 5 != 4; };
  const auto reads = [](size_t i) { return i % 5 < 2; };
  std::string bytes;
  std::vector<size_t> begins;
  for (size_t i = 0; i <= kRequests; i++) {
    begins.push_back(bytes.size());
    bytes += Request(!has_key(i) ? std::vector<std::string>{"PING"}
                     : reads(i)  ? std::vector<std::string>{"GET", key(i)}
                                 : std::vector<std::string>{"SET", key(i), "value"});
  }
  bytes.resize(begins.back());
  NotingStore store;
  Scout scout(&store);
  for (size_t i = 0; i < kRequests; i++) {
    store.Forget();
    scout.LookAhead(std::string_view(bytes).substr(begins[i + 1]));
    const auto expected = [&](size_t ahead, auto is_told) {
      std::vector<std::string> keys;
      if (i % Scout::kLookEvery != 0) return keys;
      for (size_t at = i == 0 ? 1 : i + ahead + 1 - Scout::kLookEvery; at <= i + ahead && at < kRequests; at++)
        if (is_told(at)) keys.push_back(key(at));
      return keys;
    };
    EXPECT(store.slots == expected(Scout::kSlotAhead, has_key));
    EXPECT(store.entries == expected(Scout::kEntryAhead, has_key));
    EXPECT(store.values == expected(Scout::kValueAhead, reads));
  }
}

TEST(A_key_scout_stops_at_what_is_not_whole_or_not_an_array_of_short_strings) {
  const std::string whole = Request({"GET", "a"});
  const std::string behind = Request({"GET", "z"});
  for (const std::string& odd :
       {std::string("GET b\r\n"), std::string("*2\r\n$3\r\nGET\r\n:1\r\n"), std::string("*2\r\n$3\r\nGET\r\n$-1\r\n"),
        std::string("*99\r\n"), std::string("*\r\n"), std::string("*2\n"), std::string("*2\r\n$9999999\r\n"),
        std::string("*4294967297\r\n"), std::string("\r\n")}) {
    EXPECT(KeysIn(whole + odd + behind) == std::vector<std::string>{"a"});
  }
  for (size_t length = 0; length < whole.size(); length++) {
    // Memory of its own, so that a sanitizer sees a look behind its end.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT(KeysIn(std::string_view(part.data(), part.size())).empty());
  }
}

TEST(A_key_scout_tells_of_no_long_words) {
  const std::string bytes =
      Request({"ECHO", std::string(513, 'x')}) + Request({"PING"}) + Request({"GET", std::string(512, 'y')});
  EXPECT(KeysIn(bytes) == std::vector<std::string>{std::string(512, 'y')});
}

TEST(A_key_scout_goes_on_behind_requests_that_never_run) {
  // The parser passes over requests of no words.
  std::string bytes;
  for (int i = 0; i < 40; i++) bytes += "*0\r\n";
  const size_t begin = bytes.size();
  bytes += Request({"GET", "a"}) + Request({"PING"}) + Request({"GET", "b"});
  NotingStore store;
  Scout scout(&store);
  scout.LookAhead(bytes);
  EXPECT(store.slots.empty());
  for (uint32_t i = 0; i < Scout::kLookEvery; i++) scout.LookAhead(std::string_view(bytes).substr(begin));
  const std::vector<std::string> both = {"a", "b"};
  EXPECT(store.slots == both);
  EXPECT(store.entries == both);
  EXPECT(store.values == both);
}

}  // namespace
