#include "native/core/segment_table.h"

#include <algorithm>

namespace crabkv {

SegmentTable::~SegmentTable() { Clear(); }

void SegmentTable::Clear() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& slot : chunks_) {
    Chunk* chunk = slot.exchange(nullptr, std::memory_order_relaxed);
    if (chunk == nullptr) continue;
    for (auto& segment : chunk->segments) delete segment.load(std::memory_order_relaxed);
    delete chunk;
  }
  order_.clear();
  free_handles_.clear();
  last_handle_ = 0;
}

Segment* SegmentTable::AddUnplaced(std::unique_ptr<Segment> segment) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint32_t handle = 0;
  if (!free_handles_.empty()) {
    handle = free_handles_.back();
    free_handles_.pop_back();
  } else if (last_handle_ < handle_max_) {
    handle = ++last_handle_;
  } else {
    return nullptr;
  }
  auto& slot = chunks_[handle / kChunk];
  if (slot.load(std::memory_order_relaxed) == nullptr) slot.store(new Chunk, std::memory_order_release);
  segment->handle = handle;
  Segment* added = segment.release();
  slot.load(std::memory_order_relaxed)->segments[handle % kChunk].store(added, std::memory_order_release);
  return added;
}

Segment* SegmentTable::Add(std::unique_ptr<Segment> segment) {
  Segment* added = AddUnplaced(std::move(segment));
  if (added == nullptr) return nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  order_.push_back(added);
  return added;
}

void SegmentTable::Replace(const std::vector<Segment*>& inputs, const std::vector<Segment*>& outputs) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto first = std::find(order_.begin(), order_.end(), inputs.front());
  const auto last = std::find(first, order_.end(), inputs.back());
  CRABKV_ASSERT(last != order_.end() && static_cast<size_t>(last - first) + 1 == inputs.size());
  order_.insert(order_.erase(first, last + 1), outputs.begin(), outputs.end());
}

Segment* SegmentTable::PutBack(uint64_t number) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto last = order_.rbegin();
  while (last != order_.rend() && (*last)->is_log() && (*last)->number > number) ++last;
  const bool found = last != order_.rend() && (*last)->is_log() && (*last)->number == number;
  return found ? *last : nullptr;
}

bool SegmentTable::Remove(Segment* segment) {
  if (segment->pins.load(std::memory_order_acquire) != 0) return false;
  const uint32_t handle = segment->handle;
  chunks_[handle / kChunk]
      .load(std::memory_order_relaxed)
      ->segments[handle % kChunk]
      .store(nullptr, std::memory_order_release);
  delete segment;
  std::lock_guard<std::mutex> lock(mutex_);
  free_handles_.push_back(handle);
  return true;
}

std::vector<SegmentPin> SegmentTable::PinAll() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<SegmentPin> pins;
  pins.reserve(order_.size());
  for (Segment* segment : order_) pins.emplace_back(segment);
  return pins;
}

std::vector<SegmentPin> SegmentTable::PinWithFrames() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Segment*> found;
  for (auto segment = order_.rbegin(); segment != order_.rend(); ++segment) {
    if ((*segment)->has_frames()) found.push_back(*segment);
  }
  return std::vector<SegmentPin>(found.rbegin(), found.rend());
}

}  // namespace crabkv
