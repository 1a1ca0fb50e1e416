#include "native/core/group_queue.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace crabkv {

GroupQueue::GroupQueue(const Limits& limits, SegmentTable* segments, SegmentMaker* maker)
    : limits_(limits), segments_(segments), maker_(maker) {}

GroupQueue::~GroupQueue() {
  for (Group& group : ring_) std::free(group.buffer);
  for (char* buffer : buffers_) std::free(buffer);
}

uint64_t GroupQueue::SegmentCapacityFor(uint64_t frame_bytes) const {
  const uint64_t standard = limits_.segment_bytes + limits_.group_bytes;
  return (std::max(standard, kFirstOffset + frame_bytes) + kSealBytes + 4095) & ~uint64_t{4095};
}

void GroupQueue::Start(const LogPosition& position) {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  next_ = position;
  OpenLocked(limits_.group_bytes, 0);
}

Status GroupQueue::Reserve(uint64_t records, uint64_t bytes, Reservation* reservation, bool* retry) {
  *retry = false;
  reservation->group = nullptr;
  reservation->bytes = bytes;
  for (;;) {
    Group* group = filling_.load(std::memory_order_acquire);
    if (group == nullptr) {
      std::lock_guard<std::mutex> lock(roll_mutex_);
      if (filling_.load(std::memory_order_relaxed) != nullptr) continue;
      *retry = stopped_.ok();
      return stopped_;
    }
    uint64_t state = group->reservation.load(std::memory_order_acquire);
    const uint64_t used = Group::BytesOf(state);
    if ((state & Group::kSealed) != 0 || FrameHeader::kBytes + used + bytes > limits_.group_bytes) {
      CRABKV_RETURN_IF_ERROR(Roll(group, records, bytes, reservation));
      if (reservation->group != nullptr) return Status::Ok();
      continue;
    }
    // The group may have been released and opened again since it was loaded; then this reserves in its new life, which
    // is as good: its fields are read only now, when it can't be released before Publish.
    if (!group->reservation.compare_exchange_weak(state, state + (records << 32) + bytes, std::memory_order_acq_rel))
      continue;
    Fill(group, state, reservation);
    return Status::Ok();
  }
}

void GroupQueue::Fill(Group* group, uint64_t state_before, Reservation* reservation) {
  const uint64_t used = FrameHeader::kBytes + Group::BytesOf(state_before);
  reservation->group = group;
  reservation->to = group->buffer + used;
  reservation->group_number = group->number.load(std::memory_order_relaxed);
  reservation->lsn = group->base_lsn + Group::RecordsOf(state_before);
  reservation->offset = group->file_offset + used;
  reservation->segment = group->segment;
  reservation->grew_large = used < kWakeBytes && used + reservation->bytes >= kWakeBytes;
}

Status GroupQueue::Roll(Group* full, uint64_t records, uint64_t bytes, Reservation* reservation) {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  if (filling_.load(std::memory_order_relaxed) != full) return Status::Ok();  // somebody else rolled; look again
  const uint64_t pending = pending_bytes();
  const uint64_t number = newest_.load(std::memory_order_relaxed);
  const bool slots = At(number + 1)->number.load(std::memory_order_acquire) == 0 &&
                     At(number + 2)->number.load(std::memory_order_acquire) == 0;
  if (!slots || (pending != 0 && pending + bytes > limits_.pending_bytes_max)) {
    busy_reported_.store(true, std::memory_order_release);
    return Status::Error(Code::kBusy, "too much is waiting to be written: " + std::to_string(pending) +
                                          " bytes of pendingBytesMax " + std::to_string(limits_.pending_bytes_max));
  }
  SealLocked(full);
  if (FrameHeader::kBytes + bytes > limits_.group_bytes) {
    // A group of its own, in memory of its own, reserved whole before anyone sees it.
    OpenLocked(FrameHeader::kBytes + bytes, Group::kSealed | (records << 32) | bytes);
    CRABKV_RETURN_IF_ERROR(stopped_);
    Group* large = At(newest_.load(std::memory_order_relaxed));
    Fill(large, 0, reservation);
    reservation->grew_large = true;
  }
  OpenLocked(limits_.group_bytes, 0);
  return Status::Ok();
}

