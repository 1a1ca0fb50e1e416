// What recovery makes of a directory, in full, so that openings with hints and without can be compared.
#pragma once

#include <memory>
#include <string>

#include "native/core/recovery.h"
#include "test/native/mem_env.h"

namespace crabkv::test {

// The directory opened for reading, and all that recovery derives from it as text: the index entry by entry, each
// segment's figures, clock and LSNs. The status's text where it does not open.
struct Recovered {
  std::string text;
  OpenCounts counts;
};
Recovered Recover(Env* env);

// The names (without directory) of the hint files, sorted.
std::vector<std::string> HintNames(const MemEnv& env);
void RemoveHints(MemEnv* env);
}  // namespace crabkv::test
