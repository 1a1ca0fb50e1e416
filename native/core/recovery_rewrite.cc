// Recovery's second half: where the log goes on. After a clean end that is behind its last frame. After any other, in a
// new segment: what is not proven durable is copied there, LSNs kept, and synced; one rewriting of the MANIFEST then
// makes the cut, and only after it the old files are shortened or removed. A crash anywhere in between leaves one of
// the two states.
#include "native/core/recovery.h"

#include <algorithm>

#include "native/core/crc32c.h"

namespace crabkv {

// A segment under a temporary name that receives copied frames.
class SegmentCopy {
 public:
  SegmentCopy(Env* env, const std::string& directory, const SegmentHeader& header)
      : env_(env), header_(header), path_(directory + "/" + SegmentFileName(header.number)) {}

  Status Begin(const StartPayload& start, uint32_t previous_crc, uint32_t epoch, uint64_t durable_lsn,
               uint64_t clock_ms);
  // Appends the frame with new salt, chain and epoch; `moved(record, from, to)` gets payload and file offsets of each
  // record.
  template <typename Moved>
  Status Append(const Frame& frame, Moved moved);
  Status Finish() { return file_->Sync(); }
  std::string temporary_path() const { return path_ + ".tmp"; }
  const std::string& path() const { return path_; }
  uint64_t offset() const { return offset_; }
  uint32_t previous_crc() const { return previous_crc_; }
  uint64_t last_lsn() const { return last_lsn_; }

 private:
  Status Write(FrameHeader* header);

  Env* const env_;
  const SegmentHeader header_;
  const std::string path_;
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
  uint32_t previous_crc_ = 0;
  uint64_t last_lsn_ = 0;  // of the last record copied, or before them
  uint32_t epoch_ = 0;
  uint64_t durable_lsn_ = 0;
  std::string frame_;  // scratch: the frame being written
};

Status SegmentCopy::Begin(const StartPayload& start, uint32_t previous_crc, uint32_t epoch, uint64_t durable_lsn,
                          uint64_t clock_ms) {
  bool leftover = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(temporary_path(), &leftover));
  if (leftover) CRABKV_RETURN_IF_ERROR(env_->Remove(temporary_path()));
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(temporary_path(), OpenMode::kCreate, &file_));
  char bytes[SegmentHeader::kBytes];
  EncodeSegmentHeader(header_, bytes);
  CRABKV_RETURN_IF_ERROR(file_->WriteAt(0, std::string_view(bytes, sizeof(bytes))));
  offset_ = SegmentHeader::kBytes;
  previous_crc_ = previous_crc;
  last_lsn_ = start.previous_last_lsn;
  epoch_ = epoch;
  durable_lsn_ = durable_lsn;
  frame_.assign(FrameHeader::kBytes + StartPayload::kBytes, '\0');
  EncodeStart(start, &frame_[FrameHeader::kBytes]);
  FrameHeader frame;
  frame.type = FrameType::kStart;
  frame.payload_bytes = StartPayload::kBytes;
  frame.base_lsn = start.previous_last_lsn + 1;
  frame.clock_ms = clock_ms;
  frame.payload_crc = Crc32c(frame_.data() + FrameHeader::kBytes, StartPayload::kBytes);
  return Write(&frame);
}

Status SegmentCopy::Write(FrameHeader* header) {
  header->epoch = epoch_;
  header->durable_lsn = durable_lsn_;
  header->previous_crc = previous_crc_;
  EncodeFrameHeader(header_.salt, header, &frame_[0]);
  CRABKV_RETURN_IF_ERROR(file_->WriteAt(offset_, frame_));
  offset_ += frame_.size();
  previous_crc_ = header->crc;
  return Status::Ok();
}

