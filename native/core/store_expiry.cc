// Active expiry: expired keys leave the index by deletes in the log, so that feeds, backups and a reopening agree. The
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

// One batch of deletes, of keys from *next on; what was removed is appended to `keys`. A key whose record is damaged is
// left out, and *unreadable says why.
Status StoreImpl::DeleteExpired(const std::vector<ExpiredKey>& expired, size_t* next, ReadBuffer* keys,
                                uint32_t* removed, Commit* commit, Status* unreadable) {
  // A batch holds the latches of nearly all shards: small ones, so that nobody waits long.
  const size_t keys_max = std::min<size_t>(256, options_.batch_operations_max);
  ReadBuffer found_keys;
  std::vector<uint64_t> ends;
  uint64_t record_bytes = 0;
  for (const size_t end = std::min(expired.size(), *next + keys_max); *next < end; (*next)++) {
    const ExpiredKey& key = expired[*next];
    const uint64_t begin = found_keys.size();
    bool found = false;
    if (const Status read = ReadKeyOf(key.slot, key.fingerprint, true, &found_keys, &found); !read.ok()) {
      found_keys.Shrink(begin);
      *unreadable = read;
      continue;
    }
    if (!found) continue;
    record_bytes += RecordBytes(found_keys.size() - begin, 0);
    if (record_bytes > options_.batch_bytes_max && !ends.empty()) break;  // the next batch begins with it
    ends.push_back(found_keys.size());
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
  *removed = 0;
  *more = false;
  *commit = Commit();
  CRABKV_RETURN_IF_ERROR(RefuseWrite());
  std::vector<ExpiredKey> expired;
  TakeDue(keys_max, &expired);
  Status status, unreadable;
  for (size_t next = 0; next < expired.size() && status.ok();) {
    status = DeleteExpired(expired, &next, keys, removed, commit, &unreadable);
  }
  *more = HasDue(keys_max);
  Kick();
  // What was removed is told; a failure comes again with the next call.
  if (*removed != 0) return Status::Ok();
  return status.ok() ? unreadable : status;
}

}  // namespace crabkv
