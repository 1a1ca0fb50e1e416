// How a write gets into the log and the index:
//   prepare   outside any latch: hash, compress, CRC of everything but LSN and salt
//   latch     the shards of all keys, in ascending order
//   check     guards, against the state before the batch
//   resolve   what each operation means for its key as it is now, earlier operations of the batch included
//   log       reserve LSNs and log space in one step, copy the records in
//   install   point the index at them
// A single put takes the same steps without the vectors.
#include <algorithm>
#include <thread>

#include "native/core/compression.h"
#include "native/core/store_impl.h"

namespace crabkv {

namespace {
// Neither a condition nor its key's state changes what the operation does: there is nothing to check or to resolve.
bool IsPlainPut(const Operation& operation) {
  return operation.kind == Operation::Kind::kPut && operation.guard == Guard::kNone && !operation.keep_expiry;
}
}  // namespace

Status StoreImpl::RefuseWrite() const {
  if (closed_.load(std::memory_order_acquire)) return Status::Error(Code::kClosed, "the store is closed");
  if (log_ == nullptr) return Status::Error(Code::kReadOnly, "the store is open read-only");
  return Status::Ok();
}

Status StoreImpl::CheckSizes(const Operation& operation) const {
  const bool puts = operation.kind == Operation::Kind::kPut;
  const uint32_t key_bytes_max = puts ? options_.key_bytes_max : kKeyBytesMax;
  if (operation.key.size() > key_bytes_max) {
    return Status::Error(Code::kTooLarge, "a key of " + std::to_string(operation.key.size()) + " bytes is over " +
                                              (puts ? "keyBytesMax " : "what any key may have, ") +
                                              std::to_string(key_bytes_max));
  }
  if (operation.value.size() > options_.value_bytes_max) {
    return Status::Error(Code::kTooLarge, "a value of " + std::to_string(operation.value.size()) +
                                              " bytes is over valueBytesMax " +
                                              std::to_string(options_.value_bytes_max));
  }
  return Status::Ok();
}

void StoreImpl::Prepare(const Operation& operation, Prepared* prepared, ReadBuffer* scratch) const {
  RecordHeader& header = prepared->header;
  header.key_bytes = static_cast<uint32_t>(operation.key.size());
  header.expires_at_ms = operation.expires_at_ms;
  switch (operation.kind) {
    case Operation::Kind::kCheck:
      prepared->logged = false;
      return;
    case Operation::Kind::kDelete:
      header.type = RecordType::kDelete;
      header.expires_at_ms = 0;
      return;
    case Operation::Kind::kExpire:
      header.type = RecordType::kExpire;
      return;
    case Operation::Kind::kPut:
      break;
  }
  header.type = RecordType::kPut;
  header.raw_bytes = header.stored_bytes = static_cast<uint32_t>(operation.value.size());
  prepared->finish_crc_late = operation.keep_expiry;
  if (options_.compression == Codec::kNone) return;
  prepared->compressed_at = scratch->size();
  if (!CompressSnappy(operation.value, scratch)) return;
  prepared->compressed = true;
  header.stored_bytes = static_cast<uint32_t>(scratch->size() - prepared->compressed_at);
  header.flags |= static_cast<uint8_t>(Codec::kSnappy);
}

// After the last Prepare of a batch: the scratch does not move any more.
void StoreImpl::FinishPrepare(const Operation& operation, const ReadBuffer& scratch, Prepared* prepared) const {
  if (prepared->header.type == RecordType::kPut) {
    prepared->stored = prepared->compressed
                           ? scratch.view().substr(prepared->compressed_at, prepared->header.stored_bytes)
                           : operation.value;
  }
  if (prepared->logged && !prepared->finish_crc_late) {
    prepared->body_crc = RecordBodyCrc(prepared->header, operation.key, prepared->stored);
  }
}

// REQUIRES: the slot's latch.
StoreImpl::KeyState StoreImpl::StateOf(const KeyHash& hash, uint64_t now_ms) const {
  KeyState state;
  const Location location = index_.Find(hash);
  state.indexed = static_cast<bool>(location);
  const uint64_t deadline = index_.DeadlineOf(hash, location);
  state.live = state.indexed && (deadline == 0 || deadline > now_ms);
  state.deadline_ms = state.live ? deadline : 0;
  return state;
}

Status StoreImpl::GuardHolds(const Operation& operation, const KeyHash& hash, DiskWait wait, bool* holds) {
  Found found;
  Locate(hash, &found);
  const bool live = static_cast<bool>(found.location);
  switch (operation.guard) {
    case Guard::kNone:
      *holds = true;
      return Status::Ok();
    case Guard::kAbsent:
      *holds = !live;
      return Status::Ok();
    case Guard::kPresent:
      *holds = live;
      return Status::Ok();
    case Guard::kDeadline:
      *holds = live && found.deadline_ms == operation.guard_expires_at_ms;
      return Status::Ok();
    case Guard::kUnchanged:
      *holds = live ? found.deadline_ms == operation.guard_expires_at_ms : operation.guard_version == 0;
      if (!live || !*holds) return Status::Ok();
      break;
    case Guard::kVersion:
      *holds = operation.guard_version == 0;
      if (!live) return Status::Ok();
      break;
  }
  if (wait == DiskWait::kNever && !IsResident(found)) return Status::Error(Code::kNotResident, "");
  ReadBuffer value;
  RecordHeader header;
  CRABKV_RETURN_IF_ERROR(Read(found, operation.key, &value, &header));
  *holds = header.lsn == operation.guard_version;
  return Status::Ok();
}

// REQUIRES: all latches of the batch. Every guard sees the state before the batch.
Status StoreImpl::CheckGuards(const Operation* operations, const std::vector<Prepared>& prepared, uint32_t count,
                              DiskWait wait, Commit* commit) {
  for (uint32_t i = 0; i < count; i++) {
    if (operations[i].guard == Guard::kNone) continue;
    bool holds = false;
    CRABKV_RETURN_IF_ERROR(GuardHolds(operations[i], prepared[i].hash, wait, &holds));
    if (holds) continue;
    commit->committed = false;
    commit->failed_index = i;
    return Status::Ok();
  }
  return Status::Ok();
}

// What the operation does to a key in `state`, which becomes the state after it.
void StoreImpl::ResolveOne(Operation* operation, Prepared* prepared, KeyState* state, uint64_t now_ms) const {
  operation->existed = state->live;
  RecordHeader& header = prepared->header;
  switch (operation->kind) {
    case Operation::Kind::kCheck:
      return;
    case Operation::Kind::kDelete:
      // An expired key is removed for good; a key that is not there needs no tombstone.
      prepared->logged = state->indexed && !(operation->only_expired && state->live);
      if (operation->only_expired) operation->existed = prepared->logged;
      if (prepared->logged) *state = KeyState();
      return;
    case Operation::Kind::kExpire:
      // Logging this for an expired key would bring it back.
      prepared->logged = state->live;
      if (state->live) state->deadline_ms = header.expires_at_ms;
      break;
    case Operation::Kind::kPut:
      if (operation->keep_expiry) header.expires_at_ms = state->deadline_ms;
      state->indexed = true;
      state->live = true;
      state->deadline_ms = header.expires_at_ms;
      break;
  }
  if (state->deadline_ms == 0 || state->deadline_ms > now_ms) return;
  // Expired at once: a later operation of the batch finds what StateOf would, and a put has no deadline to keep.
  state->live = false;
  state->deadline_ms = 0;
}

// REQUIRES: all latches of the batch.
void StoreImpl::Resolve(Operation* operations, std::vector<Prepared>* prepared, uint32_t count) {
  const uint64_t now_ms = clock_->NowMs();
  // By key and then by place in the batch, so that the operations of a key follow each other.
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  const auto& p = *prepared;
  const auto same_key = [&p](uint32_t a, uint32_t b) {
    return p[a].hash.slot == p[b].hash.slot && p[a].hash.fingerprint == p[b].hash.fingerprint;
  };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (same_key(a, b)) return a < b;
    if (p[a].hash.slot != p[b].hash.slot) return p[a].hash.slot < p[b].hash.slot;
    return p[a].hash.fingerprint < p[b].hash.fingerprint;
  });
  KeyState state;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t at = order[i];
    if (i == 0 || !same_key(order[i - 1], at)) state = StateOf(p[at].hash, now_ms);
    ResolveOne(&operations[at], &(*prepared)[at], &state, now_ms);
  }
  for (uint32_t i = 0; i < count; i++) {
    Prepared& late = (*prepared)[i];
    if (late.finish_crc_late) late.body_crc = RecordBodyCrc(late.header, operations[i].key, late.stored);
  }
}

