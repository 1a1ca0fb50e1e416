#include "native/core/slot_table.h"

#include <algorithm>
#include <cstring>

#include "native/core/status.h"

namespace crabkv {

namespace {
constexpr uint32_t kCapacityMin = 4;
// Entries past the last home. A table whose last run is longer than this grows instead.
constexpr uint32_t kOverflowCells = 8;
}  // namespace

uint32_t Location::SizeClassOf(uint64_t bytes) {
  uint64_t units = (bytes + 7) / 8;
  if (units < 32) return static_cast<uint32_t>(units);
  uint32_t shift = 0;
  while ((units >> shift) >= 32) shift++;
  uint64_t mantissa = (units + (uint64_t{1} << shift) - 1) >> shift;  // 16..32
  if (mantissa == 32) {
    mantissa = 16;
    shift++;
  }
  const uint32_t size_class = 16 * (shift + 1) + static_cast<uint32_t>(mantissa - 16);
  CRABKV_ASSERT(size_class <= kSizeClassMax);
  return size_class;
}

uint64_t Location::SizeOfClass(uint32_t size_class) {
  if (size_class < 32) return uint64_t{size_class} * 8;
  const uint32_t shift = size_class / 16 - 1;
  return (uint64_t{16 + size_class % 16} << shift) * 8;
}

uint32_t FingerprintTable::CapacityFor(uint32_t count) {
  const uint64_t needed = uint64_t{count} * kLoadDenominator / kLoadNumerator + 1;
  return needed < kCapacityMin ? kCapacityMin : static_cast<uint32_t>(needed);
}

// Growing by a fifth keeps the average load above 3/4, and a key below 32 bytes (60 with a deadline). Small tables grow
// by half, and so less often: with fewer than half a million keys in all, the index is up to 1.1 MB larger for it.
uint32_t FingerprintTable::GrownCount(uint32_t count) {
  constexpr uint32_t kSmall = 24;
  return count + 1 + (count < kSmall ? count / 2 + 1 : count / 5);
}

void FingerprintTable::Replace(Entry* entries, uint32_t capacity, uint32_t cells) {
  delete[] entries_.exchange(entries, std::memory_order_relaxed);
  capacity_.store(capacity, std::memory_order_relaxed);
  cells_ = cells;
}

FingerprintTable& FingerprintTable::operator=(const FingerprintTable& other) {
  if (this == &other) return *this;
  Entry* entries = other.cells_ == 0 ? nullptr : new Entry[other.cells_];
  std::copy_n(other.entries(), other.cells_, entries);
  Replace(entries, other.capacity(), other.cells_);
  set_count(other.count());
  return *this;
}

uint32_t FingerprintTable::Seek(const Fingerprint& fingerprint) const {
  const Entry* const entries = this->entries();
  uint32_t cell = HomeOf(fingerprint);
  while (cell < cells_ && !entries[cell].empty() && entries[cell].fingerprint < fingerprint) cell++;
  return cell;
}

uint64_t FingerprintTable::Find(const Fingerprint& fingerprint) const {
  if (count() == 0) return 0;
  const uint32_t cell = Seek(fingerprint);
  const Entry* const entries = this->entries();
  if (cell == cells_ || entries[cell].empty() || !(entries[cell].fingerprint == fingerprint)) return 0;
  return entries[cell].value();
}

uint64_t FingerprintTable::Put(const Fingerprint& fingerprint, uint64_t value) {
  CRABKV_ASSERT(value != 0);
  if (const uint32_t count = this->count(); IsFull(count, capacity()) && Find(fingerprint) == 0)
    Rehash(CapacityFor(GrownCount(count)));
  for (;;) {
    const uint32_t cell = Seek(fingerprint);
    Entry* const entries = this->entries();
    if (cell < cells_ && !entries[cell].empty() && entries[cell].fingerprint == fingerprint) {
      const uint64_t old = entries[cell].value();
      entries[cell].set_value(value);
      return old;
    }
    uint32_t end = cell;
    while (end < cells_ && !entries[end].empty()) end++;
    if (end == cells_) {  // the last run reached the end of the overflow cells
      Rehash(capacity() + capacity() / 4 + 1);
      continue;
    }
    std::memmove(static_cast<void*>(&entries[cell + 1]), &entries[cell], (end - cell) * sizeof(Entry));
    entries[cell].fingerprint = fingerprint;
    entries[cell].set_value(value);
    set_count(count() + 1);
    return 0;
  }
}

uint64_t FingerprintTable::Erase(const Fingerprint& fingerprint) {
  if (count() == 0) return 0;
  const uint32_t cell = Seek(fingerprint);
  Entry* const entries = this->entries();
  if (cell == cells_ || entries[cell].empty() || !(entries[cell].fingerprint == fingerprint)) return 0;
  const uint64_t old = entries[cell].value();
  // Shift the run's later entries back by one, up to the first that is at its home (or the run's end).
  uint32_t end = cell + 1;
  while (end < cells_ && !entries[end].empty() && HomeOf(entries[end].fingerprint) < end) end++;
  std::memmove(static_cast<void*>(&entries[cell]), &entries[cell + 1], (end - cell - 1) * sizeof(Entry));
  entries[end - 1] = Entry{};
  const uint32_t left = count() - 1;
  set_count(left);
  // A table that emptied gives its memory back, in steps far enough apart that it does not grow again at once.
  if (left == 0) {
    Replace(nullptr, 0, 0);
  } else if (capacity() > 64 && left < capacity() / 4) {
    Rehash(CapacityFor(left * 2));
  }
  return old;
}

void FingerprintTable::Reserve(uint64_t count) {
  const uint32_t wanted = CapacityFor(static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX / 2)));
  if (wanted > capacity()) Rehash(wanted);
}

