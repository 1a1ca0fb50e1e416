// Tells the records of whole batches from others where records may be missing: what can be read of a damaged frame is
// taken all or nothing, as it was written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/core/format.h"

namespace crabkv {

// A batch is whole when it begins where one is known to begin, and nothing is missing up to its last record. So what
// follows a missing record is given up to the end of its batch: that may have begun before.
class BatchFilter {
 public:
  struct Held {
    RecordHeader record;
    uint64_t offset;
    std::string key;
  };
  explicit BatchFilter(uint64_t first_lsn) : next_lsn_(first_lsn) {}

  // The batch that the record completes is in whole(), or the keys of records that are of no whole batch are in lost().
  void Add(const RecordHeader& record, uint64_t offset, std::string_view key) {
    whole_.clear();
    lost_.clear();
    if (record.lsn != next_lsn_) {
      at_boundary_ = false;
      GiveUp();
    }
    next_lsn_ = record.lsn + 1;
    held_.push_back({record, offset, std::string(key)});
    const bool last = (record.flags & kRecordEndOfBatch) != 0;
    if (!at_boundary_) {
      GiveUp();
      at_boundary_ = last;
    } else if (last) {
      whole_.swap(held_);
    }
  }
  void Finish() {
    whole_.clear();
    lost_.clear();
    GiveUp();
  }
  const std::vector<Held>& whole() const { return whole_; }
  const std::vector<std::string>& lost() const { return lost_; }

 private:
  void GiveUp() {
    for (Held& held : held_) lost_.push_back(std::move(held.key));
    held_.clear();
  }

  uint64_t next_lsn_;
  bool at_boundary_ = true;
  std::vector<Held> held_;
  std::vector<Held> whole_;
  std::vector<std::string> lost_;
};

}  // namespace crabkv
