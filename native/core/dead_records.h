// Tells compaction what it need not look up: the index remembers for a while what it stops pointing at, and Collect
// marks that in the segments. To look up a record takes several times as long as to read it, and where keys are
// overwritten most records are dead.
//
// Marks may be missing: of what died before the store was opened, of larger records, and when too many died between
// two calls. A wrong one would lose data: see Collect for how long they are right. Compactor thread.
#pragma once

#include "native/core/commit_log.h"
#include "native/core/index.h"
#include "native/core/segment_table.h"

namespace crabkv {

class DeadRecords {
 public:
  // All of these outlive it.
  DeadRecords(Index* index, SegmentTable* segments, const CommitLog* log)
      : index_(index), segments_(segments), log_(log) {}

  // Marks what has died since the last call. All marks are right as long as log->rollbacks() stays what it was before
  // the call: a write that is taken back brings what it replaced to life again. To be called before a segment is
  // removed, too, when nothing leads to it any more: its handle will be another's.
  void Collect();

 private:
  Index* const index_;
  SegmentTable* const segments_;
  const CommitLog* const log_;
  uint64_t rollbacks_ = 0;  // when no mark was wrong
};

}  // namespace crabkv
