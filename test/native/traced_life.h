// A store that lives several lives on one traced machine, at random from a seed: batches of all kinds, rotation,
// compaction of any run, expiry, clean closes, kills and power cuts. The result says what every disk that the trace can
// make must hold.
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

// Threads decide what a group holds and when a segment is made, so the same seed gives the same work and not the same
// trace.
void LiveTraced(uint64_t seed, SyncMode sync, uint64_t operations, TracedLives* lives);

}  // namespace crabkv::test
