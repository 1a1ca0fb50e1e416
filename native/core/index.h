// The index: 16,384 slot tables, partitioned among shards. A shard is a latch and the undo list of the unacknowledged
// changes made under it; which shard guards a slot is one word that can change while the store runs (MoveSlot).
//
// Protocol of a write: latch the shards of all its slots in ascending order (LatchSet), reserve log space, Apply each
// record, release. Readers latch the shard of their slot. Nothing waits for the disk while it holds a latch.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/core/change_counters.h"
#include "native/core/fingerprint.h"
#include "native/core/forwarding.h"
#include "native/core/latch.h"
#include "native/core/options.h"
#include "native/core/segment_table.h"
#include "native/core/slot_table.h"

namespace crabkv {

// What a change replaced, kept until its group is acknowledged.
struct UndoEntry {
  uint64_t lsn = 0;
  KeyHash hash;
  Location installed;  // none when the change removed the key
  Location previous;   // none when the key was not there
  uint64_t previous_deadline_ms = 0;
};

// A first-in-first-out list that is taken back from the end; LSNs ascend. Guarded by its shard's latch.
class UndoList {
 public:
  void Push(const UndoEntry& entry) { entries_.push_back(entry); }
  // Forgets the entries at or below `lsn`, which are acknowledged.
  void Trim(uint64_t lsn);
  bool empty() const { return first_ == entries_.size(); }
  const UndoEntry& back() const { return entries_.back(); }
  void PopBack() { entries_.pop_back(); }

 private:
  std::vector<UndoEntry> entries_;
  size_t first_ = 0;
};

// Apart from the next one by what processors fetch at once, so that threads in different shards do not meet.
struct alignas(128) Shard {
  Latch latch;
  UndoList undo;               // guarded by latch; also of slots that have moved away since
  std::vector<Location> dead;  // guarded by latch; see TakeDead
};

// A key that has expired and is still in the index.
struct ExpiredKey {
  uint64_t deadline_ms = 0;
  uint16_t slot = 0;
  Fingerprint fingerprint;
};

// An entry on a walk through the index.
struct IndexPlace {
  uint16_t slot = 0;
  Fingerprint fingerprint;
};

// The slot tables as they were at one moment. While it exists, the first change of a slot copies the slot's table here.
class IndexSnapshot {
 public:
  IndexSnapshot() : saved_(kSlotCount) {}

 private:
  friend class Index;
  std::vector<std::unique_ptr<SlotTable>> saved_;  // guarded by the latch of the slot's shard
  uint64_t next_lsn_ = 0;                          // it shows the changes below
  // In effect when it was made: what it finds is translated.
  std::shared_ptr<const Forwarding> forwarding_;
};

class IndexFiller;

class Index {
 public:
  Index(uint32_t shard_count, const std::vector<uint16_t>& slot_to_shard, SegmentTable* segments);

  // --- Latches.
  // Holds the shards of a set of slots, each once, taken in ascending order.
  class LatchSet {
   public:
    LatchSet() = default;
    ~LatchSet() { Release(); }
    LatchSet(const LatchSet&) = delete;
    LatchSet& operator=(const LatchSet&) = delete;
    // `slot_of(i)` for i below `count`.
    template <typename SlotOf>
    void Acquire(Index* index, size_t count, SlotOf slot_of) {
      do {
        BeginSet(index);
        for (size_t i = 0; i < count; i++) Include(slot_of(i));
        LockSet();
        // A slot may have moved to another shard before its old shard's latch was ours.
      } while (!HoldsAll(count, slot_of) && (Release(), true));
    }
    void AcquireAll(Index* index);
    void Release();

   private:
    static constexpr uint32_t kWords = 64;  // of 64 shards: 4096, the most there are
    void BeginSet(Index* index) {
      index_ = index;
      words_ = (index->shard_count_ + 63) / 64;
      for (uint32_t word = 0; word < words_; word++) shards_[word] = 0;
    }
    void Include(uint16_t slot) {
      const uint32_t shard = index_->slot_to_shard_[slot].load(std::memory_order_acquire);
      shards_[shard / 64] |= uint64_t{1} << (shard % 64);
    }
    template <typename SlotOf>
    bool HoldsAll(size_t count, SlotOf slot_of) const {
      for (size_t i = 0; i < count; i++) {
        const uint32_t shard = index_->slot_to_shard_[slot_of(i)].load(std::memory_order_acquire);
        if ((shards_[shard / 64] & (uint64_t{1} << (shard % 64))) == 0) return false;
      }
      return true;
    }
    void LockSet();

