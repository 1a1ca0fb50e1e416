#include "native/core/space_ahead.h"

#include <algorithm>
#include <string_view>

namespace crabkv {

void SpaceAhead::Begin(Segment* segment, uint64_t written) {
  std::lock_guard<std::mutex> lock(mutex_);
  segment_ = segment;
  claimed_ = ready_ = written;
  window_ = kWindowBytesMin;
}

bool SpaceAhead::WantedLocked() const {
  return on_ && segment_ != nullptr && making_until_ == 0 && ready_ < segment_->capacity &&
         claimed_ + window_ / 2 > ready_;
}

bool SpaceAhead::Claim(uint64_t end) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (making_until_ != 0 && end > ready_) made_.wait(lock);
  claimed_ = std::max(claimed_, end);
  ready_ = std::max(ready_, end);
  return WantedLocked();
}

void SpaceAhead::End() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (making_until_ != 0) made_.wait(lock);
  segment_ = nullptr;
}

namespace {
// The end of some bytes behind `begin`, at a whole page of the file system, or a page would be written twice.
uint64_t WholePagesEnd(uint64_t begin, uint64_t bytes) { return (begin + bytes) & ~uint64_t{4095}; }
}  // namespace

Status SpaceAhead::WriteZeros(File* file, uint64_t begin, uint64_t end) {
  for (uint64_t at = begin; at < end;) {
    const uint64_t next = std::min(WholePagesEnd(at, zeros_.size()), end);
    CRABKV_RETURN_IF_ERROR(file->WriteAt(at, std::string_view(zeros_).substr(0, next - at)));
    at = next;
  }
  return Status::Ok();
}

void SpaceAhead::MakeNext() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!WantedLocked()) return;
  Segment* segment = segment_;
  const uint64_t begin = ready_;
  const uint64_t end = std::min(WholePagesEnd(begin, window_), segment->capacity);
  if (end <= begin) return;
  making_until_ = end;
  lock.unlock();
  const Status status = WriteZeros(segment->file.get(), begin, end);
  lock.lock();
  making_until_ = 0;
  if (status.ok()) {
    ready_ = end;
    window_ = std::min(window_ * 2, kWindowBytesMax);
    if (segment->file_bytes.load(std::memory_order_relaxed) < end)
      segment->file_bytes.store(end, std::memory_order_relaxed);
  } else {
    segment_ = nullptr;
  }
  made_.notify_all();
}

}  // namespace crabkv
