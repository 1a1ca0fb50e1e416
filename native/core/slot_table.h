// The index of one slot: an open-addressing table of 20-byte entries in fingerprint order. An entry's home is its
// fingerprint scaled to the capacity, so the order of homes is the order of fingerprints: a look-up walks from the home
// until it meets an entry that is not smaller (robin-hood probing, with no distances stored), growing is one sequential
// merge, and entries that arrive sorted (from a hint file) are appended. A table is a few hundred entries; growing one
// is never a pause. Not thread-safe: guarded by the latch of the shard that owns the slot.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "native/core/fingerprint.h"

namespace crabkv {

// Where a key's newest record lies, packed into 64 bits: segment handle 20, offset / 8 30, size class 9, 4 spare, has
// deadline 1.
struct Location {
  uint64_t bits = 0;  // 0: none

  static constexpr uint32_t kSegmentHandleMax = (1u << 20) - 1;
  static constexpr uint64_t kOffsetMax = ((uint64_t{1} << 30) - 1) * 8;

  static Location Make(uint32_t segment_handle, uint64_t offset, uint64_t record_bytes, bool has_deadline) {
    Location location = Packed(segment_handle, offset, SizeClassOf(record_bytes));
    location.set_has_deadline(has_deadline);
    return location;
  }
  static Location Packed(uint32_t segment_handle, uint64_t offset, uint32_t size_class) {
    Location location;
    location.bits = (uint64_t{segment_handle} << 44) | ((offset / 8) << 14) | (uint64_t{size_class} << 5);
    return location;
  }
  explicit operator bool() const { return bits != 0; }
  uint32_t segment_handle() const { return static_cast<uint32_t>(bits >> 44); }  // from 1
  uint64_t offset() const { return ((bits >> 14) & ((uint64_t{1} << 30) - 1)) * 8; }
  bool has_deadline() const { return (bits & 1) != 0; }
  void set_has_deadline(bool value) { bits = (bits & ~uint64_t{1}) | (value ? 1u : 0u); }
  // The record's length, rounded up by less than 7 % and never down: reads make room by it.
  uint64_t approximate_bytes() const { return SizeOfClass(static_cast<uint32_t>(bits >> 5) & kSizeClassMax); }
  // The record is longer than this, or as long.
  uint64_t least_bytes() const {
    const uint32_t size_class = static_cast<uint32_t>(bits >> 5) & kSizeClassMax;
    return size_class == 0 ? 0 : SizeOfClass(size_class - 1);
  }
  // The same place in another segment.
  Location InSegment(uint32_t handle) const {
    Location location;
    location.bits = (uint64_t{handle} << 44) | (bits & ((uint64_t{1} << 44) - 1));
    return location;
  }
  // The same record, whatever is beside it.
  bool SameRecord(Location other) const { return (bits >> 14) == (other.bits >> 14); }

  // Size classes: 4 bits of mantissa over units of 8 bytes, exact to 248 bytes, then steps of at most 1/16. 9 bits
  // reach far beyond the largest record; 8 would end at 4 MiB.
  static constexpr uint32_t kSizeClassMax = 511;
  static uint32_t SizeClassOf(uint64_t bytes);
  static uint64_t SizeOfClass(uint32_t size_class);
};

// A sorted open-addressing table from fingerprint to 64 bits that are never 0.
class FingerprintTable {
 public:
  FingerprintTable() = default;
  FingerprintTable(const FingerprintTable& other) { *this = other; }
  FingerprintTable& operator=(const FingerprintTable& other);
  ~FingerprintTable() { delete[] entries(); }

