// Which record of each key is the newest one that could be read: what a repair keeps. About as much memory as an index.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "native/core/env.h"
#include "native/core/format.h"
#include "native/core/slot_table.h"

namespace crabkv {

// Where a record lies: in which of a list of segments, and where in its file.
struct RecordPlace {
  size_t segment = 0;
  uint64_t offset = 0;
};

class NewestRecords {
 public:
  static constexpr size_t kSegmentsMax = Location::kSegmentHandleMax;

  // `ordered`: the records come in the order of their LSNs; else LSNs are remembered, too.
  NewestRecords(Env* env, bool ordered);

  void Add(RecordPlace place, const RecordHeader& record, std::string_view key);
  // Whether the key's newest record is the one there; then `*deadline_ms` is when the key expires (0: never).
  bool IsNewest(RecordPlace place, std::string_view key, uint64_t* deadline_ms) const;
  // False when there is none of the key.
  bool Find(std::string_view key, RecordPlace* place) const;
  uint64_t key_count() const { return key_count_; }

 private:
  bool IsOutdated(const KeyHash& hash, const RecordHeader& record);

  const uint64_t seed_[2];
  const std::unique_ptr<SlotTable[]> slots_;
  // Of each key's last change, deletes included; null when the records come in order.
  const std::unique_ptr<FingerprintTable[]> lsns_;
  uint64_t key_count_ = 0;
};

}  // namespace crabkv
