// Reading everything that a store has on disk, and telling what of it fails a check. Changes nothing but the LOCK
// file's hold. Runs on the thread of the caller, in steps between which it can be given up. May block.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "native/core/env.h"
#include "native/core/status.h"

namespace crabkv {

// One thing that is wrong.
struct Fault {
  static constexpr size_t kKeysMax = 16;
  static constexpr size_t kKeyBytesMax = 1024;  // longer keys are cut

  std::string file;     // its name in the directory
  uint64_t offset = 0;  // in bytes from the file's start
  uint64_t bytes = 0;   // how many are concerned; 0: not known, or the whole file
  std::string what;     // for people
  // The changes that were there and are not; 0: none in particular. Some of them may be readable nevertheless.
  uint64_t first_lsn = 0;
  uint64_t last_lsn = 0;
  // Something that was stored may be missing because of this; false: all that it concerns can be read nevertheless.
  bool data_lost = true;
  // Keys of damaged records, as far as they can be read (their bytes may be what is damaged): the first of them, and
  // how many there are.
  std::vector<std::string> keys;
  uint64_t key_count = 0;
};

struct VerifyReport {
  static constexpr size_t kFaultsMax = 1000;

  uint64_t files = 0;
  uint64_t bytes = 0;   // read
  uint64_t frames = 0;  // that check out, as do the records
  uint64_t records = 0;
  uint64_t last_lsn = 0;  // of the last record
  uint64_t clock_ms = 0;  // the store's clock, as far as it was written down
  std::vector<Fault> faults;
  uint64_t fault_count = 0;  // of all, also beyond kFaultsMax
  // Where the log ends with a write that a crash left unfinished, which opening cuts off; no fault. Empty: it does not.
  std::string unfinished_file;
  uint64_t unfinished_offset = 0;
};

// Called between steps with the bytes read since the last call; false to give up.
using StepDone = std::function<bool(uint64_t)>;

// A directory that nobody has open for writing (kLocked else); see Store::Verify for one that is. OK whatever is found;
// kMissing and kFormat when this is no store; kIo; kAborted.
Status VerifyDirectory(Env* env, const std::string& directory, const StepDone& step, VerifyReport* report);

}  // namespace crabkv