    uint64_t shards_[kWords];  // a bit for each shard in the set; the first words_ are valid
    uint32_t words_ = 0;
    Index* index_ = nullptr;
  };
  // Holds the shard of one slot.
  class SlotLatch {
   public:
    SlotLatch(Index* index, uint16_t slot);
    ~SlotLatch() { shard_->latch.unlock(); }
    SlotLatch(const SlotLatch&) = delete;
    SlotLatch& operator=(const SlotLatch&) = delete;

   private:
    Shard* shard_;
  };

  // --- Which shard has a slot.
  // Gives the slot to another shard, if it is still `from`'s; false when it is not, or when the two are one. Nothing is
  // copied, and nobody waits but for the two latches. Any thread, holding no latch.
  bool MoveSlot(uint16_t slot, uint32_t from, uint32_t to);
  // The shard that has the slot now; it may have moved before the caller looks.
  uint32_t ShardIndexOf(uint16_t slot) const { return slot_to_shard_[slot].load(std::memory_order_acquire); }
  uint64_t slots_moved() const { return slots_moved_.load(std::memory_order_relaxed); }

  // Hints, without any latch: the key is about to be looked up, or put; and before that, for who has many keys, that
  // one of these hints will be given.
  void Prefetch(const KeyHash& hash) const { slots_[hash.slot].locations.Prefetch(hash.fingerprint); }
  void PrefetchToPut(const KeyHash& hash) const { slots_[hash.slot].locations.PrefetchToPut(hash.fingerprint); }
  void PrefetchSlot(const KeyHash& hash) const {
    __builtin_prefetch(&slots_[hash.slot]);
    __builtin_prefetch(&slot_to_shard_[hash.slot]);
  }

  // --- Under the latch of the slot's shard.
  const SlotTable& slot(uint16_t slot) const { return slots_[slot]; }
  Location Find(const KeyHash& hash) const { return slots_[hash.slot].Find(hash.fingerprint); }
  uint64_t DeadlineOf(const KeyHash& hash, Location location) const {
    return slots_[hash.slot].DeadlineOf(hash.fingerprint, location);
  }
  // Points the key at a new record, or nowhere (`location` none), and remembers how to take that back until
  // `acknowledged_lsn` reaches `lsn`. Returns what was known of the key before.
  SlotTable::Known Apply(const KeyHash& hash, Location location, uint64_t deadline_ms, uint64_t lsn,
                         uint64_t acknowledged_lsn);
  // As new, whatever the slots held; REQUIRES: no store uses it yet.
  void Clear();
  // The record was copied elsewhere: follows it if the key still points at `from`.
  void Move(const KeyHash& hash, Location from, Location to);

  // --- Compaction. From BeginMoves on, places in undo lists and new snapshots are translated; `at_switch` runs under
  // all latches, so every snapshot is wholly before or after it. EndMoves: no undo list names an old place any more.
  template <typename AtSwitch>
  void BeginMoves(std::shared_ptr<const Forwarding> forwarding, AtSwitch at_switch) {
    LatchSet all;
    all.AcquireAll(this);
    forwarding_ = std::move(forwarding);
    at_switch();
  }
  void EndMoves();
  // Calls visit(location) for records that Apply has made the index stop pointing at since the last call: for all but
  // large ones, unless there were too many. For none of those that taking back has brought to life again. Takes latches
  // one at a time; `visit` is called without.
  template <typename Visit>
  void TakeDead(Visit visit) {
    std::vector<Location> taken;
    for (uint32_t shard = 0; shard < shard_count_; shard++) {
      taken.clear();
      {
        const std::lock_guard<Latch> lock(shards_[shard].latch);
        taken.swap(shards_[shard].dead);
      }
      for (const Location location : taken) visit(location);
    }
  }
  // Runs `body` between batches.
  template <typename Body>
  void UnderAllLatches(Body body) {
    LatchSet all;
    all.AcquireAll(this);
    body();
  }

