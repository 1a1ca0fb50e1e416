#include "native/core/log_feed.h"

#include <algorithm>

#include "native/core/coding.h"

namespace crabkv {

namespace {
uint64_t Written(const Segment* segment) { return segment->written.load(std::memory_order_acquire); }
// Compacted segments have gaps: a feed reads the log only, and begins behind them.
bool IsOfLog(const Segment* segment) { return segment->is_log() && segment->has_frames(); }
}  // namespace

Status StoreImpl::NewFeed(const FeedOptions& options, std::unique_ptr<Scan>* feed) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  *feed = std::make_unique<LogFeed>(this, options);
  return Status::Ok();
}

// From the choice of the place on, no compaction takes what lies behind it.
LogFeed::LogFeed(StoreImpl* store, FeedOptions options) : store_(store), options_(std::move(options)) {
  std::lock_guard<std::mutex> lock(store_->feeds_mutex_);
  BeginAtEnd();
  if (options_.resume) BeginAfter(options_.after_version);
  behind_max_ = options_.lag_bytes_max + std::min(BytesBehind(), UINT64_MAX - options_.lag_bytes_max);
  store_->feeds_.push_back(this);
}

LogFeed::~LogFeed() {
  std::lock_guard<std::mutex> lock(store_->feeds_mutex_);
  store_->feeds_.erase(std::remove(store_->feeds_.begin(), store_->feeds_.end(), this), store_->feeds_.end());
}

uint64_t StoreImpl::VersionKeptForFeeds() {
  std::lock_guard<std::mutex> lock(feeds_mutex_);
  return VersionKept();
}

// A compaction's last question before it commits, and what lets no feed begin below the floor between the answer and
// that.
bool StoreImpl::MoveFeedFloor(uint64_t taken, uint64_t floor) {
  std::lock_guard<std::mutex> lock(feeds_mutex_);
  if (taken > VersionKept()) return false;
  feed_floor_.store(floor, std::memory_order_release);
  return true;
}

// Changes behind this version stay in the log as long as the feeds that are to show them keep up. REQUIRES:
// feeds_mutex_.
uint64_t StoreImpl::VersionKept() {
  uint64_t kept = UINT64_MAX;
  for (const LogFeed* feed : feeds_) {
    const uint64_t version = feed->version();
    if (version < FeedFloor()) continue;  // it will say so
    uint64_t behind = 0;
    bool reads = true;  // the first of them is being read, and how much of it is left is the feed's secret
    segments_.ForEach([&](const Segment* segment) {
      if (!IsOfLog(segment) || segment->last_lsn.load(std::memory_order_acquire) <= version) return;
      if (!reads) behind += Written(segment) - SegmentHeader::kBytes;
      reads = false;
    });
    if (behind <= feed->behind_max()) kept = std::min(kept, version);
  }
  return kept;
}

// What is acknowledged from here on lies behind this place; version_ may be a little before it, never behind.
void LogFeed::BeginAtEnd() {
  version_ = store_->log_ == nullptr ? store_->open_last_lsn_ : store_->log_->acknowledged_lsn();
  if (auto last = store_->segments_.PinLast(IsOfLog)) {
    offset_ = Written(last->get());
    pin_.emplace(std::move(*last));
  }
}

// REQUIRES: BeginAtEnd. When no segment has later changes, the end is the place; a segment's last LSN rises before its
// `written`.
void LogFeed::BeginAfter(uint64_t version) {
  uint64_t last_given_out = version_;
  if (store_->log_ != nullptr) {
    uint64_t group = 0;
    LogPosition end;
    store_->log_->queue().Position(&group, &end);
    last_given_out = end.next_lsn - 1;
  }
  beyond_log_ = version > last_given_out;
  version_ = version;
  if (!pin_) return;
  const uint64_t end_number = pin_->get()->number;
  auto first = store_->segments_.PinFirst([&](const Segment* segment) {
    return IsOfLog(segment) && segment->number <= end_number &&
           segment->last_lsn.load(std::memory_order_acquire) > version;
  });
  if (!first) return;
  pin_.emplace(std::move(*first));
  offset_ = SegmentHeader::kBytes;
}

Status LogFeed::CheckPosition() const {
  if (beyond_log_) {
    return Status::Error(Code::kPositionGone, "version " + std::to_string(options_.after_version) +
                                                  " is not in the log, which ends before it; begin again without from");
  }
  if (version() < store_->FeedFloor()) {
    return Status::Error(Code::kPositionGone, "the changes after version " + std::to_string(version()) +
                                                  " are no longer in the log, which has those after " +
                                                  std::to_string(store_->FeedFloor()));
  }
  const uint64_t behind = BytesBehind();
  if (behind <= behind_max()) return Status::Ok();
  return Status::Error(Code::kLagged, "the reader of changes is " + std::to_string(behind) +
                                          " bytes of log behind, more than lagBytesMax (" +
                                          std::to_string(options_.lag_bytes_max) + ")");
}

uint64_t LogFeed::BytesBehind() const {
  const uint64_t here = pin_ ? pin_->get()->number : 0;
  uint64_t behind = here == 0 ? 0 : Written(pin_->get()) - offset_;
  store_->segments_.ForEach([&](const Segment* segment) {
    if (IsOfLog(segment) && segment->number > here) behind += Written(segment) - SegmentHeader::kBytes;
  });
  return behind;
}

