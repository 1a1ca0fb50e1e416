// Reads: find the record under its slot's latch, hold what it lies in, release the latch, then copy and check.
#include <algorithm>
#include <array>
#include <thread>

#include "native/core/store_impl.h"

namespace crabkv {

Status StoreImpl::RefuseRead() const {
  if (closed_.load(std::memory_order_acquire)) return Status::Error(Code::kClosed, "the store is closed");
  return Status::Ok();
}

void StoreImpl::Locate(const KeyHash& hash, Found* found) {
  found->location = index_.Find(hash);
  if (!found->location) return;
  found->deadline_ms = index_.DeadlineOf(hash, found->location);
  if (Expired(found->deadline_ms)) {
    found->location = Location();
    return;
  }
  Hold(found);
}

// Finds what the record lies in. REQUIRES: the slot's latch, and a location.
void StoreImpl::Hold(Found* found) {
  found->segment = segments_.Get(found->location.segment_handle());
  const uint64_t offset = found->location.offset();
  if (offset < found->segment->written.load(std::memory_order_acquire)) return;
  found->pending = log_->queue().FindPending(found->segment, offset);
  // Not in a buffer any more: then it was written in between.
  CRABKV_ASSERT(found->pending || offset < found->segment->written.load(std::memory_order_acquire));
}

bool StoreImpl::IsResident(const Found& found) const {
  // By the least that the record can take: the bytes behind it need not be in memory, and nobody would ever bring them.
  return found.pending || found.segment->resident.Contains(found.location.offset(), found.location.least_bytes());
}

namespace {
// Where a record lies, as far as it is worth asking for.
struct Place {
  const char* begin;
  uint64_t bytes;  // 0: nowhere
};

Place PlaceOf(const Segment& segment, Location location) {
  constexpr uint64_t kBytesMax = 512;
  return {segment.mapping->data() + location.offset(), std::min(location.approximate_bytes(), kBytesMax)};
}

// Asks for all cache lines of it at once: the looks at header, key and value would wait for one after the other.
void Prefetch(const Place& place) {
  constexpr uint64_t kLine = 64;
  if (place.bytes == 0) return;
  for (uint64_t at = 0; at < place.bytes; at += kLine) __builtin_prefetch(place.begin + at);
  __builtin_prefetch(place.begin + place.bytes - 1);
}
}  // namespace

void StoreImpl::PrefetchRecord(const Found& found) {
  if (!found.pending) Prefetch(PlaceOf(*found.segment, found.location));
}

// They are asked for behind all latches: to take one is to wait until all that was asked for before has its page. A
// place may be nobody's by then, which no hint minds.
void StoreImpl::PrefetchValues(const KeyHash* const* hashes, size_t count) {
  constexpr size_t kTogether = 16;
  std::array<Place, kTogether> places;
  for (size_t begin = 0; begin < count; begin += kTogether) {
    const size_t some = std::min(count - begin, kTogether);
    for (size_t i = 0; i < some; i++) {
      const KeyHash& hash = *hashes[begin + i];
      places[i] = Place{nullptr, 0};
      Index::SlotLatch latch(&index_, hash.slot);
      const Location location = index_.Find(hash);
      if (!location) continue;
      const Segment& segment = *segments_.Get(location.segment_handle());
      if (location.offset() < segment.written.load(std::memory_order_acquire)) places[i] = PlaceOf(segment, location);
    }
    for (size_t i = 0; i < some; i++) Prefetch(places[i]);
  }
}

RecordSource StoreImpl::SourceOf(const Found& found) {
  RecordSource source;
  if (found.pending) {
    source.data = found.pending.data();
    source.available = found.pending.available();
  } else {
    const uint64_t offset = found.location.offset();
    source.data = found.segment->mapping->data() + offset;
    source.available = found.segment->written.load(std::memory_order_acquire) - offset;
    source.mapped = true;
  }
  return source;
}

Status StoreImpl::Read(const Found& found, std::string_view key, ReadBuffer* value, RecordHeader* header) {
  const RecordSource source = SourceOf(found);
  CRABKV_RETURN_IF_ERROR(ReadRecord(source, *found.segment, found.location, key, value, header));
  if (source.mapped) found.segment->resident.Add(found.location.offset(), header->record_bytes());
  return Status::Ok();
}

Status StoreImpl::Get(std::string_view key, DiskWait wait, ReadBuffer* value, EntryInfo* info) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  *info = EntryInfo();
  const KeyHash hash = Hash(key);
  info->counter_index = hash.counter;
  Found found;
  {
    Index::SlotLatch latch(&index_, hash.slot);
    loads_.Count(hash.slot);
    // The key's changes bump it under this latch: it comes while the entry does.
    info->counter = index_.counters()->Load(hash.counter);
    Locate(hash, &found);
    if (!found.location) return Status::Ok();
    PrefetchRecord(found);
    found.segment->pins.fetch_add(1, std::memory_order_relaxed);
  }
  const SegmentPin pin(SegmentPin::Adopt{}, found.segment);
  if (wait == DiskWait::kNever) {
    const bool resident = IsResident(found);
    (resident ? inline_reads_ : cold_reads_).fetch_add(1, std::memory_order_relaxed);
    if (!resident) return Status::Error(Code::kNotResident, "");
  }
  ReadBuffer unused;
  RecordHeader header;
  CRABKV_RETURN_IF_ERROR(Read(found, key, value == nullptr ? &unused : value, &header));
  info->found = true;
  info->version = header.lsn;
  info->expires_at_ms = found.deadline_ms;
  return Status::Ok();
}

