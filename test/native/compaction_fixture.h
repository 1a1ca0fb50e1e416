// Compactions that a test waits for.
#pragma once

#include "native/core/store.h"
#include "native/core/store_impl.h"

namespace crabkv::test {

// A whole compaction; what it says and did.
Status Compact(Store* store, CompactionReport* report = nullptr);
// One compaction of `count` segments from the `first` on, see StoreImpl::StartCompactionOf.
Status CompactRun(Store* store, uint64_t first, uint64_t count);
// The log goes on in a new segment.
Status EndSegment(Store* store);

}  // namespace crabkv::test
