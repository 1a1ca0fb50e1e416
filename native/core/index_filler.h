// Puts many entries into an index, a slot at a time, while no store uses it: without latches, undo lists and snapshots,
// and with the index's sums brought up to date once at the end. One thread each; any number of them at once, on
// different slots.
#pragma once

#include <vector>

#include "native/core/index.h"

namespace crabkv {

class IndexFiller {
 public:
  explicit IndexFiller(Index* index) : index_(index) {}

  // The slot that what follows is about. At most `puts` keys will be new.
  void Begin(uint16_t slot, uint64_t puts);
  void Put(const Fingerprint& fingerprint, Location location, uint64_t deadline_ms);
  void Erase(const Fingerprint& fingerprint);
  // Of a key that is there; else nothing happens.
  void SetDeadline(const Fingerprint& fingerprint, uint64_t deadline_ms);
  void End();
  // Adds what this filler changed since the last call to the counts of keys and of live bytes.
  void Count();

 private:
  void CountLive(Location location, int64_t direction);
  void NoteDeadline(uint64_t deadline_ms);

  Index* const index_;
  uint16_t slot_ = 0;
  SlotTable* table_ = nullptr;
  int64_t keys_ = 0;
  std::vector<int64_t> live_bytes_;  // by segment handle
};

}  // namespace crabkv