  // 0 when absent.
  uint64_t Find(const Fingerprint& fingerprint) const;
  // Inserts or replaces; returns what was there, or 0. REQUIRES: value != 0.
  uint64_t Put(const Fingerprint& fingerprint, uint64_t value);
  // Returns what was there, or 0.
  uint64_t Erase(const Fingerprint& fingerprint);
  // Room for `count` entries in all, so that they come in without a table growing.
  void Reserve(uint64_t count);
  void Clear();
  // Gives back what more than a few further entries would need.
  void Trim();
  // Calls visit(fingerprint, value) for each entry, in fingerprint order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (uint32_t i = 0; i < cells_; i++) {
      if (entries_[i].value_low != 0 || entries_[i].value_high != 0)
        visit(entries_[i].fingerprint, entries_[i].value());
    }
  }
  // Asks for the cache lines where the entry would be. Needs no latch: the table may change meanwhile, and then these
  // are lines that nobody wants.
  void Prefetch(const Fingerprint& fingerprint) const { PrefetchLines(HomeOf(fingerprint), 2 * kCacheLineBytes); }
  // The same for a key that will be put. A new entry pushes those behind it on to the next empty cell: some 15, as full
  // as a table is. When it makes the table grow, all of it is wanted; of a large one the beginning is enough, because
  // the processor foresees that it is read on.
  void PrefetchToPut(const Fingerprint& fingerprint) const {
    constexpr size_t kPushedBytes = 15 * sizeof(Entry);
    constexpr size_t kForeseenBytes = 4096;
    const uint32_t capacity = this->capacity();
    if (IsFull(count(), capacity)) {
      PrefetchLines(0, std::min(capacity * sizeof(Entry), kForeseenBytes));
    } else {
      PrefetchLines(HomeOf(fingerprint, capacity), kPushedBytes);
    }
  }

  uint32_t count() const { return count_.load(std::memory_order_relaxed); }
  uint64_t memory_bytes() const { return uint64_t{cells_} * sizeof(Entry); }

 private:
  struct Entry {
    Fingerprint fingerprint;
    uint32_t value_low = 0;
    uint32_t value_high = 0;
    uint64_t value() const { return (uint64_t{value_high} << 32) | value_low; }
    bool empty() const { return value_low == 0 && value_high == 0; }
    void set_value(uint64_t value) {
      value_low = static_cast<uint32_t>(value);
      value_high = static_cast<uint32_t>(value >> 32);
    }
  };
  static_assert(sizeof(Entry) == 20, "five words, no padding");

  // At 7/8 a look-up walks about 3.5 entries (70 bytes).
  static constexpr uint32_t kLoadNumerator = 7;
  static constexpr uint32_t kLoadDenominator = 8;
  static bool IsFull(uint32_t count, uint32_t capacity) {
    return uint64_t{count} * kLoadDenominator >= uint64_t{capacity} * kLoadNumerator;
  }
  static uint32_t CapacityFor(uint32_t count);
  static uint32_t GrownCount(uint32_t count);  // for how many a full table makes room

  // Under the latch these are plain variables; they are atomic for those who prefetch alone.
  Entry* entries() const { return entries_.load(std::memory_order_relaxed); }
  uint32_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  static constexpr size_t kCacheLineBytes = 64;
  // Some bytes from a cell on.
  void PrefetchLines(uint32_t cell, size_t bytes) const {
    // As a number: the cell may be another table's than the entries, and then this is no pointer into either.
    const uintptr_t begin = reinterpret_cast<uintptr_t>(entries()) + cell * sizeof(Entry);
    for (size_t at = 0; at < bytes; at += kCacheLineBytes)
      __builtin_prefetch(reinterpret_cast<const void*>(begin + at));
  }
  // Takes ownership of `entries`.
  void Replace(Entry* entries, uint32_t capacity, uint32_t cells);
  void set_count(uint32_t count) { count_.store(count, std::memory_order_relaxed); }
  static uint32_t HomeOf(const Fingerprint& fingerprint, uint32_t capacity) {
    return static_cast<uint32_t>((uint64_t{fingerprint.high} * capacity) >> 32);
  }
  uint32_t HomeOf(const Fingerprint& fingerprint) const { return HomeOf(fingerprint, capacity()); }
  // The cell of the first entry not smaller than `fingerprint` at or after its home, or the empty cell before it.
  uint32_t Seek(const Fingerprint& fingerprint) const;
  void Rehash(uint32_t capacity);
  // Copies the entries to an empty table of that size; false when they do not fit.
  bool Spread(Entry* to, uint32_t capacity, uint32_t cells) const;

  std::atomic<Entry*> entries_{nullptr};  // owned
  std::atomic<uint32_t> capacity_{0};     // homes
  std::atomic<uint32_t> count_{0};
  uint32_t cells_ = 0;  // homes and the overflow cells after the last one
};

// One slot: where its keys are, and the deadlines of those that have one.
struct SlotTable {
  FingerprintTable locations;
  std::unique_ptr<FingerprintTable> deadlines;  // absolute ms; null while no key of the slot has one

  Location Find(const Fingerprint& fingerprint) const {
    Location location;
    location.bits = locations.Find(fingerprint);
    return location;
  }
  uint64_t DeadlineOf(const Fingerprint& fingerprint, Location location) const {
    return location.has_deadline() && deadlines != nullptr ? deadlines->Find(fingerprint) : 0;
  }
  // What a slot knows of a key; without a location it is not there.
  struct Known {
    Location location;
    uint64_t deadline_ms = 0;
  };
  // Sets location and deadline (0: none). `location` gets its has-deadline flag from the deadline. Returns what was
  // known before, as does Erase.
  Known Set(const Fingerprint& fingerprint, Location location, uint64_t deadline_ms);
  Known Erase(const Fingerprint& fingerprint);
  std::unique_ptr<SlotTable> Copy() const;
  void Clear() {
    locations.Clear();
    deadlines.reset();
  }
  uint64_t memory_bytes() const {
    return locations.memory_bytes() + (deadlines ? deadlines->memory_bytes() + sizeof(FingerprintTable) : 0);
  }

 private:
  uint64_t EraseDeadline(const Fingerprint& fingerprint);
};

}  // namespace crabkv
