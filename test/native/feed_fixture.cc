#include "test/native/feed_fixture.h"

#include "native/core/coding.h"

namespace crabkv::test {

std::unique_ptr<Scan> FeedWith(Store* store, const FeedOptions& options) {
  std::unique_ptr<Scan> feed;
  EXPECT_OK(store->NewFeed(options, &feed));
  return feed;
}

std::unique_ptr<Scan> FeedAfter(Store* store, uint64_t version) {
  FeedOptions options;
  options.resume = true;
  options.after_version = version;
  return FeedWith(store, options);
}

std::unique_ptr<Scan> FeedFromNow(Store* store) { return FeedWith(store, FeedOptions()); }

Status TakeAll(Scan* feed, AllShown* shown, uint32_t entries_max) {
  for (bool done = false; !done;) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    CRABKV_RETURN_IF_ERROR(feed->Next(entries_max, 64 << 10, &chunk, &entries, &done));
    const char* at = chunk.data();
    for (uint32_t i = 0; i < entries; i++) {
      const uint32_t key_bytes = GetU32(at + 4);
      const uint32_t value_bytes = GetU32(at + 8);
      const char* key = at + 28;
      shown->push_back({GetU32(at), std::string(key, key_bytes), std::string(key + key_bytes, value_bytes),
                        GetU64(at + 12), GetU64(at + 20)});
      at = key + key_bytes + value_bytes;
    }
    if (entries > 0) EXPECT(feed->version() >= shown->back().version);
  }
  return Status::Ok();
}

AllShown Take(Scan* feed) {
  AllShown shown;
  EXPECT_OK(TakeAll(feed, &shown));
  return shown;
}

std::string KeysOf(const AllShown& shown) {
  std::string keys;
  for (const Shown& change : shown) keys += change.key + " ";
  return keys;
}

void WriteSome(Store* store, Random* random, uint64_t batches, AllShown* expected) {
  constexpr uint64_t kDeadline = 1'800'000'000'000;
  for (uint64_t i = 0; i < batches; i++) {
    Changes changes;
    const uint64_t count = 1 + random->Below(6);
    for (uint64_t j = 0; j < count; j++) {
      const std::string key = "key " + std::to_string(random->Below(20));
      if (random->OneIn(5)) {
        // A delete of an absent key would log nothing.
        changes.push_back(Put(key, "x"));
        changes.push_back(Delete(key));
      } else {
        changes.push_back(Put(key, random->Bytes(random->Below(2000)), random->OneIn(3) ? kDeadline : 0));
      }
      if (random->OneIn(6)) {
        changes.push_back(Put("expiring", "v"));
        changes.push_back(Expire("expiring", kDeadline + i));
      }
    }
    Commit commit;
    EXPECT_OK(WriteAndWait(store, changes, &commit));
    uint64_t version = commit.version - changes.size();
    for (const Change& change : changes) {
      const uint32_t type = change.kind == Change::Kind::kPut ? 1 : change.kind == Change::Kind::kDelete ? 2 : 3;
      expected->push_back({type, change.key, change.value, ++version, change.expires_at_ms});
    }
  }
}

}  // namespace crabkv::test
