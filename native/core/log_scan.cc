#include "native/core/log_scan.h"

#include <algorithm>

#include "native/core/coding.h"

namespace crabkv {

Status StoreImpl::NewScan(const ScanOptions& options, std::unique_ptr<Scan>* scan) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  *scan = std::make_unique<LogScan>(this, options);
  return Status::Ok();
}

LogScan::LogScan(StoreImpl* store, ScanOptions options) : store_(store), options_(std::move(options)) {
  snapshot_ = store_->index_.TakeSnapshot([this] {
    pins_ = store_->segments_.PinAll();
    end_offset_ = UINT64_MAX;
    uint64_t next_lsn = UINT64_MAX;
    if (store_->log_ != nullptr) {
      LogPosition end;
      store_->log_->queue().Position(&end_group_, &end);
      end_segment_ = end.segment;
      end_offset_ = end.offset;
      next_lsn = end.next_lsn;
    }
    return next_lsn;
  });
}

LogScan::~LogScan() { store_->index_.DropSnapshot(std::move(snapshot_)); }

// What was accepted before the scan is in the log, or undone, when this returns; either way the walk finds what there
// is.
void LogScan::WaitUntilWritten() {
  if (written_) return;
  const Status fate = store_->WaitFor(end_group_, false);
  static_cast<void>(fate);
  written_ = true;
}

void LogScan::NextSegment(bool* done) {
  reader_.reset();
  while (next_pin_ < pins_.size() && (segment_ == nullptr || segment_ != end_segment_)) {
    segment_ = pins_[next_pin_++].get();
    const uint64_t limit = segment_->written.load(std::memory_order_acquire);
    if (limit <= SegmentHeader::kBytes) continue;
    if (segment_->last_lsn.load(std::memory_order_acquire) <= options_.after_version) continue;
    reader_ = std::make_unique<FrameReader>(segment_->file.get(), segment_->path, segment_->salt, SegmentHeader::kBytes,
                                            limit);
    return;
  }
  *done = true;
}

// One step: to the next frame, which may have nothing to show, or to the end of a segment.
Status LogScan::NextFrame(bool* done) {
  if (reader_ == nullptr) NextSegment(done);
  if (*done) return Status::Ok();
  // Where a failed write was undone, frames may lie across the place where the log was to end.
  if (segment_ == end_segment_ && reader_->offset() >= end_offset_) {
    reader_.reset();
    return Status::Ok();
  }
  FrameReader::Result result;
  std::string why;
  const uint64_t begin = reader_->offset();
  CRABKV_RETURN_IF_ERROR(reader_->Next(&result, &frame_, &why));
  at_ = frame_.payload.size();
  if (result == FrameReader::Result::kBad) return Status::Corruption(segment_->path, begin, why);
  bytes_read_ += reader_->offset() - begin;
  if (result == FrameReader::Result::kEnd || frame_.header.type == FrameType::kSeal) {
    reader_.reset();
  } else if (frame_.header.count != 0 &&
             (segment_->compacted != nullptr || frame_.header.last_lsn() > options_.after_version)) {
    at_ = 0;
  }
  return Status::Ok();
}

bool LogScan::Shows(const RecordHeader& record, std::string_view key) {
  if (record.type != RecordType::kPut || record.lsn <= options_.after_version) return false;
  if (key.substr(0, options_.prefix.size()) != options_.prefix) return false;
  const Location here =
      Location::Make(segment_->handle, frame_.offset + FrameHeader::kBytes + at_, record.record_bytes(), false);
  const Location live = store_->index_.FindInSnapshot(*snapshot_, store_->Hash(key), &deadline_ms_);
  return live && live.SameRecord(here) && !store_->Expired(deadline_ms_);
}

Status LogScan::Emit(const RecordHeader& record, uint64_t at, ReadBuffer* chunk) {
  constexpr uint64_t kEntryHeaderBytes = 24;
  const uint32_t value_bytes = options_.values ? record.raw_bytes : 0;
  char* to = chunk->Extend(kEntryHeaderBytes + record.key_bytes + value_bytes);
  PutU32(to, record.key_bytes);
  PutU32(to + 4, value_bytes);
  PutU64(to + 8, record.lsn);
  PutU64(to + 16, deadline_ms_);
  to += kEntryHeaderBytes;
  std::copy_n(frame_.payload.data() + at + RecordHeader::kBytes, record.key_bytes, to);
  to += record.key_bytes;
  if (!options_.values || CopyValue(record, frame_.payload.substr(at), to)) return Status::Ok();
  return Status::Corruption(segment_->path, frame_.offset + FrameHeader::kBytes + at,
                            "the value can't be decompressed");
}

Status LogScan::Next(uint32_t entries_max, uint64_t bytes_max, ReadBuffer* chunk, uint32_t* entries, bool* done) {
  *entries = 0;
  *done = false;
  CRABKV_RETURN_IF_ERROR(store_->RefuseRead());
  WaitUntilWritten();
  bytes_read_ = 0;
  while (*entries < entries_max && chunk->size() < bytes_max) {
    if (at_ >= frame_.payload.size()) {
      if (bytes_read_ >= kReadBytesMax) return Status::Ok();
      CRABKV_RETURN_IF_ERROR(NextFrame(done));
      if (*done) return Status::Ok();
      continue;
    }
    RecordHeader record;
    CRABKV_ASSERT(DecodeRecordHeader(frame_.payload.data() + at_, frame_.payload.size() - at_, &record));
    if (Shows(record, frame_.payload.substr(at_ + RecordHeader::kBytes, record.key_bytes))) {
      CRABKV_RETURN_IF_ERROR(Emit(record, at_, chunk));
      (*entries)++;
    }
    at_ += record.record_bytes();
  }
  return Status::Ok();
}

}  // namespace crabkv