void GroupQueue::SealLocked(Group* group) {
  const uint64_t state = group->reservation.fetch_or(Group::kSealed, std::memory_order_acq_rel);
  sealed_bytes_.fetch_add(Group::BytesOf(state), std::memory_order_relaxed);
  next_.offset += FrameHeader::kBytes + Group::BytesOf(state);
  next_.next_lsn += Group::RecordsOf(state);
  // A group without records (a watermark) can't tell of skipped LSNs: the next one does.
  if (Group::RecordsOf(state) == 0 && group->skips_lsns) next_skips_ = true;
}

char* GroupQueue::BufferLocked(uint64_t capacity) {
  if (capacity == limits_.group_bytes && !buffers_.empty()) {
    char* buffer = buffers_.back();
    buffers_.pop_back();
    return buffer;
  }
  char* buffer = static_cast<char*>(std::malloc(capacity));
  CRABKV_ASSERT(buffer != nullptr);
  return buffer;
}

// Null when every handle is used up. One that is too small stays behind: it never gets a frame.
Segment* GroupQueue::NextSegmentLocked(uint64_t frame_bytes) {
  const SegmentHeader header = maker_->HandOut();
  const uint64_t capacity = SegmentCapacityFor(frame_bytes);
  Segment* const put_back = segments_->PutBack(header.number);
  if (put_back != nullptr && put_back->capacity >= capacity) return put_back;
  return segments_->Add(std::make_unique<Segment>(header.number, header.salt, capacity, maker_->PathOf(header.number)));
}

void GroupQueue::OpenLocked(uint64_t capacity, uint64_t sealed_reservation) {
  const uint64_t number = newest_.load(std::memory_order_relaxed) + 1;
  Group* group = At(number);
  CRABKV_ASSERT(group->number.load(std::memory_order_acquire) == 0);
  if (end_segment_ || next_.offset >= limits_.segment_bytes ||
      next_.offset + capacity + kSealBytes > next_.segment->capacity) {
    Segment* const segment = NextSegmentLocked(capacity);
    if (segment == nullptr) {
      filling_.store(nullptr, std::memory_order_release);
      stopped_ = Status::Error(Code::kFailed, "every segment handle is used up; reopen the store");
      return;
    }
    next_.segment = segment;
    next_.offset = kFirstOffset;
    end_segment_ = false;
  }
  group->segment = next_.segment;
  group->file_offset = next_.offset;
  group->base_lsn = next_.next_lsn;
  group->skips_lsns = next_skips_;
  next_skips_ = false;
  group->capacity = capacity;
  group->buffer = BufferLocked(capacity);
  group->published.store(0, std::memory_order_relaxed);
  group->number.store(number, std::memory_order_seq_cst);
  group->reservation.store(sealed_reservation, std::memory_order_release);
  newest_.store(number, std::memory_order_release);
  if (sealed_reservation == 0) {
    filling_.store(group, std::memory_order_release);
  } else {
    filling_.store(nullptr, std::memory_order_release);
    SealLocked(group);
  }
}

PendingRecord GroupQueue::FindPending(const Segment* segment, uint64_t offset) {
  const uint64_t oldest = oldest_.load(std::memory_order_acquire);
  for (uint64_t number = newest_number(); number >= oldest; number--) {
    Group* group = At(number);
    group->pins.fetch_add(1, std::memory_order_seq_cst);
    // The order matters: Release clears the number and then looks at the pins, so one of the two sees the other.
    if (group->number.load(std::memory_order_seq_cst) == number && group->segment == segment &&
        offset >= group->file_offset && offset - group->file_offset < FrameHeader::kBytes + group->bytes()) {
      const uint64_t at = offset - group->file_offset;
      return PendingRecord(group, group->buffer + at, FrameHeader::kBytes + group->bytes() - at);
    }
    group->pins.fetch_sub(1, std::memory_order_seq_cst);
  }
  return PendingRecord();
}

