// Brings records that are read one after the other into an index, as recovery does: they are gathered by ranges of
// slots and go into the index a range at a time, because a record by itself would touch memory that neither the caches
// nor the TLB have, and wait for it. While one batch goes in, on a thread of its own, the next is read. Before the
// store exists; one caller.
#pragma once

#include <array>
#include <thread>
#include <vector>

#include "native/core/env.h"
#include "native/core/format.h"
#include "native/core/index_filler.h"

namespace crabkv {

class IndexReplay {
 public:
  IndexReplay(Env* env, Index* index) : env_(env), filler_(index) {}
  ~IndexReplay() { Wait(); }
  IndexReplay(const IndexReplay&) = delete;
  IndexReplay& operator=(const IndexReplay&) = delete;

  // The next record of the log. `location` is a PUT's; an EXPIRE changes the deadline of what is there.
  void Add(const KeyHash& hash, RecordType type, Location location, uint64_t deadline_ms);
  // On return the index holds everything that was added.
  void Finish();

 private:
  // 16 MiB of them. Each slot gets about 32 of a batch, which is what makes fetching its table worth while.
  static constexpr size_t kBatchRecords = 512 << 10;
  static constexpr uint32_t kRanges = 64;
  static constexpr uint32_t kSlotsInRange = kSlotCount / kRanges;

  struct Record {
    Location location;
    uint64_t deadline_ms;
    Fingerprint fingerprint;
    uint16_t slot;
    RecordType type;
  };
  using Batch = std::array<std::vector<Record>, kRanges>;  // each in log order

  void Apply(Batch* batch);
  void Wait();

  Env* const env_;
  IndexFiller filler_;  // of whoever applies a batch
  Batch filling_;
  size_t filling_records_ = 0;
  Batch applied_;  // by thread_, while it runs
  std::thread thread_;
};

}  // namespace crabkv
