#include "native/core/segment_maker.h"

#include "native/core/segment.h"

namespace crabkv {

SegmentMaker::Item* SegmentMaker::NextLocked() {
  for (Item& item : items_) {
    if (!item.handed_out) return &item;
  }
  items_.emplace_back();
  Item& item = items_.back();
  item.header.kind = SegmentKind::kLog;
  item.header.number = next_number_++;
  item.header.store_id = store_id_;
  item.header.salt = env_->Random64();
  return &item;
}

SegmentMaker::Item* SegmentMaker::FindLocked(uint64_t number) {
  for (Item& item : items_) {
    if (item.header.number == number) return &item;
  }
  return nullptr;
}

SegmentHeader SegmentMaker::HandOut() {
  std::lock_guard<std::mutex> lock(mutex_);
  Item* item = NextLocked();
  item->handed_out = true;
  return item->header;
}

void SegmentMaker::PutBackFrom(uint64_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Item& item : items_) {
    if (item.header.number >= number) item.handed_out = false;
  }
}

Status SegmentMaker::TakeFile(uint64_t number, std::unique_ptr<File>* file) {
  std::unique_lock<std::mutex> lock(mutex_);
  Item* item = FindLocked(number);
  CRABKV_ASSERT(item != nullptr);
  while (item->making) made_.wait(lock);
  if (item->file == nullptr) {
    // The number is in use from here on: nobody else makes a file that was handed out.
    const SegmentHeader header = item->header;
    lock.unlock();
    CRABKV_RETURN_IF_ERROR(CreateSegmentFile(env_, directory_, header, file));
    lock.lock();
  } else {
    *file = std::move(item->file);
  }
  // Headers are taken in the order of their numbers, and what was handed out before this one has been taken. This one
  // stays, without a file: if its segment can't be begun after all, it is put back, and the log goes on without a hole.
  while (!items_.empty() && items_.front().header.number < number) items_.pop_front();
  return Status::Ok();
}

void SegmentMaker::Prepare() {
  std::unique_lock<std::mutex> lock(mutex_);
  Item* item = NextLocked();
  if (item->file != nullptr || item->making) return;
  item->making = true;
  const SegmentHeader header = item->header;
  lock.unlock();
  std::unique_ptr<File> file;
  const Status status = CreateSegmentFile(env_, directory_, header, &file);
  lock.lock();
  item->making = false;
  if (status.ok()) item->file = std::move(file);
  made_.notify_all();
}

}  // namespace crabkv
