// Compactions that a test asks for, and waits for.
#pragma once

#include "native/core/store.h"
#include "native/core/store_impl.h"
#include "test/native/started.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

// SmallOptions without automatic compaction; those that are asked for take no pauses.
Options ManualOptions(SyncMode sync = SyncMode::kAlways);

class StartedCompaction final : public Started<CompactionReport> {
 public:
  // A whole one.
  explicit StartedCompaction(Store* store)
      : Started([&](Done done) { return store->StartCompaction(std::move(done)); }) {}
  // Of `count` segments from the `first` on, see StoreImpl::StartCompactionOf.
  StartedCompaction(StoreImpl* store, uint64_t first, uint64_t count)
      : Started([&](Done done) { return store->StartCompactionOf(first, count, std::move(done)); }) {}
};

// A whole compaction; what it says and did.
Status Compact(Store* store, CompactionReport* report = nullptr);
// One compaction of `count` segments from the `first` on.
Status CompactRun(Store* store, uint64_t first, uint64_t count);
// The log goes on in a new segment.
Status EndSegment(Store* store);

}  // namespace crabkv::test