// To the next segment with frames (a rotation that failed may leave segments behind that never get one). False when the
// log ends here, for now.
bool LogFeed::NextSegment() {
  const uint64_t here = pin_ ? pin_->get()->number : 0;
  auto next =
      store_->segments_.PinFirst([&](const Segment* segment) { return IsOfLog(segment) && segment->number > here; });
  if (!next) return false;
  // The writer never comes back to a segment once a later one has frames; but it may have added to it since we looked.
  if (here != 0 && Written(pin_->get()) > offset_) return true;
  reader_.reset();
  came_from_ = here;
  pin_.emplace(std::move(*next));
  offset_ = SegmentHeader::kBytes;
  return true;
}

Status LogFeed::NextFrame(bool* found) {
  *found = false;
  while (!pin_ || offset_ >= Written(pin_->get())) {
    if (!NextSegment()) return Status::Ok();
  }
  const Segment* segment = pin_->get();
  const uint64_t limit = Written(segment);
  if (reader_ == nullptr) {
    reader_ = std::make_unique<FrameReader>(segment->file.get(), segment->path, segment->salt, offset_, limit);
  }
  reader_->Extend(limit);
  FrameReader::Result result;
  std::string why;
  CRABKV_RETURN_IF_ERROR(reader_->Next(&result, &frame_, &why));
  at_ = frame_.payload.size();
  if (result != FrameReader::Result::kFrame) {
    return Status::Corruption(segment->path, offset_, result == FrameReader::Result::kEnd ? "a frame is missing" : why);
  }
  if (frame_.header.type == FrameType::kStart && came_from_ != 0) {
    const StartPayload start = DecodeStart(frame_.payload.data());
    // A compaction may have taken what lay between since the position was checked. Segments without records do not
    // count.
    if (start.previous_number != came_from_ && start.previous_last_lsn > version()) {
      return Status::Error(Code::kPositionGone,
                           "the changes after version " + std::to_string(version()) + " are no longer in the log");
    }
  }
  bytes_read_ += reader_->offset() - offset_;
  offset_ = reader_->offset();
  if (frame_.header.count != 0 && frame_.header.last_lsn() > options_.after_version) at_ = 0;
  *found = true;
  return Status::Ok();
}

Status LogFeed::Emit(const RecordHeader& record, ReadBuffer* chunk) const {
  constexpr uint64_t kEntryHeaderBytes = 28;
  char* to = chunk->Extend(kEntryHeaderBytes + record.key_bytes + record.raw_bytes);
  PutU32(to, static_cast<uint32_t>(record.type));
  PutU32(to + 4, record.key_bytes);
  PutU32(to + 8, record.raw_bytes);
  PutU64(to + 12, record.lsn);
  PutU64(to + 20, record.expires_at_ms);
  to += kEntryHeaderBytes;
  std::copy_n(frame_.payload.data() + at_ + RecordHeader::kBytes, record.key_bytes, to);
  if (CopyValue(record, frame_.payload.substr(at_), to + record.key_bytes)) return Status::Ok();
  return Status::Corruption(pin_->get()->path, frame_.offset + FrameHeader::kBytes + at_,
                            "the value can't be decompressed");
}

// What it read with is given back while there is nothing to read.
void LogFeed::PauseAtEnd() {
  reader_.reset();
  frame_ = Frame();
  at_ = 0;
  behind_max_ = options_.lag_bytes_max;
}

Status LogFeed::Next(uint32_t entries_max, uint64_t bytes_max, ReadBuffer* chunk, uint32_t* entries, bool* done) {
  *entries = 0;
  *done = false;
  CRABKV_RETURN_IF_ERROR(store_->RefuseRead());
  CRABKV_RETURN_IF_ERROR(CheckPosition());
  bytes_read_ = 0;
  while (*entries < entries_max && chunk->size() < bytes_max) {
    if (at_ >= frame_.payload.size()) {
      if (bytes_read_ >= kReadBytesMax) return Status::Ok();
      // Asked before the log is looked at, so that what was acknowledged before the failure is shown before it.
      const Status failure = store_->Failure();
      bool found = false;
      CRABKV_RETURN_IF_ERROR(NextFrame(&found));
      if (!found) {
        PauseAtEnd();
        *done = true;
        if (failure.ok() || *entries != 0) return Status::Ok();
        return failure.WithCode(Code::kFailed, "no changes will come until the store is reopened: ");
      }
      continue;
    }
    RecordHeader record;
    CRABKV_ASSERT(DecodeRecordHeader(frame_.payload.data() + at_, frame_.payload.size() - at_, &record));
    const std::string_view key = frame_.payload.substr(at_ + RecordHeader::kBytes, record.key_bytes);
    if (record.lsn > options_.after_version && key.substr(0, options_.prefix.size()) == options_.prefix) {
      CRABKV_RETURN_IF_ERROR(Emit(record, chunk));
      (*entries)++;
    }
    version_ = std::max(version(), record.lsn);
    at_ += record.record_bytes();
  }
  return Status::Ok();
}

}  // namespace crabkv
