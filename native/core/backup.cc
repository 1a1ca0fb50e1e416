#include "native/core/backup.h"

#include <algorithm>

#include "native/core/frame_reader.h"

namespace crabkv {

Backup::~Backup() {
  progress_->bytes.store(0, std::memory_order_relaxed);
  progress_->bytes_done.store(0, std::memory_order_relaxed);
}

Status Backup::Run(const StepDone& step, BackupReport* report) {
  if (const Status failed = source_.log->failure(); !failed.ok()) {
    return failed.WithCode(Code::kFailed, "the store can't be backed up until it is reopened: ");
  }
  const uint64_t acknowledged = source_.log->acknowledged_lsn();
  CRABKV_RETURN_IF_ERROR(target_.Prepare(*source_.manifest));
  CRABKV_RETURN_IF_ERROR(EndSegment());
  CRABKV_RETURN_IF_ERROR(ChooseSegments());
  // When a write fails, the log may go on where it was.
  if (last_lsn_ < acknowledged) return WhyNoNewSegment();
  const ManifestState next = NextManifest();
  CRABKV_RETURN_IF_ERROR(target_.CheckPast(next));
  uint64_t bytes = 0;
  for (const BackupSegment& segment : segments_) bytes += segment.bytes;
  progress_->bytes.store(bytes, std::memory_order_relaxed);
  bytes = 0;
  for (const BackupSegment& segment : segments_) {
    uint64_t copied = 0;
    const StepDone count = [&](uint64_t more) {
      copied += more;
      progress_->bytes_done.store(bytes + copied, std::memory_order_relaxed);
      return step(more);
    };
    CRABKV_RETURN_IF_ERROR(target_.Add(segment, count, report));
    bytes += segment.bytes;
    progress_->bytes_done.store(bytes, std::memory_order_relaxed);
  }
  report->version = last_lsn_;
  return target_.Commit(next);
}

Status Backup::WhyNoNewSegment() const {
  if (source_.log->disk().full()) return source_.log->disk().Error();
  return Status::Error(Code::kBusy, "writes failed during a backup; try again");
}

// Unless there is nothing in the last one.
Status Backup::EndSegment() {
  uint64_t last_lsn = 0;
  source_.index->UnderAllLatches([&] {
    uint64_t group = 0;
    LogPosition end;
    source_.log->queue().Position(&group, &end);
    last_lsn = end.next_lsn - 1;
  });
  uint64_t closed = 0;
  uint64_t closed_lsn = 0;
  uint64_t open_lsn = 0;
  source_.segments->ForEach([&](const Segment* segment) {
    if (!segment->has_frames()) return;
    closed_lsn = open_lsn;
    open_lsn = segment->last_lsn.load(std::memory_order_acquire);
    closed++;
  });
  return closed > 1 && closed_lsn == last_lsn ? Status::Ok() : source_.log->EndSegment();
}

// All that the log has gone on behind, as of now; when this returns, that is durable.
Status Backup::ChooseSegments() {
  pins_ = source_.segments->PinAll();
  // Looked at once and from behind: what lies before a segment with frames takes no more of them.
  size_t open = pins_.size();
  while (open > 0 && !pins_[open - 1].get()->has_frames()) open--;
  if (open < 2 || !pins_[open - 1].get()->is_log()) return WhyNoNewSegment();
  open--;
  uint64_t group = 0;
  CRABKV_RETURN_IF_ERROR(source_.log->RequestDurable(&group));
  if (group != 0) CRABKV_RETURN_IF_ERROR(source_.log->WaitFor(group, true));
  CRABKV_RETURN_IF_ERROR(source_.log->failure());
  for (size_t i = 0; i < open; i++) {
    const Segment& segment = *pins_[i].get();
    if (!segment.has_frames()) continue;
    BackupSegment described;
    described.path = segment.path;
    described.name = segment.path.substr(segment.path.rfind('/') + 1);
    described.file = segment.file.get();
    described.salt = segment.salt;
    described.number = segment.number;
    described.is_log = segment.is_log();
    if (described.is_log) {
      CRABKV_RETURN_IF_ERROR(DescribeLog(segment, &described));
    } else {
      described.bytes = segment.compacted->bytes;
      described.unchanging = true;
    }
    segments_.push_back(std::move(described));
  }
  return NoteEnd(*pins_[open].get());
}

// A SEAL may be missing, or the zeros made ahead may be behind it, if the disk failed then.
Status Backup::DescribeLog(const Segment& segment, BackupSegment* described) const {
  uint64_t size = 0;
  uint64_t got = 0;
  char bytes[Trailer::kBytes];
  Trailer trailer;
  const uint64_t written = segment.written.load(std::memory_order_acquire);
  CRABKV_RETURN_IF_ERROR(segment.file->Size(&size));
  if (size >= written + Trailer::kBytes) {
    CRABKV_RETURN_IF_ERROR(segment.file->ReadAt(size - Trailer::kBytes, sizeof(bytes), bytes, &got));
    described->bytes = size;
    described->unchanging = DecodeTrailer(std::string_view(bytes, got), segment.salt, &trailer);
    if (described->unchanging) return Status::Ok();
  }
  FrameReader reader(segment.file.get(), segment.path, segment.salt, written, size);
  Frame frame;
  FrameReader::Result result;
  std::string why;
  CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
  const bool sealed = result == FrameReader::Result::kFrame && frame.header.type == FrameType::kSeal;
  described->bytes = sealed ? reader.offset() : written;
  return Status::Ok();
}

// START of the segment in which the log goes on says where it stood before.
Status Backup::NoteEnd(const Segment& open) {
  FrameReader reader(open.file.get(), open.path, open.salt, SegmentHeader::kBytes,
                     open.written.load(std::memory_order_acquire));
  Frame frame;
  FrameReader::Result result;
  std::string why = "the segment does not begin with a START frame";
  CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
  if (result != FrameReader::Result::kFrame || frame.header.type != FrameType::kStart) {
    return Status::Corruption(open.path, SegmentHeader::kBytes, why);
  }
  last_lsn_ = DecodeStart(frame.payload.data()).previous_last_lsn;
  last_crc_ = frame.header.previous_crc;
  return Status::Ok();
}

ManifestState Backup::NextManifest() const {
  ManifestState next = *source_.manifest;
  next.cut = LogCut();  // the opening made it
  next.clean = true;
  next.clean_last_lsn = last_lsn_;
  next.clean_last_crc = last_crc_;
  next.clock_ms = source_.clock->NowMs();
  next.is_backup = true;
  next.backup_wall_ms = std::max<uint64_t>(source_.env->WallMs(), 1);
  for (const BackupSegment& segment : segments_) {
    if (segment.is_log) next.logs.push_back({segment.number, segment.salt, segment.bytes});
  }
  return next;
}

}  // namespace crabkv
