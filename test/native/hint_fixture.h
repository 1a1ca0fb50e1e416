// Stores with hints, and what recovery makes of a directory, in full, so that openings with hints and without can be
// compared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "native/core/recovery.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

// The directory opened for reading, and all that recovery derives from it as text: the index entry by entry, each
// segment's figures, clock and LSNs. The status's text where it does not open.
struct Recovered {
  std::string text;
  OpenCounts counts;
};
Recovered Recover(Env* env);

// Compaction only when it is asked for.
Options HintOptions(SyncMode mode = SyncMode::kAlways);
// Work of every kind: overwrites, deletes, deadlines set, changed and taken away, with and without a put before them in
// the same segment.
void Work(Store* store, Random* random, int changes, bool compact);
// A closed store of several segments, most of them with a hint.
std::unique_ptr<MemEnv> Closed(Random* random, bool compact);
// The same directory with hints and without: one text. How it was opened with them.
OpenCounts ExpectSame(const MemEnv& env, const std::string& how);
// Time passes until every sealed segment has its hint.
void LetHintsBeWritten(MemEnv* env, Store* store);

std::string PathOf(const std::string& name);
// The names (without directory) of the hint files, sorted.
std::vector<std::string> HintNames(const MemEnv& env);
void RemoveHints(MemEnv* env);

}  // namespace crabkv::test
