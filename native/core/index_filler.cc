#include "native/core/index_filler.h"

namespace crabkv {

void IndexFiller::Begin(uint16_t slot, uint64_t puts) {
  slot_ = slot;
  table_ = &index_->slots_[slot];
  if (puts != 0) table_->locations.Reserve(table_->locations.count() + puts);
}

void IndexFiller::CountLive(Location location, int64_t direction) {
  if (!location) return;
  const uint32_t handle = location.segment_handle();
  if (handle >= live_bytes_.size()) live_bytes_.resize(handle + 1);
  live_bytes_[handle] += direction * static_cast<int64_t>(location.approximate_bytes());
}

void IndexFiller::NoteDeadline(uint64_t deadline_ms) {
  std::atomic<uint64_t>& next = index_->next_deadlines_ms_[slot_];
  if (deadline_ms != 0 && deadline_ms < next.load(std::memory_order_relaxed)) {
    next.store(deadline_ms, std::memory_order_relaxed);
  }
}

void IndexFiller::Put(const Fingerprint& fingerprint, Location location, uint64_t deadline_ms) {
  const Location previous = table_->Set(fingerprint, location, deadline_ms).location;
  NoteDeadline(deadline_ms);
  if (!previous) keys_++;
  CountLive(previous, -1);
  CountLive(location, +1);
}

void IndexFiller::Erase(const Fingerprint& fingerprint) {
  const Location previous = table_->Erase(fingerprint).location;
  if (previous) keys_--;
  CountLive(previous, -1);
}

void IndexFiller::SetDeadline(const Fingerprint& fingerprint, uint64_t deadline_ms) {
  const Location location = table_->Find(fingerprint);
  if (!location) return;
  table_->Set(fingerprint, location, deadline_ms);
  NoteDeadline(deadline_ms);
}

void IndexFiller::End() { table_->locations.Trim(); }

void IndexFiller::Count() {
  index_->keys_.fetch_add(static_cast<uint64_t>(keys_), std::memory_order_relaxed);
  for (uint32_t handle = 0; handle < live_bytes_.size(); handle++) {
    if (live_bytes_[handle] == 0) continue;
    index_->segments_->Get(handle)->live_bytes.fetch_add(live_bytes_[handle], std::memory_order_relaxed);
  }
  keys_ = 0;
  live_bytes_.clear();
}

}  // namespace crabkv