  // Takes back every change with an LSN of `first_lsn` or above, in reverse order over all shards: a key whose slot has
  // moved has changes in the lists of both. Takes all latches.
  void UndoFrom(uint64_t first_lsn);

  // --- Snapshots. Making one takes all latches, so it is between batches; `at_snapshot` runs under them and returns
  // the next LSN. A change that is undone is undone in every snapshot that shows it, too.
  template <typename AtSnapshot>
  std::unique_ptr<IndexSnapshot> TakeSnapshot(AtSnapshot at_snapshot) {
    auto snapshot = std::make_unique<IndexSnapshot>();
    LatchSet all;
    all.AcquireAll(this);
    snapshot->next_lsn_ = at_snapshot();
    snapshot->forwarding_ = forwarding_;
    snapshots_.push_back(snapshot.get());
    snapshot_count_ = static_cast<uint32_t>(snapshots_.size());
    return snapshot;
  }
  void DropSnapshot(std::unique_ptr<IndexSnapshot> snapshot);
  // The key's location and deadline in the snapshot. Takes the slot's latch.
  Location FindInSnapshot(const IndexSnapshot& snapshot, const KeyHash& hash, uint64_t* deadline_ms);

  // --- Expiry.
  // No key expires before this moment (it may be early, never late); UINT64_MAX when none ever does. No latch.
  uint64_t NextDeadlineMs() const;
  // Adds up to `keys_max` expired keys, earliest deadlines first but for keys that expire meanwhile. Takes latches one
  // at a time.
  void CollectExpired(uint64_t now_ms, size_t keys_max, std::vector<ExpiredKey>* expired);

  // --- Walking. Adds about `count_max` entries in the order of slots and fingerprints, from `cursor` on (slot 14 bits,
  // then the first 48 of the fingerprint), and returns the cursor of the entry behind them; 0 at the end. Takes latches
  // one at a time.
  uint64_t Walk(uint64_t cursor, size_t count_max, std::vector<IndexPlace>* places);

  uint64_t KeyCount() const { return keys_.load(std::memory_order_relaxed); }
  // Takes a latch for each slot, one at a time: a millisecond.
  struct Sizes {
    uint64_t memory_bytes = 0;
    uint64_t deadlines = 0;  // keys that have one
  };
  Sizes MeasureSizes();
  uint32_t shard_count() const { return shard_count_; }
  const std::shared_ptr<ChangeCounters>& counters() const { return counters_; }

 private:
  friend class IndexFiller;
  Shard* ShardOf(uint16_t slot) { return &shards_[slot_to_shard_[slot].load(std::memory_order_acquire)]; }
  void CountLive(Location location, int direction);
  void NoteDead(Shard* shard, Location location) const;
  void SaveForSnapshots(uint16_t slot);
  // Both return what was known before; a location of none erases.
  SlotTable::Known Set(const KeyHash& hash, Location location, uint64_t deadline_ms);
  SlotTable::Known SetUnsaved(const KeyHash& hash, Location location, uint64_t deadline_ms);
  void Undo(const UndoEntry& entry);
  void CollectExpiredOfSlot(uint16_t slot, uint64_t now_ms, std::vector<ExpiredKey>* expired);

  const uint32_t shard_count_;
  SegmentTable* const segments_;
  std::unique_ptr<Shard[]> shards_;
  std::unique_ptr<std::atomic<uint16_t>[]> slot_to_shard_;  // changed under the latches of the old and the new shard
  std::unique_ptr<SlotTable[]> slots_;                      // each guarded by the latch of its shard
  // Of each slot, a moment before which none of its keys expires; UINT64_MAX for none. Written under the slot's latch.
  std::unique_ptr<std::atomic<uint64_t>[]> next_deadlines_ms_;
  std::vector<IndexSnapshot*> snapshots_;         // changed under all latches, read under any
  uint32_t snapshot_count_ = 0;                   // likewise
  std::shared_ptr<const Forwarding> forwarding_;  // likewise
  std::atomic<uint64_t> keys_{0};
  std::atomic<uint64_t> slots_moved_{0};
  const std::shared_ptr<ChangeCounters> counters_ = std::make_shared<ChangeCounters>();
};

}  // namespace crabkv