template <typename Moved>
Status SegmentCopy::Append(const Frame& frame, Moved moved) {
  FrameHeader header = frame.header;
  frame_.assign(FrameHeader::kBytes, '\0');
  frame_.append(frame.payload);
  uint32_t crc = 0;
  ForEachRecord(frame.payload, [&](const RecordHeader& old, uint64_t at) {
    RecordHeader record = old;
    const std::string_view key = frame.payload.substr(at + RecordHeader::kBytes, record.key_bytes);
    const std::string_view value =
        frame.payload.substr(at + RecordHeader::kBytes + record.key_bytes, record.stored_bytes);
    record.crc = FinishRecordCrc(RecordBodyCrc(record, key, value), record.lsn, header_.salt);
    EncodeRecord(record, key, value, &frame_[FrameHeader::kBytes + at]);
    crc = Crc32cExtend(crc, &frame_[FrameHeader::kBytes + at], 4);
    moved(record, key, frame.offset + FrameHeader::kBytes + at, offset_ + FrameHeader::kBytes + at);
  });
  header.payload_crc = crc;
  last_lsn_ = header.last_lsn();
  return Write(&header);
}

Status Recovery::ResumeClean(RecoveryResult* result) {
  result->log.durable_lsn = end_.lsn;
  CRABKV_RETURN_IF_ERROR(RemoveUnused());
  FrameAppender::End& end = result->log.end;
  end.previous_crc = end_.crc;
  uint64_t number = LastSegmentNumber() + 1;
  if (end_.offset != 0 && last_type_ != FrameType::kSeal) {
    LogFile& last = files_[end_.file];
    end.segment = last.segment;
    end.offset = end_.offset;
    end.started = true;
    CRABKV_RETURN_IF_ERROR(last.file->Truncate(end_.offset));
    last.hint_bytes = 0;  // of what the segment was before
  } else {
    // A new store, or one whose last segment is sealed.
    LogFile made;
    CRABKV_RETURN_IF_ERROR(NewSegment(number++, StandardSegmentCapacity(options_), &made));
    end.segment = made.segment;
    end.offset = SegmentHeader::kBytes;
    if (end_.offset != 0) end.start = StartBehind(end_);
    files_.push_back(std::move(made));
  }
  result->log.next_segment_number = number;
  CRABKV_RETURN_IF_ERROR(CommitEpoch(LogCut()));
  result->log.epoch = manifest_->epoch;
  return Status::Ok();
}

// A backup may share the file that is to be cut: then all that the log has in it is copied, and it loses its name here.
Status Recovery::CutBeforeShared() {
  if (durable_.offset == 0 || files_[durable_.file].compacted != nullptr) return Status::Ok();
  uint64_t links = 0;
  CRABKV_RETURN_IF_ERROR(files_[durable_.file].file->Links(&links));
  if (links > 1) durable_ = files_[durable_.file].behind;
  return Status::Ok();
}

