// A store that lives several lives on one traced machine, at random from a seed: batches of all kinds, rotation,
// compaction of any run, expiry, backups (one directory's, of links or of copies), clean closes, kills and power cuts.
// The result says what every disk that the trace can make must hold.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "test/native/store_fixture.h"
#include "test/native/trace.h"

namespace crabkv::test {

struct TracedLives {
  uint64_t seed = 0;
  SyncMode sync = SyncMode::kAlways;
  Trace trace;
  // Of each life: what any disk of that time may hold a prefix of.
  std::deque<ModelLog> logs;

  // In a file, with everything. False when it can't be written, or read.
  bool Save(const std::string& path) const;
  bool Load(const std::string& path);
};

// Machines that replay such a trace.
MemEnvOptions TracedMachine();

// The same seed gives the same work, not the same trace. It decides every call that the test makes, on which keys, with
// what bytes, how the clock goes, and how each life ends. It does not decide what the store's own threads (writer,
// syncer, preparer, compactor) do when: how many writes share a frame, when space is zeroed and the next segment is
// made, whether a sync, a hint, a step of a compaction or of a backup comes before a write or behind it; and so neither
// what a power cut between two lives takes, nor what the next life finds. These threads meet in mutexes and atomics
// that no Env sees, so no schedule of them can be recorded or enforced here. The trace can be, and is: from a saved
// trace, a step and a seed the same disk comes again, always.
void LiveTraced(uint64_t seed, SyncMode sync, uint64_t operations, TracedLives* lives);

}  // namespace crabkv::test
