#include "native/core/newest_records.h"

#include "native/core/options.h"

namespace crabkv {

NewestRecords::NewestRecords(Env* env, bool ordered)
    : seed_{env->Random64(), env->Random64()},
      slots_(std::make_unique<SlotTable[]>(kSlotCount)),
      lsns_(ordered ? nullptr : std::make_unique<FingerprintTable[]>(kSlotCount)) {}

// Of two copies of a record the one that compaction moved counts: it has the deadline that the key had then.
bool NewestRecords::IsOutdated(const KeyHash& hash, const RecordHeader& record) {
  if (lsns_ == nullptr) return false;
  const uint64_t known = lsns_[hash.slot].Find(hash.fingerprint);
  if (known > record.lsn || (known == record.lsn && (record.flags & kRecordMoved) == 0)) return true;
  lsns_[hash.slot].Put(hash.fingerprint, record.lsn);
  return false;
}

void NewestRecords::Add(RecordPlace place, const RecordHeader& record, std::string_view key) {
  const KeyHash hash = HashKey(seed_, key);
  if (IsOutdated(hash, record)) return;
  SlotTable& slot = slots_[hash.slot];
  Location location = slot.Find(hash.fingerprint);
  const bool was_there = static_cast<bool>(location);
  if (record.type == RecordType::kDelete) {
    if (!was_there) return;
    slot.Erase(hash.fingerprint);
    key_count_--;
    return;
  }
  // The PUT of a new deadline may be what is missing: then there is nothing to give it to.
  if (record.type == RecordType::kExpire && !was_there) return;
  if (record.type == RecordType::kPut) {
    location = Location::Make(static_cast<uint32_t>(place.segment + 1), place.offset, record.record_bytes(), false);
    if (!was_there) key_count_++;
  }
  slot.Set(hash.fingerprint, location, record.expires_at_ms);
}

bool NewestRecords::IsNewest(RecordPlace place, std::string_view key, uint64_t* deadline_ms) const {
  const KeyHash hash = HashKey(seed_, key);
  const SlotTable& slot = slots_[hash.slot];
  const Location location = slot.Find(hash.fingerprint);
  if (!location || location.segment_handle() != place.segment + 1 || location.offset() != place.offset) return false;
  *deadline_ms = slot.DeadlineOf(hash.fingerprint, location);
  return true;
}

bool NewestRecords::Find(std::string_view key, RecordPlace* place) const {
  const KeyHash hash = HashKey(seed_, key);
  const Location location = slots_[hash.slot].Find(hash.fingerprint);
  if (!location) return false;
  *place = {location.segment_handle() - 1, location.offset()};
  return true;
}

}  // namespace crabkv