Status Recovery::Rewrite(RecoveryResult* result) {
  CRABKV_RETURN_IF_ERROR(SetAsideBehindEnd());
  const Place proven = durable_;
  CRABKV_RETURN_IF_ERROR(CutBeforeShared());
  SegmentHeader header;
  header.number = LastSegmentNumber() + 1;
  header.store_id = manifest_->store_id;
  header.salt = env_->Random64();
  LogCut cut;
  StartPayload start;
  if (durable_.offset != 0) {
    start = StartBehind(durable_);
    cut.segment = start.previous_number;
    // Behind a compacted segment the cut shortens no file, and nor does one between two segments.
    const LogFile& last = files_[durable_.file];
    if (last.compacted == nullptr) cut.offset = durable_.file == proven.file ? durable_.offset : last.size;
  }
  cut.next_segment = header.number;

  SegmentCopy copy(env_, directory_, header);
  CRABKV_RETURN_IF_ERROR(copy.Begin(start, durable_.crc, manifest_->epoch + 1, durable_.lsn, clock_ms_));
  // Copied records get their new place in a segment that is as large as they need.
  uint64_t tail_bytes = 0;
  for (size_t i = durable_.file; i <= end_.file && i < files_.size(); i++) {
    if (files_[i].compacted == nullptr) tail_bytes += files_[i].size;
  }
  if (tail_bytes + StandardSegmentCapacity(options_) > Location::kOffsetMax) {
    return Status::Error(Code::kTooLarge,
                         "the log's last " + std::to_string(tail_bytes) +
                             " bytes are not known to be durable, and no segment can take as many; the store can be "
                             "read, and repaired into another directory");
  }
  auto segment = std::make_unique<Segment>(header.number, header.salt,
                                           PadTo8(tail_bytes) + StandardSegmentCapacity(options_), copy.path());
  LogFile made;
  made.number = header.number;
  made.header = header;
  made.segment = segments_->Add(std::move(segment));
  if (made.segment == nullptr) return Status::Error(Code::kTooLarge, "more segments than a store may have");
  copy_segment_ = made.segment;
  for (size_t i = durable_.file; i <= end_.file && i < files_.size(); i++) {
    if (files_[i].compacted != nullptr) continue;
    const uint64_t begin = i == durable_.file && durable_.offset != 0 ? durable_.offset : SegmentHeader::kBytes;
    const uint64_t end = i == end_.file ? end_.offset : files_[i].size;
    CRABKV_RETURN_IF_ERROR(RewriteFrames(&files_[i], begin, end, &copy));
  }
  // Each frame was valid when the walk read it, so what is missing now was not read the same again.
  if (copy.last_lsn() != end_.lsn) {
    return Status::Corruption(files_[end_.file].path, end_.offset,
                              "reading the log again found less of it: record " + std::to_string(copy.last_lsn() + 1) +
                                  " is gone, and the walk had seen up to " + std::to_string(end_.lsn));
  }
  CRABKV_RETURN_IF_ERROR(copy.Finish());
  CRABKV_RETURN_IF_ERROR(env_->SyncDirectory(directory_));
  CRABKV_RETURN_IF_ERROR(CommitEpoch(cut));
  CRABKV_RETURN_IF_ERROR(env_->Rename(copy.temporary_path(), copy.path()));
  CRABKV_RETURN_IF_ERROR(env_->SyncDirectory(directory_));
  CRABKV_RETURN_IF_ERROR(ApplyCut(cut, false));
  ForgetBehind(durable_);

  made.segment->written.store(copy.offset(), std::memory_order_relaxed);
  made.segment->file_bytes.store(copy.offset(), std::memory_order_relaxed);
  made.segment->last_lsn.store(end_.lsn, std::memory_order_relaxed);
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(copy.path(), OpenMode::kReadWrite, &made.file));
  result->rewritten_bytes = copy.offset();
  result->log.durable_lsn = end_.lsn;
  result->log.epoch = manifest_->epoch;
  result->log.next_segment_number = header.number + 1;
  result->log.end = {made.segment, copy.offset(), true, StartPayload(), copy.previous_crc()};
  files_.push_back(std::move(made));
  return Status::Ok();
}

// Nothing points behind the cut any more, and what lay there is gone.
void Recovery::ForgetBehind(const Place& place) {
  for (size_t i = place.file; i < files_.size(); i++) {
    LogFile& file = files_[i];
    const uint64_t kept = i == place.file ? place.offset : 0;
    if (file.segment != nullptr) {
      file.segment->written.store(kept, std::memory_order_relaxed);
      file.segment->last_lsn.store(i == place.file ? place.lsn : 0, std::memory_order_relaxed);
    }
    if (kept == 0) file.file.reset();
    if (kept != file.size) file.hint_bytes = 0;
  }
}

