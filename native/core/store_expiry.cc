// Active expiry: expired keys leave the index by deletes in the log, so that replicas, feeds and a reopening agree. The
// index knows fingerprints only, so each key is read from its record first.
#include <algorithm>

#include "native/core/coding.h"
#include "native/core/store_impl.h"

namespace crabkv {

Status StoreImpl::ReadKeyOf(uint16_t slot, const Fingerprint& fingerprint, bool expired, ReadBuffer* key, bool* found) {
  KeyHash hash;
  hash.slot = slot;
  hash.fingerprint = fingerprint;
  Found record;
  {
    Index::SlotLatch latch(&index_, hash.slot);
    record.location = index_.Find(hash);
    *found = record.location && Expired(index_.DeadlineOf(hash, record.location)) == expired;
    if (!*found) return Status::Ok();
    Hold(&record);
    record.segment->pins.fetch_add(1, std::memory_order_relaxed);
  }
  const SegmentPin pin(SegmentPin::Adopt{}, record.segment);
  return ReadRecordKey(SourceOf(record), *record.segment, record.location, key);
}

// One batch of deletes; what was removed is appended to `keys`.
Status StoreImpl::DeleteExpired(const ExpiredKey* expired, size_t count, ReadBuffer* keys, uint32_t* removed,
                                Commit* commit) {
  ReadBuffer found_keys;
  std::vector<uint64_t> ends;
  for (size_t i = 0; i < count; i++) {
    bool found = false;
    CRABKV_RETURN_IF_ERROR(ReadKeyOf(expired[i].slot, expired[i].fingerprint, true, &found_keys, &found));
    if (found) ends.push_back(found_keys.size());
  }
  std::vector<Operation> operations(ends.size());
  for (size_t i = 0; i < ends.size(); i++) {
    const uint64_t begin = i == 0 ? 0 : ends[i - 1];
    operations[i].kind = Operation::Kind::kDelete;
    operations[i].only_expired = true;
    operations[i].key = found_keys.view().substr(begin, ends[i] - begin);
  }
  Commit written;
  CRABKV_RETURN_IF_ERROR(
      Write(operations.data(), static_cast<uint32_t>(operations.size()), DiskWait::kAllowed, &written));
  if (written.group != 0) *commit = written;
  for (const Operation& operation : operations) {
    if (!operation.existed) continue;
    char* to = keys->Extend(4 + operation.key.size());
    PutU32(to, static_cast<uint32_t>(operation.key.size()));
    operation.key.copy(to + 4, operation.key.size());
    (*removed)++;
  }
  return Status::Ok();
}

// REQUIRES: due_mutex_. Many at a time: to find the earliest, nearly every slot that has a key that is due must be
// looked through.
void StoreImpl::CollectDue(size_t keys_max) {
  constexpr size_t kCollectedMax = 64 << 10;
  due_ = std::vector<ExpiredKey>();
  due_taken_ = 0;
  index_.CollectExpired(clock_->NowMs(), std::max(keys_max, kCollectedMax), &due_);
}

// The next of the keys that are due; some may have been written anew since they were collected.
void StoreImpl::TakeDue(size_t keys_max, std::vector<ExpiredKey>* expired) {
  std::lock_guard<std::mutex> lock(due_mutex_);
  if (due_taken_ == due_.size()) CollectDue(keys_max);
  const size_t count = std::min(keys_max, due_.size() - due_taken_);
  const auto first = due_.begin() + static_cast<std::ptrdiff_t>(due_taken_);
  expired->assign(first, first + static_cast<std::ptrdiff_t>(count));
  due_taken_ += count;
}

// Whether keys are due now.
bool StoreImpl::HasDue(size_t keys_max) {
  const auto is_due = [this](const ExpiredKey& key) {
    KeyHash hash;
    hash.slot = key.slot;
    hash.fingerprint = key.fingerprint;
    Index::SlotLatch latch(&index_, hash.slot);
    const Location location = index_.Find(hash);
    return location && Expired(index_.DeadlineOf(hash, location));
  };
  std::lock_guard<std::mutex> lock(due_mutex_);
  while (due_taken_ < due_.size() && !is_due(due_[due_taken_])) due_taken_++;
  if (due_taken_ == due_.size()) CollectDue(keys_max);
  return !due_.empty();
}

Status StoreImpl::RemoveExpired(uint32_t keys_max, ReadBuffer* keys, uint32_t* removed, bool* more, Commit* commit) {
  // A batch holds the latches of nearly all shards: small ones, so that nobody waits long.
  constexpr size_t kBatch = 256;
  *removed = 0;
  *more = false;
  *commit = Commit();
  CRABKV_RETURN_IF_ERROR(RefuseWrite());
  std::vector<ExpiredKey> expired;
  TakeDue(keys_max, &expired);
  Status status;
  for (size_t i = 0; i < expired.size() && status.ok(); i += kBatch) {
    status = DeleteExpired(&expired[i], std::min(kBatch, expired.size() - i), keys, removed, commit);
  }
  *more = HasDue(keys_max);
  Kick();
  // What was removed before a failure is told; the failure comes again with the next call.
  return *removed != 0 ? Status::Ok() : status;
}

}  // namespace crabkv
