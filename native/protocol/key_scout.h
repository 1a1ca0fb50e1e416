// Looks over the requests that wait behind the one that runs, for the keys that they will ask for. To look a key up is
// mostly to wait for memory; told early, the store has it there in time. Guesses: a request is an array in RESP whose
// second word is its key. Whatever else comes ends the look, and nothing depends on it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crabkv::protocol {

// Moves *at behind the request there; false when it is not whole, or not in RESP. `key` is empty for one without, and
// for one so long that its hash takes longer than the wait.
bool KeyOfRequest(const char** at, const char* end, std::string_view* key);

// Token: what is known of a key from the first time that it is told of to the second.
template <typename Token>
class KeyScout {
 public:
  static constexpr uint32_t kFar = 16;
  static constexpr uint32_t kNear = 8;

  // Before each request runs: `waiting` is what lies behind it, at every call in the same memory. Tells of each key
  // twice, far(key) when so many requests are before it, and near(what that gave) when fewer are.
  template <typename Far, typename Near>
  void LookAhead(std::string_view waiting, Far far, Near near) {
    const char* const end = waiting.data() + waiting.size();
    run_++;
    // Behind what could not be looked at; and the parser passes over requests that never run.
    if (looked_at_ < run_ || seen_ < waiting.data()) {
      looked_at_ = told_ = run_;
      seen_ = waiting.data();
    }
    std::string_view key;
    while (looked_at_ < run_ + kFar && KeyOfRequest(&seen_, end, &key)) {
      Key& place = keys_[looked_at_++ % kFar];
      place.is_told = !key.empty();
      if (place.is_told) place.token = far(key);
    }
    told_ = std::max(told_, run_);
    for (const uint32_t behind = std::min(looked_at_, run_ + kNear); told_ < behind; told_++) {
      const Key& place = keys_[told_ % kFar];
      if (place.is_told) near(place.token);
    }
  }

 private:
  struct Key {
    bool is_told = false;
    Token token;
  };

  uint32_t run_ = 0;            // requests that have begun to run
  uint32_t looked_at_ = 0;      // requests that have begun to run or have been looked at
  uint32_t told_ = 0;           // ... or have been told of twice
  const char* seen_ = nullptr;  // behind the last that was looked at
  std::array<Key, kFar> keys_;  // of those that were looked at last
};

// Moves *at behind the request there; false when it is not whole, or not in RESP. `key` is empty for one without, and
// for one so long that its hash takes longer than the wait.
bool KeyOfRequest(const char** at, const char* end, std::string_view* key);

}  // namespace crabkv::protocol