// Copies the frames with records in [begin, end) of a segment.
Status Recovery::RewriteFrames(LogFile* from, uint64_t begin, uint64_t end, SegmentCopy* copy) {
  FrameReader reader(from->file.get(), from->path, from->header.salt, begin, std::min(end, from->size));
  for (;;) {
    Frame frame;
    FrameReader::Result read;
    std::string why;
    CRABKV_RETURN_IF_ERROR(reader.Next(&read, &frame, &why));
    if (read != FrameReader::Result::kFrame) return Status::Ok();  // the trailer, or space made ahead
    if (frame.header.count == 0) continue;
    const bool skips = (frame.header.flags & kFrameSkipsLsns) != 0;
    if (frame.header.base_lsn != copy->last_lsn() + 1 && !(skips && frame.header.base_lsn > copy->last_lsn())) {
      return Status::Corruption(from->path, frame.offset, "reading the log again, the frame before this one is gone");
    }
    CRABKV_RETURN_IF_ERROR(copy->Append(
        frame, [&](const RecordHeader& record, std::string_view key, uint64_t old_offset, uint64_t new_offset) {
          copy_segment_->counts.Count(record);
          if (record.type != RecordType::kPut) return;
          index_->Move(HashKey(manifest_->hash_seed, key),
                       Location::Make(from->segment->handle, old_offset, record.record_bytes(), false),
                       Location::Make(copy_segment_->handle, new_offset, record.record_bytes(), false));
        }));
  }
}

Status Recovery::NewSegment(uint64_t number, uint64_t capacity, LogFile* made) {
  made->number = number;
  made->header.number = number;
  made->header.store_id = manifest_->store_id;
  made->header.salt = env_->Random64();
  made->path = directory_ + "/" + SegmentFileName(number);
  CRABKV_RETURN_IF_ERROR(CreateSegmentFile(env_, directory_, made->header, &made->file));
  made->segment = segments_->Add(std::make_unique<Segment>(number, made->header.salt, capacity, made->path));
  if (made->segment == nullptr) return Status::Error(Code::kTooLarge, "more segments than a store may have");
  return Status::Ok();
}

// What a segment that goes on at this place says in its START.
StartPayload Recovery::StartBehind(const Place& place) const {
  const LogFile& file = files_[place.file];
  if (file.compacted == nullptr) return {file.number, file.header.salt, place.lsn};
  return {file.compacted->last_log, file.compacted->last_log_salt, place.lsn};
}

uint64_t Recovery::LastSegmentNumber() const {
  uint64_t last = 0;
  for (const LogFile& file : files_) {
    last = std::max(last, file.compacted == nullptr ? file.number : file.compacted->last_log);
  }
  return last;
}

Status Recovery::CommitEpoch(const LogCut& cut) {
  manifest_->epoch++;
  manifest_->epoch_first_lsn = end_.lsn + 1;
  manifest_->cut = cut;
  manifest_->clean = false;
  manifest_->clock_ms = clock_ms_;
  return Manifest::Write(env_, directory_, *manifest_);
}

// Segments made ahead that the log never reached.
Status Recovery::RemoveUnused() {
  while (!files_.empty() && files_.back().segment == nullptr) {
    files_.back().file.reset();
    CRABKV_RETURN_IF_ERROR(env_->Remove(files_.back().path));
    files_.pop_back();
  }
  return Status::Ok();
}

// Frames behind the end that the log does not vouch for are kept for a person to look at, under names that nothing
// reads.
Status Recovery::SetAsideBehindEnd() {
  bool found = false;
  std::string where;
  CRABKV_RETURN_IF_ERROR(FindBehindEnd([](const FrameHeader&, uint64_t) { return true; }, 0, &found, &where));
  for (size_t i = end_.file; found && i < files_.size(); i++) {
    const uint64_t from = i == end_.file && end_.offset != 0 ? end_.offset : SegmentHeader::kBytes;
    CRABKV_RETURN_IF_ERROR(SetAsideTail(files_[i], from));
  }
  return Status::Ok();
}

