#include "native/core/dead_records.h"

namespace crabkv {

void DeadRecords::Collect() {
  // Read first: what is taken from the index below may be void by the time that it is marked.
  const uint64_t rollbacks = log_->rollbacks();
  if (rollbacks != rollbacks_) {
    segments_->ForEach([](Segment* segment) { segment->dead.Clear(); });
    rollbacks_ = rollbacks;
  }
  index_->TakeDead(
      [this](Location location) { segments_->Get(location.segment_handle())->dead.Set(location.offset()); });
}

}  // namespace crabkv
