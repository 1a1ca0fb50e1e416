// Copying files in steps. May block.
#pragma once

#include <string>

#include "native/core/env.h"
#include "native/core/verify.h"

namespace crabkv {

// Makes the file `to`, with the first `bytes` bytes of `from` (whose path is for messages), under a temporary name, and
// syncs it before it gets its own; a file that has the name is replaced. The directory is not synced. kCorruption when
// `from` is shorter, kAborted when `step` gives up; after an error nothing is left of it, as far as that goes.
Status CopyFile(Env* env, File* from, const std::string& from_path, uint64_t bytes, const std::string& to,
                const StepDone& step);

}  // namespace crabkv
