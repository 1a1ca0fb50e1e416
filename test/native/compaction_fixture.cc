#include "test/native/compaction_fixture.h"

namespace crabkv::test {

Options ManualOptions(SyncMode sync) {
  Options options = SmallOptions(sync);
  options.auto_compaction = false;
  options.compaction_io_percent = 100;
  return options;
}

Status Compact(Store* store, CompactionReport* report) { return StartedCompaction(store).Wait(report); }

Status CompactRun(Store* store, uint64_t first, uint64_t count) {
  return StartedCompaction(static_cast<StoreImpl*>(store), first, count).Wait();
}

Status EndSegment(Store* store) { return static_cast<StoreImpl*>(store)->EndSegment(); }

}  // namespace crabkv::test
