// Making a store of a backup. The backup is only read. Runs on the thread of the caller, in steps between which it can
// be given up. May block.
#pragma once

#include <cstdint>
#include <string>

#include "native/core/env.h"
#include "native/core/verify.h"

namespace crabkv {

struct RestoreReport {
  uint64_t version = 0;         // the store is as it was at this version
  uint64_t files = 0;           // copied
  uint64_t bytes = 0;           // of these
  uint64_t records = 0;         // all of them checked
  uint64_t backup_wall_ms = 0;  // when the backup was made
};

// Copies the backup in `source` into a store in `target`, in a new epoch and of a lineage of its own, and checks all of
// it; it is made under the name `target`.partial and renamed when all of it is durable. kMissing when there is nothing,
// kFormat when it is no backup, or at numbers too high to go on; kLocked while one is being made there; kCorruption,
// naming the file, when the backup is damaged; kExists when `target` or the other name is there and not an empty
// directory; kInvalidArgument when `target` lies in `source`, or is a mount point; kIo, kDiskFull; kAborted. After an
// error nothing is left of the new store, unless it was in syncing its name.
Status RestoreBackup(Env* env, const std::string& source, const std::string& target, const StepDone& step,
                     RestoreReport* report);

}  // namespace crabkv