// REQUIRES: the slot's latch. Returns what was known of the key before.
SlotTable::Known StoreImpl::Install(const Prepared& prepared, const Reservation& reservation, uint64_t lsn,
                                    uint64_t offset) {
  Location location;
  uint64_t deadline_ms = 0;
  if (prepared.header.type == RecordType::kPut) {
    location = Location::Make(reservation.segment->handle, offset, prepared.header.record_bytes(), false);
    deadline_ms = prepared.header.expires_at_ms;
  } else if (prepared.header.type == RecordType::kExpire) {
    location = index_.Find(prepared.hash);
    deadline_ms = prepared.header.expires_at_ms;
  }
  return index_.Apply(prepared.hash, location, deadline_ms, lsn, log_->acknowledged_lsn());
}

// REQUIRES: all latches of the batch. From the reservation on nothing can fail.
Status StoreImpl::Log(std::vector<Prepared>* prepared, Operation* operations, Commit* commit, bool* retry) {
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t last = 0;
  for (uint64_t i = 0; i < prepared->size(); i++) {
    if (!(*prepared)[i].logged) continue;
    records++;
    bytes += (*prepared)[i].header.record_bytes();
    last = i;
  }
  if (records == 0) return Status::Ok();
  if (bytes > options_.batch_bytes_max) {
    return Status::Error(Code::kTooLarge, "a batch of " + std::to_string(bytes) +
                                              " encoded bytes is over batchBytesMax " +
                                              std::to_string(options_.batch_bytes_max));
  }
  Reservation reservation;
  CRABKV_RETURN_IF_ERROR(log_->queue().Reserve(records, bytes, &reservation, retry));
  if (*retry) return Status::Ok();
  (*prepared)[last].header.flags |= kRecordEndOfBatch;
  (*prepared)[last].body_crc = RecordBodyCrc((*prepared)[last].header, operations[last].key, (*prepared)[last].stored);
  char* to = reservation.to;
  uint64_t lsn = reservation.lsn;
  for (uint64_t i = 0; i < prepared->size(); i++) {
    Prepared& p = (*prepared)[i];
    if (!p.logged) continue;
    p.header.lsn = lsn++;
    p.header.crc = FinishRecordCrc(p.body_crc, p.header.lsn, reservation.segment->salt);
    to += EncodeRecord(p.header, operations[i].key, p.stored, to);
  }
  log_->queue().Publish(reservation);
  uint64_t offset = reservation.offset;
  for (uint64_t i = 0; i < prepared->size(); i++) {
    const Prepared& p = (*prepared)[i];
    if (!p.logged) continue;
    const SlotTable::Known before = Install(p, reservation, p.header.lsn, offset);
    // Nothing was resolved for a plain put.
    if (IsPlainPut(operations[i])) {
      operations[i].existed = before.location && (before.deadline_ms == 0 || before.deadline_ms > clock_->NowMs());
    }
    offset += p.header.record_bytes();
  }
  commit->group = reservation.group_number;
  commit->version = lsn - 1;
  if (reservation.grew_large) log_->Kick();
  return Status::Ok();
}

