#include "test/native/compaction_fixture.h"

namespace crabkv::test {

Status Compact(Store* store, CompactionReport* report) { return StartedCompaction(store).Wait(report); }

Status CompactRun(Store* store, uint64_t first, uint64_t count) {
  return StartedCompaction(static_cast<StoreImpl*>(store), first, count).Wait();
}

Status EndSegment(Store* store) { return static_cast<StoreImpl*>(store)->EndSegment(); }

}  // namespace crabkv::test
