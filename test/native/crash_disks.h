// Every disk that a power cut could have left at any step of a trace is opened and looked at.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "test/native/traced_life.h"

namespace crabkv::test {

struct CrashDiskCounts {
  std::atomic<uint64_t> disks{0};      // opened and looked at, each other than the others of its trace or step
  std::atomic<uint64_t> rewritten{0};  // of these, opened for writing, too, and looked at again after a power cut
  std::atomic<uint64_t> failures{0};
};

// How much to do at each step: the disk without anything unsynced, the one with all of it, and this many with some of
// it. Of every `for_writing`, one is opened for writing; the others for reading.
struct CrashDiskEffort {
  uint64_t cuts = 8;
  uint64_t for_writing = 4;
};

// In as many threads as there are processors. A disk that is not as it should be fails the test, with the trace in a
// file and what gives the same disk from it again (see CheckOneCrashDisk).
void CheckCrashDisks(const TracedLives& lives, const CrashDiskEffort& effort, CrashDiskCounts* counts);

// The disk that a failure named: "FILE STEP SEED".
void CheckOneCrashDisk(const std::string& name);

}  // namespace crabkv::test