// Copies the tail rather than renaming the file: until the MANIFEST is written, this opening has changed nothing.
Status Recovery::SetAsideTail(const LogFile& file, uint64_t offset) {
  constexpr uint64_t kPiece = 1 << 20;
  const std::string path = file.path + ".cut-" + std::to_string(manifest_->epoch);
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(path, &exists));
  if (exists) CRABKV_RETURN_IF_ERROR(env_->Remove(path));
  std::unique_ptr<File> aside;
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(path, OpenMode::kCreate, &aside));
  std::string piece(kPiece, '\0');
  for (uint64_t at = offset; at < file.size; at += kPiece) {
    uint64_t got = 0;
    CRABKV_RETURN_IF_ERROR(file.file->ReadAt(at, std::min(kPiece, file.size - at), &piece[0], &got));
    CRABKV_RETURN_IF_ERROR(aside->WriteAt(at - offset, std::string_view(piece.data(), got)));
  }
  return aside->Sync();
}

// Makes the files agree with the cut that the MANIFEST tells of. `again`: an earlier opening may have got this far and
// ended with a failed sync; then what it did is seen, but will not reach the disk unless it is done anew.
Status Recovery::ApplyCut(const LogCut& cut, bool again) {
  for (uint64_t number = cut.segment + 1; number < cut.next_segment; number++) {
    const std::string path = directory_ + "/" + SegmentFileName(number);
    bool exists = false;
    CRABKV_RETURN_IF_ERROR(env_->Exists(path, &exists));
    if (!exists && !again) continue;
    std::unique_ptr<File> created;
    if (!exists) CRABKV_RETURN_IF_ERROR(env_->OpenFile(path, OpenMode::kCreate, &created));
    created.reset();
    CRABKV_RETURN_IF_ERROR(env_->Remove(path));
  }
  if (cut.segment != 0) CRABKV_RETURN_IF_ERROR(CutSegment(cut, again));
  return env_->SyncDirectory(directory_);
}

Status Recovery::CutSegment(const LogCut& cut, bool again) {
  if (cut.offset == 0) return Status::Ok();
  std::unique_ptr<File> file;
  uint64_t size = 0;
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(directory_ + "/" + SegmentFileName(cut.segment), OpenMode::kReadWrite, &file));
  CRABKV_RETURN_IF_ERROR(file->Size(&size));
  uint64_t links = 0;
  CRABKV_RETURN_IF_ERROR(file->Links(&links));
  // With a second name it was whole when the cut was made, and must stay as it is.
  if (links > 1 || (size <= cut.offset && !again)) return Status::Ok();
  if (size <= cut.offset) CRABKV_RETURN_IF_ERROR(file->WriteAt(cut.offset, std::string(8, '\0')));
  CRABKV_RETURN_IF_ERROR(file->Truncate(cut.offset));
  return file->Sync();
}

// A crash or a failure after the MANIFEST was written and before its cut was applied: the copy may still have its
// temporary name.
Status Recovery::FinishInterruptedCut() {
  const LogCut& cut = manifest_->cut;
  if (cut.next_segment == 0 || manifest_->clean) return Status::Ok();
  const std::string path = directory_ + "/" + SegmentFileName(cut.next_segment);
  const std::string temporary = path + ".tmp";
  bool renamed = false;
  bool copied = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(path, &renamed));
  CRABKV_RETURN_IF_ERROR(env_->Exists(temporary, &copied));
  // The directory's sync may have been what failed: the MANIFEST that decides is made durable before files follow it,
  // and the copy gets its name anew.
  CRABKV_RETURN_IF_ERROR(Manifest::Write(env_, directory_, *manifest_));
  if (renamed) CRABKV_RETURN_IF_ERROR(env_->Rename(path, temporary));
  if (renamed || copied) {
    CRABKV_RETURN_IF_ERROR(env_->Rename(temporary, path));
    CRABKV_RETURN_IF_ERROR(env_->SyncDirectory(directory_));
  }
  return ApplyCut(cut, true);
}

}  // namespace crabkv