void FingerprintTable::Clear() {
  Replace(nullptr, 0, 0);
  set_count(0);
}

void FingerprintTable::Trim() {
  const uint32_t wanted = CapacityFor(count() + count() / 8);
  if (count() != 0 && wanted + wanted / 8 < capacity()) Rehash(wanted);
}

void FingerprintTable::Rehash(uint32_t capacity) {
  for (;; capacity += capacity / 8 + 1) {
    const uint32_t cells = capacity + kOverflowCells;
    std::unique_ptr<Entry[]> entries(new Entry[cells]);
    if (!Spread(entries.get(), capacity, cells)) continue;
    Replace(entries.release(), capacity, cells);
    return;
  }
}

// Every cell is copied, also the empty ones, to where the next entry may go: which are empty, and which entries are
// pushed behind their homes, cannot be foretold, and a wrong guess takes the processor longer than a copy.
bool FingerprintTable::Spread(Entry* to, uint32_t capacity, uint32_t cells) const {
  const Entry* const from = entries();
  uint32_t next = 0;
  for (uint32_t i = 0; i < cells_; i++) {
    const Entry entry = from[i];
    const uint32_t cell = std::max(HomeOf(entry.fingerprint, capacity), next);
    if (cell == cells) {
      if (entry.empty()) continue;
      return false;
    }
    to[cell] = entry;
    next = entry.empty() ? next : cell + 1;
  }
  return true;
}

SlotTable::Known SlotTable::Set(const Fingerprint& fingerprint, Location location, uint64_t deadline_ms) {
  Known old;
  location.set_has_deadline(deadline_ms != 0);
  old.location.bits = locations.Put(fingerprint, location.bits);
  if (deadline_ms != 0) {
    if (deadlines == nullptr) deadlines = std::make_unique<FingerprintTable>();
    old.deadline_ms = deadlines->Put(fingerprint, deadline_ms);
  } else if (old.location && old.location.has_deadline()) {
    old.deadline_ms = EraseDeadline(fingerprint);
  }
  return old;
}

SlotTable::Known SlotTable::Erase(const Fingerprint& fingerprint) {
  Known old;
  old.location.bits = locations.Erase(fingerprint);
  if (old.location && old.location.has_deadline()) old.deadline_ms = EraseDeadline(fingerprint);
  return old;
}

uint64_t SlotTable::EraseDeadline(const Fingerprint& fingerprint) {
  const uint64_t old = deadlines->Erase(fingerprint);
  if (deadlines->count() == 0) deadlines.reset();
  return old;
}

std::unique_ptr<SlotTable> SlotTable::Copy() const {
  auto copy = std::make_unique<SlotTable>();
  copy->locations = locations;
  if (deadlines) copy->deadlines = std::make_unique<FingerprintTable>(*deadlines);
  return copy;
}

}  // namespace crabkv
