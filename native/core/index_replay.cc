#include "native/core/index_replay.h"

#include <utility>

namespace crabkv {

void IndexReplay::Add(const KeyHash& hash, RecordType type, Location location, uint64_t deadline_ms) {
  filling_[hash.slot / kSlotsInRange].push_back({location, deadline_ms, hash.fingerprint, hash.slot, type});
  if (++filling_records_ < kBatchRecords) return;
  Wait();
  std::swap(filling_, applied_);
  filling_records_ = 0;
  thread_ = env_->StartThread("crabkv-replay", [this] { Apply(&applied_); });
}

void IndexReplay::Apply(Batch* batch) {
  for (std::vector<Record>& records : *batch) {
    for (const Record& record : records) {
      filler_.Begin(record.slot, 0);
      if (record.type == RecordType::kPut) {
        filler_.Put(record.fingerprint, record.location, record.deadline_ms);
      } else if (record.type == RecordType::kDelete) {
        filler_.Erase(record.fingerprint);
      } else {
        filler_.SetDeadline(record.fingerprint, record.deadline_ms);
      }
    }
    records.clear();
  }
}

void IndexReplay::Wait() {
  if (thread_.joinable()) thread_.join();
}

void IndexReplay::Finish() {
  Wait();
  Apply(&filling_);
  filling_records_ = 0;
  filler_.Count();
}

}  // namespace crabkv