void GroupQueue::Position(uint64_t* number, LogPosition* position) {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  *number = newest_.load(std::memory_order_relaxed);
  *position = next_;
  const Group* group = filling_.load(std::memory_order_relaxed);
  if (group == nullptr) return;
  if (group->records() == 0) {
    (*number)--;  // nothing in it yet: nobody will be told of it before something is
    return;
  }
  position->offset += FrameHeader::kBytes + group->bytes();
  position->next_lsn += group->records();
}

uint64_t GroupQueue::EndSegment() {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  end_segment_ = true;
  return newest_.load(std::memory_order_relaxed) + 1;
}

uint64_t GroupQueue::pending_bytes() const {
  const Group* group = filling_.load(std::memory_order_acquire);
  return sealed_bytes_.load(std::memory_order_relaxed) + (group == nullptr ? 0 : group->bytes());
}

Status GroupQueue::stopped() const {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  return stopped_;
}

bool GroupQueue::TakeBusyReport() {
  if (!busy_reported_.load(std::memory_order_relaxed) || pending_bytes() * 2 > limits_.pending_bytes_max) return false;
  return busy_reported_.exchange(false, std::memory_order_acq_rel);
}

bool GroupQueue::IsEmpty(uint64_t number) const {
  const Group& group = ring_[number % kRing];
  if (group.number.load(std::memory_order_acquire) != number) return false;
  if (group.reservation.load(std::memory_order_acquire) != 0) return false;
  // Released meanwhile, it may already be another group that is empty.
  return group.number.load(std::memory_order_acquire) == number;
}

bool GroupQueue::WasGivenOut(uint64_t number) const {
  const uint64_t newest = newest_number();
  return number < newest || (number == newest && !IsEmpty(number));
}

Group* GroupQueue::TakeSealed(uint64_t number, bool even_empty) {
  Group* group = At(number);
  if (group->number.load(std::memory_order_acquire) != number) return nullptr;
  if ((group->reservation.load(std::memory_order_acquire) & Group::kSealed) == 0) {
    std::lock_guard<std::mutex> lock(roll_mutex_);
    if (filling_.load(std::memory_order_relaxed) == group) {
      if (group->records() == 0 && !even_empty) return nullptr;
      SealLocked(group);
      OpenLocked(limits_.group_bytes, 0);
    }
  }
  // Whoever reserved is copying, under a latch and waiting for nothing: this is short.
  while (group->published.load(std::memory_order_acquire) != group->bytes()) std::this_thread::yield();
  return group;
}

void GroupQueue::Release(Group* group) {
  const uint64_t number = group->number.load(std::memory_order_relaxed);
  // Nobody's number: readers find nothing here any more, and nobody opens it yet.
  group->number.store(Group::kReleasing, std::memory_order_seq_cst);
  while (group->pins.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
  sealed_bytes_.fetch_sub(group->bytes(), std::memory_order_relaxed);
  oldest_.store(number + 1, std::memory_order_release);
  std::lock_guard<std::mutex> lock(roll_mutex_);
  if (group->capacity == limits_.group_bytes && buffers_.size() < kSpareBuffersMax) {
    buffers_.push_back(group->buffer);
  } else {
    std::free(group->buffer);
  }
  group->buffer = nullptr;
  group->number.store(0, std::memory_order_release);
}

uint64_t GroupQueue::Stop(const Status& status) {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  if (Group* group = filling_.load(std::memory_order_relaxed); group != nullptr) SealLocked(group);
  filling_.store(nullptr, std::memory_order_release);
  if (stopped_.ok()) stopped_ = status;
  return newest_.load(std::memory_order_relaxed);
}

void GroupQueue::Reopen(Segment* segment, uint64_t offset) {
  std::lock_guard<std::mutex> lock(roll_mutex_);
  if (!stopped_.ok()) return;  // closed while it rolled back
  maker_->PutBackFrom(segment->number + 1);
  next_.segment = segment;
  next_.offset = offset;
  next_skips_ = true;
  // One without frames is a new segment already; START of the one behind it could not name it.
  if (!segment->has_frames()) end_segment_ = false;
  OpenLocked(limits_.group_bytes, 0);
}

}  // namespace crabkv