// Brings the records whose versions are compared into memory, so that the comparison under the latches does not wait.
Status StoreImpl::WarmUpGuards(const Operation* operations, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (operations[i].guard != Guard::kVersion && operations[i].guard != Guard::kUnchanged) continue;
    ReadBuffer value;
    EntryInfo info;
    CRABKV_RETURN_IF_ERROR(Get(operations[i].key, DiskWait::kAllowed, &value, &info));
  }
  return Status::Ok();
}

// Most of a batch would be waiting for the index, so the slots of all keys are asked for first, and their entries while
// the records are made.
Status StoreImpl::PrepareAll(const Operation* operations, uint32_t count, std::vector<Prepared>* prepared,
                             ReadBuffer* scratch) const {
  uint64_t put_bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    CRABKV_RETURN_IF_ERROR(CheckSizes(operations[i]));
    (*prepared)[i].hash = PrefetchSlot(operations[i].key);
  }
  for (uint32_t i = 0; i < count; i++) {
    Prepared& one = (*prepared)[i];
    index_.PrefetchToPut(one.hash);
    Prepare(operations[i], &one, scratch);
    if (one.header.type == RecordType::kPut) put_bytes += one.header.record_bytes();
  }
  if (put_bytes != 0 && log_->disk().full() && log_->disk().RefusesPut(put_bytes + log_->queue().pending_bytes()))
    return log_->disk().Error();
  for (uint32_t i = 0; i < count; i++) FinishPrepare(operations[i], *scratch, &(*prepared)[i]);
  return Status::Ok();
}

