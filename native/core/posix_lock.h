// The LOCK file of a data directory: flock, which the kernel releases when the process ends however it ends, and a line
// of text saying who owns it, for the message that the loser gets. Never deleted (a new file would be a new lock).
#pragma once

#include <memory>
#include <string>

#include "native/core/env.h"

namespace crabkv {

// See Env::LockFile. Two opens in one process exclude each other as two processes do.
Status LockPosixFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock);

}  // namespace crabkv
