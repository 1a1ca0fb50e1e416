// Looks over the requests that wait behind the one that runs, for the keys that they will ask for. To look a key up is
// mostly to wait for memory; told early, the store has it there in time. Guesses: a request is an array in RESP whose
// second word is its key, and one of two words reads that key's value. Whatever else comes ends the look, and nothing
// depends on it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "native/core/fingerprint.h"

namespace crabkv::protocol {

struct ScoutedRequest {
  std::string_view key;  // empty: none that it helps to tell of
  bool reads_value = false;
};

// Moves *at behind the request there; false when it is not whole, or not in RESP.
bool ScoutRequest(const char** at, const char* end, ScoutedRequest* request);

// What is told of is three steps of a look-up, each so many requests ahead that what the next looks at is there. They
// are taken for several requests at once: a processor waits for the page of what it asks for, and such waits share
// their time when little else is between them.
template <typename Store>
class KeyScout {
 public:
  static constexpr uint32_t kLookEvery = 8;  // requests
  static constexpr uint32_t kValueAhead = 12;
  static constexpr uint32_t kEntryAhead = kValueAhead + kLookEvery;
  static constexpr uint32_t kSlotAhead = kEntryAhead + kLookEvery;

  explicit KeyScout(Store* store) : store_(store) {}

  // Before each request runs: `waiting` is what lies behind it, at every call in the same memory.
  void LookAhead(std::string_view waiting) {
    if (run_++ % kLookEvery != 0) return;
    // Behind what could not be looked at; and the parser passes over requests that never run.
    if (slots_ < run_ || seen_ < waiting.data()) {
      slots_ = entries_ = values_ = run_;
      seen_ = waiting.data();
    }
    ScoutedRequest request;
    for (; slots_ < run_ + kSlotAhead && ScoutRequest(&seen_, waiting.data() + waiting.size(), &request); slots_++) {
      Key& key = KeyOf(slots_);
      key.is_there = !request.key.empty();
      key.reads_value = request.reads_value;
      if (key.is_there) key.hash = store_->PrefetchSlot(request.key);
    }
    for (; entries_ < std::min(slots_, run_ + kEntryAhead); entries_++) {
      const Key& key = KeyOf(entries_);
      if (key.is_there) store_->PrefetchEntry(key.hash);
    }
    std::array<const KeyHash*, kValueAhead> read;
    size_t count = 0;
    for (; values_ < std::min(slots_, run_ + kValueAhead); values_++) {
      const Key& key = KeyOf(values_);
      if (key.is_there && key.reads_value) read[count++] = &key.hash;
    }
    if (count != 0) store_->PrefetchValues(read.data(), count);
  }

 private:
  struct Key {
    bool is_there = false;
    bool reads_value = false;
    KeyHash hash;
  };

  Key& KeyOf(uint32_t request) { return keys_[request % kSlotAhead]; }

  Store* const store_;
  const char* seen_ = nullptr;  // behind the last request that was looked at
  uint32_t run_ = 0;            // requests that have begun to run
  // Of how many, those included, which step was told of.
  uint32_t slots_ = 0;
  uint32_t entries_ = 0;
  uint32_t values_ = 0;
  std::array<Key, kSlotAhead> keys_;
};

}  // namespace crabkv::protocol
