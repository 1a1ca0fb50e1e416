#include "native/core/index.h"

#include <algorithm>
#include <mutex>
#include <queue>
#include <utility>

namespace crabkv {

void UndoList::Trim(uint64_t lsn) {
  while (first_ < entries_.size() && entries_[first_].lsn <= lsn) first_++;
  if (first_ == entries_.size()) {
    entries_.clear();
    first_ = 0;
  } else if (first_ >= 1024 && first_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

Index::Index(uint32_t shard_count, const std::vector<uint16_t>& slot_to_shard, SegmentTable* segments)
    : shard_count_(shard_count),
      segments_(segments),
      shards_(std::make_unique<Shard[]>(shard_count)),
      slot_to_shard_(std::make_unique<std::atomic<uint16_t>[]>(kSlotCount)),
      slots_(std::make_unique<SlotTable[]>(kSlotCount)),
      next_deadlines_ms_(std::make_unique<std::atomic<uint64_t>[]>(kSlotCount)) {
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    // Relaxed: a plain assignment to an atomic is a fence, and this is most of what opening a small store takes.
    next_deadlines_ms_[slot].store(UINT64_MAX, std::memory_order_relaxed);
    const uint32_t shard = slot_to_shard.empty() ? slot % shard_count : slot_to_shard[slot];
    slot_to_shard_[slot].store(static_cast<uint16_t>(shard), std::memory_order_relaxed);
  }
}

void Index::LatchSet::AcquireAll(Index* index) {
  BeginSet(index);
  for (uint32_t shard = 0; shard < index->shard_count_; shard++) shards_[shard / 64] |= uint64_t{1} << (shard % 64);
  LockSet();
}

void Index::LatchSet::LockSet() {
  for (uint32_t word = 0; word < words_; word++) {
    for (uint64_t left = shards_[word]; left != 0; left &= left - 1) {
      index_->shards_[64 * word + static_cast<uint32_t>(__builtin_ctzll(left))].latch.lock();
    }
  }
}

void Index::LatchSet::Release() {
  for (uint32_t word = 0; word < words_; word++) {
    for (uint64_t left = shards_[word]; left != 0; left &= left - 1) {
      index_->shards_[64 * word + static_cast<uint32_t>(__builtin_ctzll(left))].latch.unlock();
    }
  }
  words_ = 0;
}

Index::SlotLatch::SlotLatch(Index* index, uint16_t slot) {
  for (;;) {
    shard_ = index->ShardOf(slot);
    shard_->latch.lock();
    if (index->ShardOf(slot) == shard_) return;
    shard_->latch.unlock();
  }
}

// Whoever holds a latch and has seen that it is the slot's may rely on that until it releases the latch, because the
// word changes only here, under that latch. The new shard's latch makes all that was written under the old one visible
// to those who take the new one. Undo entries stay where they are: UndoFrom goes by LSN over all lists.
bool Index::MoveSlot(uint16_t slot, uint32_t from, uint32_t to) {
  if (from == to) return false;
  const std::lock_guard<Latch> lower(shards_[std::min(from, to)].latch);
  const std::lock_guard<Latch> upper(shards_[std::max(from, to)].latch);
  if (ShardIndexOf(slot) != from) return false;
  slot_to_shard_[slot].store(static_cast<uint16_t>(to), std::memory_order_release);
  slots_moved_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Index::CountLive(Location location, int direction) {
  if (!location) return;
  const int64_t bytes = static_cast<int64_t>(location.approximate_bytes());
  segments_->Get(location.segment_handle())->live_bytes.fetch_add(direction * bytes, std::memory_order_relaxed);
}

// REQUIRES: the shard's latch.
void Index::NoteDead(Shard* shard, Location location) const {
  // Of all shards together, half a megabyte: what is overwritten while the compactor gets to a step.
  constexpr size_t kDeadMax = 1 << 16;
  // To look up a larger one is little beside copying it, and marks would be large beside the index.
  constexpr uint64_t kNotedBytesMax = 512;
  if (location.approximate_bytes() <= kNotedBytesMax && shard->dead.size() < kDeadMax / shard_count_)
    shard->dead.push_back(location);
}

void Index::SaveForSnapshots(uint16_t slot) {
  for (IndexSnapshot* snapshot : snapshots_) {
    if (snapshot->saved_[slot] == nullptr) snapshot->saved_[slot] = slots_[slot].Copy();
  }
}

SlotTable::Known Index::Set(const KeyHash& hash, Location location, uint64_t deadline_ms) {
  if (snapshot_count_ != 0) SaveForSnapshots(hash.slot);
  return SetUnsaved(hash, location, deadline_ms);
}

SlotTable::Known Index::SetUnsaved(const KeyHash& hash, Location location, uint64_t deadline_ms) {
  SlotTable& slot = slots_[hash.slot];
  const SlotTable::Known previous =
      location ? slot.Set(hash.fingerprint, location, deadline_ms) : slot.Erase(hash.fingerprint);
  if (location) {
    if (deadline_ms != 0 && deadline_ms < next_deadlines_ms_[hash.slot].load(std::memory_order_relaxed)) {
      next_deadlines_ms_[hash.slot].store(deadline_ms, std::memory_order_relaxed);
    }
    if (!previous.location) keys_.fetch_add(1, std::memory_order_relaxed);
  } else if (previous.location) {
    keys_.fetch_sub(1, std::memory_order_relaxed);
  }
  if (!previous.location.SameRecord(location)) {
    CountLive(previous.location, -1);
    CountLive(location, +1);
  }
  return previous;
}

SlotTable::Known Index::Apply(const KeyHash& hash, Location location, uint64_t deadline_ms, uint64_t lsn,
                              uint64_t acknowledged_lsn) {
  UndoEntry entry;
  entry.lsn = lsn;
  entry.hash = hash;
  entry.installed = location;
  const SlotTable::Known previous = Set(hash, location, deadline_ms);
  entry.previous = previous.location;
  entry.previous_deadline_ms = previous.deadline_ms;
  Shard* const shard = ShardOf(hash.slot);
  shard->undo.Trim(acknowledged_lsn);
  shard->undo.Push(entry);
  if (previous.location && !previous.location.SameRecord(location)) NoteDead(shard, previous.location);
  counters_->Bump(hash.counter);
  return previous;
}

void Index::Clear() {
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    slots_[slot].Clear();
    next_deadlines_ms_[slot].store(UINT64_MAX, std::memory_order_relaxed);
  }
  keys_.store(0, std::memory_order_relaxed);
}

void Index::Move(const KeyHash& hash, Location from, Location to) {
  const Location current = Find(hash);
  if (current.SameRecord(from)) Set(hash, to, DeadlineOf(hash, current));
}

void Index::EndMoves() {
  LatchSet all;
  all.AcquireAll(this);
  forwarding_.reset();
}

namespace {
Location Translate(const std::shared_ptr<const Forwarding>& forwarding, Location location) {
  return forwarding == nullptr ? location : forwarding->Translate(location);
}

// Whether the key is as the change left it.
bool IsAsChanged(const UndoEntry& entry, Location current, const std::shared_ptr<const Forwarding>& forwarding) {
  if (!entry.installed) return !current;
  return Translate(forwarding, current).SameRecord(Translate(forwarding, entry.installed));
}
}  // namespace

// REQUIRES: all latches.
void Index::Undo(const UndoEntry& entry) {
  const Fingerprint& fingerprint = entry.hash.fingerprint;
  for (IndexSnapshot* snapshot : snapshots_) {
    // Without a copy of its own it shares the table; and a copy from before the change does not show it.
    SlotTable* saved = snapshot->saved_[entry.hash.slot].get();
    if (saved == nullptr || entry.lsn >= snapshot->next_lsn_) continue;
    // One that was made before the records moved knows their old places only.
    const auto& forwarding = snapshot->forwarding_;
    if (!IsAsChanged(entry, saved->Find(fingerprint), forwarding)) continue;
    if (entry.previous) {
      saved->Set(fingerprint, Translate(forwarding, entry.previous), entry.previous_deadline_ms);
    } else {
      saved->Erase(fingerprint);
    }
  }
  // A later change that was acknowledged (in a lazy mode, after a write that waited for its sync) stays.
  const Location current = Find(entry.hash);
  if (!IsAsChanged(entry, current, forwarding_)) return;
  SetUnsaved(entry.hash, Translate(forwarding_, entry.previous), entry.previous_deadline_ms);
  counters_->Bump(entry.hash.counter);
}

void Index::UndoFrom(uint64_t first_lsn) {
  LatchSet all;
  all.AcquireAll(this);
  std::priority_queue<std::pair<uint64_t, uint32_t>> newest;  // LSN of each shard's last change, and the shard
  const auto add = [&](uint32_t shard) {
    const UndoList& undo = shards_[shard].undo;
    if (!undo.empty() && undo.back().lsn >= first_lsn) newest.emplace(undo.back().lsn, shard);
  };
  for (uint32_t shard = 0; shard < shard_count_; shard++) {
    add(shard);
    shards_[shard].dead.clear();  // some of it is about to live again
  }
  while (!newest.empty()) {
    const uint32_t shard = newest.top().second;
    newest.pop();
    Undo(shards_[shard].undo.back());
    shards_[shard].undo.PopBack();
    add(shard);
  }
}

void Index::DropSnapshot(std::unique_ptr<IndexSnapshot> snapshot) {
  LatchSet all;
  all.AcquireAll(this);
  snapshots_.erase(std::remove(snapshots_.begin(), snapshots_.end(), snapshot.get()), snapshots_.end());
  snapshot_count_ = static_cast<uint32_t>(snapshots_.size());
}

Location Index::FindInSnapshot(const IndexSnapshot& snapshot, const KeyHash& hash, uint64_t* deadline_ms) {
  SlotLatch latch(this, hash.slot);
  const SlotTable* saved = snapshot.saved_[hash.slot].get();
  const SlotTable& table = saved != nullptr ? *saved : slots_[hash.slot];
  const Location location = table.Find(hash.fingerprint);
  *deadline_ms = table.DeadlineOf(hash.fingerprint, location);
  return Translate(snapshot.forwarding_, location);
}

Index::Sizes Index::MeasureSizes() {
  Sizes sizes;
  sizes.memory_bytes = uint64_t{kSlotCount} * sizeof(SlotTable);
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    SlotLatch latch(this, static_cast<uint16_t>(slot));
    sizes.memory_bytes += slots_[slot].memory_bytes();
    if (slots_[slot].deadlines) sizes.deadlines += slots_[slot].deadlines->count();
  }
  return sizes;
}

}  // namespace crabkv
