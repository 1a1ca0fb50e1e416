// Making a new store of what checks out in a damaged one. The original is only read. Runs on the thread of the caller,
// in steps between which it can be given up. May block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/core/env.h"
#include "native/core/status.h"
#include "native/core/verify.h"

namespace crabkv {

// What the new store has of a key of which a record is damaged.
enum class KeptVersion : uint8_t {
  kNone = 0,     // nothing
  kOlder = 1,    // a version from before the damaged one (or of the same damaged place)
  kNewer = 2,    // one from after it: nothing is lost of this key
  kUnknown = 3,  // the key is too long to be told
};

struct RepairReport {
  VerifyReport found;  // in the original
  // For each fault and each of its keys.
  std::vector<std::vector<KeptVersion>> kept;
  uint64_t keys = 0;     // in the new store
  uint64_t bytes = 0;    // of these and their values
  uint64_t expired = 0;  // keys that had expired by the original's own clock, and were left out

  // Something that was stored is missing, or may be.
  bool data_lost() const;
};

// Writes the newest good version of each key of the store in `source`, in log order, deadlines kept, into a new store
// in `target`, which is made under the name `target`.partial and renamed when all of it is durable. What a batch wrote
// in a damaged place is kept as a whole or not at all. Memory: two indexes, of the original and of the new store, and
// the largest record. kMissing, kFormat when there is no store; kLocked while it is open for writing; kExists when
// `target` or the other name is there and not an empty directory; kInvalidArgument when `target` lies in `source`, or
// is a mount point; kIo, kDiskFull; kAborted. After an error nothing is left of the new store, unless it was in syncing
// its name.
Status RepairDirectory(Env* env, const std::string& source, const std::string& target, const StepDone& step,
                       RepairReport* report);

}  // namespace crabkv
