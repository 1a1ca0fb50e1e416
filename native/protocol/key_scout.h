// Looks over the requests that wait behind the one that runs, for the keys that they will ask for. To look a key up is
// mostly to wait for memory; told early, the store has it there in time. Guesses: a request is an array in RESP whose
// second word is its key. Whatever else comes ends the look, and nothing depends on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crabkv::protocol {

class KeyScout {
 public:
  // Before each request runs: `waiting` is what lies behind it, at every call in the same memory. Calls hint(key) for
  // keys of the next few requests, once for each.
  template <typename Hint>
  void LookAhead(std::string_view waiting, Hint hint) {
    const char* const end = waiting.data() + waiting.size();
    if (ahead_ != 0) ahead_--;
    if (ahead_ == 0 || seen_ < waiting.data()) {
      ahead_ = 0;
      seen_ = waiting.data();
    }
    std::string_view key;
    while (ahead_ < kAhead && SkipRequest(&seen_, end, &key)) {
      ahead_++;
      if (!key.empty() && key.size() <= kKeyBytesMax) hint(key);
    }
  }

 private:
  static constexpr uint32_t kAhead = 8;
  // Of a longer one, or of a word that is none, the hash takes longer than the wait.
  static constexpr size_t kKeyBytesMax = 512;

  // Moves *at behind the request there; false when it is not whole, or not in RESP. `key` is empty for one without.
  static bool SkipRequest(const char** at, const char* end, std::string_view* key);

  const char* seen_ = nullptr;  // behind the last request that was looked at
  uint32_t ahead_ = 0;          // requests before that which have not run
};

}  // namespace crabkv::protocol
