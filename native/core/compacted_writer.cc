#include "native/core/compacted_writer.h"

#include "native/core/crc32c.h"

namespace crabkv {

namespace {
// Large enough that frame headers do not count, small enough to be a step.
constexpr uint64_t kBlockBytes = 256 << 10;
}  // namespace

CompactedWriter::CompactedWriter(Env* env, const std::string& directory, uint64_t number, StoreId store_id)
    : env_(env),
      path_(directory + "/" + CompactedFileName(number)),
      number_(number),
      store_id_(store_id),
      salt_(env->Random64()) {}

CompactedWriter::~CompactedWriter() {
  if (file_ == nullptr || kept_) return;
  // Best effort: the next opening removes what the MANIFEST does not list.
  const Status ignored = env_->Remove(named_ ? path_ : path_ + ".tmp");
  static_cast<void>(ignored);
}

Status CompactedWriter::Begin() {
  const std::string temporary = path_ + ".tmp";
  bool leftover = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(temporary, &leftover));
  if (leftover) CRABKV_RETURN_IF_ERROR(env_->Remove(temporary));
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(temporary, OpenMode::kCreate, &file_));
  offset_ = SegmentHeader::kBytes;
  frame_.assign(FrameHeader::kBytes, '\0');
  return Status::Ok();
}

Status CompactedWriter::Add(RecordHeader header, std::string_view key, std::string_view stored, uint64_t* offset) {
  const uint64_t bytes = header.record_bytes();
  if (count_ != 0 && frame_.size() + bytes > kBlockBytes) CRABKV_RETURN_IF_ERROR(WriteBlock());
  if (count_ == 0) base_lsn_ = header.lsn;
  const size_t at = frame_.size();
  frame_.resize(at + bytes);
  header.crc = FinishRecordCrc(RecordBodyCrc(header, key, stored), header.lsn, salt_);
  EncodeRecord(header, key, stored, &frame_[at]);
  payload_crc_ = Crc32cExtend(payload_crc_, &frame_[at], 4);
  *offset = offset_ + at;
  count_++;
  summary_.counts.Count(header);
  return Status::Ok();
}

Status CompactedWriter::WriteFrame(FrameHeader* header) {
  header->payload_bytes = static_cast<uint32_t>(frame_.size() - FrameHeader::kBytes);
  header->previous_crc = previous_crc_;
  EncodeFrameHeader(salt_, header, &frame_[0]);
  CRABKV_RETURN_IF_ERROR(file_->WriteAt(offset_, frame_));
  summary_.Take(*header, offset_);
  offset_ += frame_.size();
  previous_crc_ = header->crc;
  frame_.assign(FrameHeader::kBytes, '\0');
  return Status::Ok();
}

Status CompactedWriter::WriteBlock() {
  FrameHeader header;
  header.type = FrameType::kBlock;
  header.count = count_;
  header.base_lsn = base_lsn_;
  header.payload_crc = payload_crc_;
  count_ = 0;
  payload_crc_ = 0;
  return WriteFrame(&header);
}

Status CompactedWriter::WriteSeal(uint64_t last_lsn) {
  Trailer trailer;
  trailer.seal_offset = offset_;
  frame_.resize(FrameHeader::kBytes + SealPayload::kBytes);
  EncodeSeal(summary_.counts, &frame_[FrameHeader::kBytes]);
  FrameHeader header;
  header.type = FrameType::kSeal;
  header.base_lsn = last_lsn + 1;
  header.payload_crc = Crc32c(frame_.data() + FrameHeader::kBytes, SealPayload::kBytes);
  CRABKV_RETURN_IF_ERROR(WriteFrame(&header));
  char bytes[Trailer::kBytes];
  EncodeTrailer(trailer, salt_, bytes);
  CRABKV_RETURN_IF_ERROR(file_->WriteAt(offset_, std::string_view(bytes, sizeof(bytes))));
  offset_ += sizeof(bytes);
  return Status::Ok();
}

Status CompactedWriter::Finish(CompactedSegment* segment) {
  if (count_ != 0) CRABKV_RETURN_IF_ERROR(WriteBlock());
  CRABKV_RETURN_IF_ERROR(WriteSeal(segment->max_lsn));
  SegmentHeader header;
  header.kind = SegmentKind::kCompacted;
  header.number = number_;
  header.store_id = store_id_;
  header.salt = salt_;
  header.min_lsn = segment->min_lsn;
  header.max_lsn = segment->max_lsn;
  header.horizon = segment->horizon;
  char bytes[SegmentHeader::kBytes];
  EncodeSegmentHeader(header, bytes);
  CRABKV_RETURN_IF_ERROR(file_->WriteAt(0, std::string_view(bytes, sizeof(bytes))));
  CRABKV_RETURN_IF_ERROR(file_->Sync());
  CRABKV_RETURN_IF_ERROR(env_->Rename(path_ + ".tmp", path_));
  named_ = true;
  frame_.clear();
  segment->number = number_;
  segment->salt = salt_;
  segment->bytes = offset_;
  return Status::Ok();
}

}  // namespace crabkv