Status StoreImpl::GetMany(const std::string_view* keys, uint32_t count, DiskWait wait, MultiGetResult* result) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  result->values.Clear();
  result->items.assign(count, MultiGetResult::Item());
  struct Probe {
    KeyHash hash;
    Found found;
  };
  std::vector<Probe> probes(count);
  std::vector<SegmentPin> pins;
  for (uint32_t i = 0; i < count; i++) {
    probes[i].hash = Hash(keys[i]);
    index_.PrefetchSlot(probes[i].hash);
  }
  for (const Probe& probe : probes) index_.Prefetch(probe.hash);
  {
    Index::LatchSet latches;
    latches.Acquire(&index_, count, [&probes](size_t i) { return probes[i].hash.slot; });
    for (Probe& probe : probes) {
      loads_.Count(probe.hash.slot);
      Locate(probe.hash, &probe.found);
      if (!probe.found.location) continue;
      if (pins.empty() || pins.back().get() != probe.found.segment) pins.emplace_back(probe.found.segment);
      if (wait == DiskWait::kNever && !IsResident(probe.found)) {
        cold_reads_.fetch_add(1, std::memory_order_relaxed);
        return Status::Error(Code::kNotResident, "");
      }
      PrefetchRecord(probe.found);
    }
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!probes[i].found.location) continue;
    MultiGetResult::Item& item = result->items[i];
    item.offset = result->values.size();
    RecordHeader header;
    CRABKV_RETURN_IF_ERROR(Read(probes[i].found, keys[i], &result->values, &header));
    item.length = result->values.size() - item.offset;
    item.found = true;
  }
  return Status::Ok();
}

Status StoreImpl::Has(std::string_view key, EntryInfo* info) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  *info = EntryInfo();
  const KeyHash hash = Hash(key);
  Index::SlotLatch latch(&index_, hash.slot);
  loads_.Count(hash.slot);
  const KeyState state = StateOf(hash, clock_->NowMs());
  info->found = state.live;
  info->expires_at_ms = state.deadline_ms;
  return Status::Ok();
}

Status StoreImpl::HasMany(const std::string_view* keys, uint32_t count, bool* found) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  std::vector<KeyHash> hashes(count);
  for (uint32_t i = 0; i < count; i++) hashes[i] = Hash(keys[i]);
  const uint64_t now_ms = clock_->NowMs();
  Index::LatchSet latches;
  latches.Acquire(&index_, count, [&hashes](size_t i) { return hashes[i].slot; });
  for (uint32_t i = 0; i < count; i++) {
    loads_.Count(hashes[i].slot);
    found[i] = StateOf(hashes[i], now_ms).live;
  }
  return Status::Ok();
}

}  // namespace crabkv
