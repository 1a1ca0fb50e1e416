// What the tests of feeds share: opening one, taking what it has, and random batches of which it is known what a feed
// must show.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

struct Shown {
  uint32_t type;  // 1 put, 2 delete, 3 expire
  std::string key;
  std::string value;
  uint64_t version;
  uint64_t expires_at_ms;
  bool operator==(const Shown& other) const {
    return type == other.type && key == other.key && value == other.value && version == other.version &&
           expires_at_ms == other.expires_at_ms;
  }
};
using AllShown = std::vector<Shown>;

std::unique_ptr<Scan> FeedWith(Store* store, const FeedOptions& options);
std::unique_ptr<Scan> FeedAfter(Store* store, uint64_t version);
std::unique_ptr<Scan> FeedFromNow(Store* store);

// Everything that the feed has for now, added to `shown`.
Status TakeAll(Scan* feed, AllShown* shown, uint32_t entries_max = 7);
// The same; an error is a failure of the test.
AllShown Take(Scan* feed);
std::string KeysOf(const AllShown& shown);  // each with a space behind it

// Writes `batches` random batches, one acknowledged after the other, and adds what a feed must show of them.
void WriteSome(Store* store, Random* random, uint64_t batches, AllShown* expected);

}  // namespace crabkv::test
