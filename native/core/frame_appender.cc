#include "native/core/frame_appender.h"

#include <algorithm>

#include "native/core/coding.h"
#include "native/core/crc32c.h"

namespace crabkv {

Status AttachFile(Segment* segment, std::unique_ptr<File> file) {
  CRABKV_RETURN_IF_ERROR(file->Map(segment->capacity, &segment->mapping));
  segment->file = std::move(file);
  return Status::Ok();
}

Status FrameAppender::WriteFrame(FrameHeader* header, char* frame) {
  header->clock_ms = clock_->NowMs();
  header->epoch = epoch_;
  header->previous_crc = end_.previous_crc;
  EncodeFrameHeader(end_.segment->salt, header, frame);
  const uint64_t end = end_.offset + header->frame_bytes();
  wants_space_ = space_->Claim(end) || wants_space_;
  CRABKV_RETURN_IF_ERROR(end_.segment->file->WriteAt(end_.offset, std::string_view(frame, header->frame_bytes())));
  end_.segment->resident.Add(end_.offset, header->frame_bytes());
  end_.offset = end;
  end_.previous_crc = header->crc;
  auto& file_bytes = end_.segment->file_bytes;
  if (file_bytes.load(std::memory_order_relaxed) < end) file_bytes.store(end, std::memory_order_relaxed);
  return Status::Ok();
}

Status FrameAppender::WriteStart(uint64_t durable_lsn, uint64_t base_lsn) {
  char frame[FrameHeader::kBytes + StartPayload::kBytes];
  EncodeStart(end_.start, frame + FrameHeader::kBytes);
  FrameHeader header;
  header.type = FrameType::kStart;
  header.payload_bytes = StartPayload::kBytes;
  header.base_lsn = base_lsn;
  header.durable_lsn = durable_lsn;
  header.payload_crc = Crc32c(frame + FrameHeader::kBytes, StartPayload::kBytes);
  CRABKV_RETURN_IF_ERROR(WriteFrame(&header, frame));
  end_.started = true;
  return Status::Ok();
}

// SEAL is for fast opening and for people; the log is whole without it, so a failure to write it is only cleaned up.
Status FrameAppender::WriteSeal(uint64_t durable_lsn, uint64_t last_lsn) {
  char bytes[GroupQueue::kSealBytes];
  SealPayload seal = end_.segment->counts;
  seal.live_bytes =
      static_cast<uint64_t>(std::max<int64_t>(0, end_.segment->live_bytes.load(std::memory_order_relaxed)));
  EncodeSeal(seal, bytes + FrameHeader::kBytes);
  FrameHeader header;
  header.type = FrameType::kSeal;
  header.payload_bytes = SealPayload::kBytes;
  header.base_lsn = last_lsn + 1;
  header.durable_lsn = durable_lsn;
  header.payload_crc = Crc32c(bytes + FrameHeader::kBytes, SealPayload::kBytes);
  Trailer trailer;
  trailer.seal_offset = end_.offset;
  Status status = WriteFrame(&header, bytes);
  const bool sealed = status.ok();  // then it is part of the chain, with its trailer or without
  if (sealed) {
    EncodeTrailer(trailer, end_.segment->salt, bytes);
    status = end_.segment->file->WriteAt(end_.offset, std::string_view(bytes, Trailer::kBytes));
  }
  // Cuts the space made ahead too; a failure leaves zeros or a torn frame at the end, which an opening reads past.
  const uint64_t size = end_.offset + (status.ok() ? Trailer::kBytes : 0);
  Status cut = end_.segment->file->Truncate(size);
  if (cut.ok()) end_.segment->file_bytes.store(size, std::memory_order_relaxed);
  // All of a SEAL may be there whose writing failed, and nothing could go on behind that.
  return sealed ? Status::Ok() : cut;
}

Status FrameAppender::Rotate(Segment* next, uint64_t durable_lsn, uint64_t last_lsn) {
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(maker_->TakeFile(next->number, &file));
  CRABKV_RETURN_IF_ERROR(AttachFile(next, std::move(file)));
  space_->End();
  if (end_.started) CRABKV_RETURN_IF_ERROR(WriteSeal(durable_lsn, last_lsn));
  End end;
  end.segment = next;
  end.offset = SegmentHeader::kBytes;
  end.start.previous_number = end_.segment->number;
  end.start.previous_salt = end_.segment->salt;
  end.start.previous_last_lsn = last_lsn;
  end.previous_crc = end_.previous_crc;
  end_ = end;
  space_->Begin(next, SegmentHeader::kBytes);
  return Status::Ok();
}

// The payload's CRC is over the records' CRCs, which already cover every byte of them.
void FrameAppender::FinishDataHeader(Group* group, FrameHeader* header) {
  const uint64_t bytes = group->bytes();
  SealPayload& counts = group->segment->counts;
  uint32_t crc = 0;
  uint64_t raw_value_bytes = 0;
  uint64_t stored_value_bytes = 0;
  uint64_t at = FrameHeader::kBytes;
  while (at < FrameHeader::kBytes + bytes) {
    RecordHeader record;
    const bool valid = DecodeRecordHeader(group->buffer + at, FrameHeader::kBytes + bytes - at, &record);
    CRABKV_ASSERT(valid);
    crc = Crc32cExtend(crc, group->buffer + at, 4);
    counts.Count(record);
    raw_value_bytes += record.raw_bytes;
    stored_value_bytes += record.stored_bytes;
    at += record.record_bytes();
  }
  raw_value_bytes_.fetch_add(raw_value_bytes, std::memory_order_relaxed);
  stored_value_bytes_.fetch_add(stored_value_bytes, std::memory_order_relaxed);
  header->type = FrameType::kData;
  header->flags = group->skips_lsns ? kFrameSkipsLsns : 0;
  header->payload_crc = crc;
}

Status FrameAppender::Append(Group* group, uint64_t durable_lsn) {
  wants_space_ = false;
  if (!end_.started) CRABKV_RETURN_IF_ERROR(WriteStart(durable_lsn, group->base_lsn));
  CRABKV_ASSERT(end_.segment == group->segment && end_.offset == group->file_offset);
  FrameHeader header;
  header.type = FrameType::kWatermark;  // an empty group
  header.payload_bytes = static_cast<uint32_t>(group->bytes());
  header.count = static_cast<uint32_t>(group->records());
  header.base_lsn = group->base_lsn;
  header.durable_lsn = durable_lsn;
  header.payload_crc = Crc32c(nullptr, 0);
  const SealPayload counts_before = end_.segment->counts;
  if (header.count != 0) FinishDataHeader(group, &header);
  const Status status = WriteFrame(&header, group->buffer);
  if (!status.ok()) end_.segment->counts = counts_before;
  return status;
}

Status FrameAppender::CutBack() {
  space_->End();
  CRABKV_RETURN_IF_ERROR(end_.segment->file->Truncate(end_.offset));
  end_.segment->file_bytes.store(end_.offset, std::memory_order_relaxed);
  space_->Begin(end_.segment, end_.offset);
  return Status::Ok();
}

}  // namespace crabkv