Status StoreImpl::Write(Operation* operations, uint32_t count, DiskWait wait, uint64_t rollbacks, Commit* commit) {
  *commit = Commit();
  CRABKV_RETURN_IF_ERROR(RefuseWrite());
  if (count > options_.batch_operations_max) {
    return Status::Error(Code::kTooLarge, "a batch of " + std::to_string(count) +
                                              " operations is over batchOperationsMax " +
                                              std::to_string(options_.batch_operations_max));
  }
  std::vector<Prepared> prepared(count);
  ReadBuffer scratch;
  CRABKV_RETURN_IF_ERROR(PrepareAll(operations, count, &prepared, &scratch));
  const bool plain = std::all_of(operations, operations + count, IsPlainPut);
  if (wait == DiskWait::kAllowed && !plain) CRABKV_RETURN_IF_ERROR(WarmUpGuards(operations, count));
  for (;;) {
    Index::LatchSet latches;
    latches.Acquire(&index_, count, [&prepared](size_t i) { return prepared[i].hash.slot; });
    // Under the latches, which taking back needs: what they guard is of before that when this does not say otherwise.
    if (rollbacks != kAnyRollbacks && rollbacks != log_->rollbacks()) {
      commit->committed = false;
      commit->failed_index = count;
      return Status::Ok();
    }
    for (const Prepared& one : prepared) loads_.Count(one.hash.slot);
    if (!plain) {
      CRABKV_RETURN_IF_ERROR(CheckGuards(operations, prepared, count, wait, commit));
      if (!commit->committed) return Status::Ok();
      Resolve(operations, &prepared, count);
    }
    bool retry = false;
    CRABKV_RETURN_IF_ERROR(Log(&prepared, operations, commit, &retry));
    if (!retry) return Status::Ok();
    latches.Release();
    std::this_thread::yield();
  }
}

Status StoreImpl::Put(std::string_view key, const KeyHash& hash, std::string_view value, uint64_t expires_at_ms,
                      Commit* commit) {
  CRABKV_RETURN_IF_ERROR(RefuseWrite());
  index_.PrefetchToPut(hash);  // it comes while the record is made
  Operation operation;
  operation.key = key;
  operation.value = value;
  operation.expires_at_ms = expires_at_ms;
  CRABKV_RETURN_IF_ERROR(CheckSizes(operation));
  Prepared prepared;
  ReadBuffer scratch;
  prepared.hash = hash;
  Prepare(operation, &prepared, &scratch);
  const uint64_t bytes = prepared.header.record_bytes();
  if (log_->disk().full() && log_->disk().RefusesPut(bytes + log_->queue().pending_bytes()))
    return log_->disk().Error();
  prepared.header.flags |= kRecordEndOfBatch;
  FinishPrepare(operation, scratch, &prepared);
  for (;;) {
    {
      Index::SlotLatch latch(&index_, prepared.hash.slot);
      Reservation reservation;
      bool retry = false;
      CRABKV_RETURN_IF_ERROR(log_->queue().Reserve(1, bytes, &reservation, &retry));
      if (!retry) {
        loads_.Count(prepared.hash.slot);
        prepared.header.lsn = reservation.lsn;
        prepared.header.crc = FinishRecordCrc(prepared.body_crc, reservation.lsn, reservation.segment->salt);
        EncodeRecord(prepared.header, key, prepared.stored, reservation.to);
        log_->queue().Publish(reservation);
        Install(prepared, reservation, reservation.lsn, reservation.offset);
        commit->group = reservation.group_number;
        commit->version = reservation.lsn;
        commit->committed = true;
        if (reservation.grew_large) log_->Kick();
        return Status::Ok();
      }
    }
    std::this_thread::yield();
  }
}

}  // namespace crabkv
