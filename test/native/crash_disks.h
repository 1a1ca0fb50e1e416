// Every disk that a power cut could have left at any step of a trace is opened and looked at.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "test/native/traced_life.h"

namespace crabkv::test {

struct CrashDiskCounts {
  std::atomic<uint64_t> disks{0};      // opened and looked at, each other than the others of its step
  std::atomic<uint64_t> rewritten{0};  // of these, opened for writing, too, and looked at again after a power cut
  std::atomic<uint64_t> backups{0};    // states of the backup that opened and were looked at; every 8th restored
  std::atomic<uint64_t> halves{0};     // states of its directory that were refused
  std::atomic<uint64_t> failures{0};
};

// How much to do at each step: the disk without anything unsynced, the one with all of it, and this many with some of
// it. Of every `for_writing`, one is opened for writing; the others for reading.
struct CrashDiskEffort {
  uint64_t cuts = 8;
  uint64_t for_writing = 4;
};

// A disk that is not as it should be; the step and the seed make it again, of the same trace.
struct WrongDisk {
  uint64_t step = 0;
  uint64_t seed = 0;
  std::string what;
  std::string where;
};

// In as many threads as there are processors. The disks, and what is done with each, follow from the trace alone. The
// search ends when there are a few.
std::vector<WrongDisk> FindWrongDisks(const TracedLives& lives, const CrashDiskEffort& effort, CrashDiskCounts* counts);

// The same, and fails the test for each, leaves the trace in a file, and says which command looks at the disk again.
void CheckCrashDisks(const TracedLives& lives, const CrashDiskEffort& effort, CrashDiskCounts* counts);

// The test that does LookAgain($CRABKV_TEST_CRASH_DISK).
inline constexpr char kLookAgainTest[] = "A_crash_disk_that_is_named_is_looked_at_again";

// The disk that a failure named, "FILE STEP SEED", both for reading and for writing; or, with "FILE", all disks of that
// trace as FindWrongDisks takes them. "" or what is wrong.
std::string LookAgain(const std::string& name);

}  // namespace crabkv::test
