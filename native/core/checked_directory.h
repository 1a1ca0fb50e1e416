// The segments of a directory that nobody has open for writing, for checks that go on where recovery would stop: found,
// opened, and in LSN order. What is wrong with the MANIFEST and the segments' headers is noted on the way. May block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "native/core/log_check.h"

namespace crabkv {

struct CheckedDirectory {
  std::unique_ptr<DirectoryLock> lock;  // shared; null where there is no LOCK file
  bool has_manifest = false;
  ManifestState manifest;
  std::vector<CheckedSegment> segments;

  const ManifestState* manifest_if_any() const { return has_manifest ? &manifest : nullptr; }
};

// kMissing when there is no store, kFormat when it is one of another format version, kLocked, kIo. Changes nothing.
Status OpenToCheck(Env* env, const std::string& directory, CheckedDirectory* checked, VerifyReport* report);

}  // namespace crabkv
