// Recovery's first half: finding the segments and walking their frames. What follows from an unclean end is in
// recovery_rewrite.cc.
#include "native/core/recovery.h"

#include <algorithm>

#include "native/core/fingerprint.h"

namespace crabkv {

Status Recovery::Run(ManifestState* manifest, RecoveryResult* result) {
  manifest_ = manifest;
  if (!options_.read_only) CRABKV_RETURN_IF_ERROR(FinishInterruptedCut());
  CRABKV_RETURN_IF_ERROR(ListSegments());
  CRABKV_RETURN_IF_ERROR(Walk());
  CRABKV_RETURN_IF_ERROR(CheckCleanEnd());
  LowerHorizons();
  result->clean = manifest->clean;
  result->counts = counts_;
  result->clock_ms = clock_ms_;
  result->log.store_id = manifest->store_id;
  result->log.next_lsn = end_.lsn + 1;
  result->log.durable_lsn = durable_lsn_;
  if (!options_.read_only) {
    CRABKV_RETURN_IF_ERROR(CheckNumbersLeft(directory_, *manifest, end_.lsn, LastSegmentNumber()));
    CRABKV_RETURN_IF_ERROR(manifest->clean ? ResumeClean(result) : Rewrite(result));
    CRABKV_RETURN_IF_ERROR(RemoveVoid());
  }
  return AttachFiles();
}

// LSNs behind the log's end were undone, and are given out again: what will be deleted then is behind every horizon.
// The MANIFEST that is written before that keeps it so.
void Recovery::LowerHorizons() {
  for (CompactedSegment& compacted : manifest_->compacted) compacted.horizon = std::min(compacted.horizon, end_.lsn);
  for (LogFile& file : files_) {
    if (file.compacted != nullptr && file.segment != nullptr)
      file.segment->compacted = std::make_unique<CompactedSegment>(*file.compacted);
  }
}

// Hands the open files to the segments that readers will find.
Status Recovery::AttachFiles() {
  for (LogFile& file : files_) {
    if (file.segment == nullptr || file.file == nullptr) continue;
    uint64_t size = 0;
    CRABKV_RETURN_IF_ERROR(file.file->Size(&size));
    file.segment->file_bytes.store(size, std::memory_order_relaxed);
    file.segment->hint_bytes.store(file.hint_bytes, std::memory_order_relaxed);
    CRABKV_RETURN_IF_ERROR(AttachFile(file.segment, std::move(file.file)));
  }
  return Status::Ok();
}

Status Recovery::ListSegments() {
  std::vector<std::string> names;
  CRABKV_RETURN_IF_ERROR(env_->ListDirectory(directory_, &names));
  for (const std::string& name : names) {
    LogFile file;
    // Read-only openings can't finish an interrupted cut; they pass over what it voids.
    if (!ParseSegmentFileName(name, &file.number) || !manifest_->HasLog(file.number, &file.listed)) continue;
    file.path = directory_ + "/" + name;
    files_.push_back(std::move(file));
  }
  if (options_.read_only) CRABKV_RETURN_IF_ERROR(ListUnnamedCopy());
  std::sort(files_.begin(), files_.end(), [](const LogFile& a, const LogFile& b) { return a.number < b.number; });
  for (const ListedLog& listed : manifest_->logs) {
    if (std::any_of(files_.begin(), files_.end(), [&](const auto& file) { return file.listed == &listed; })) continue;
    return Status::Corruption(directory_ + "/" + SegmentFileName(listed.number), 0,
                              "is missing, but the MANIFEST lists it");
  }
  CRABKV_RETURN_IF_ERROR(PlaceCompacted());
  for (LogFile& file : files_) CRABKV_RETURN_IF_ERROR(OpenSegment(&file));
  return Status::Ok();
}

// An opening that died between its MANIFEST and the renaming of its copy left that under its temporary name. Only an
// opening for writing may rename it; the others read it where it is.
Status Recovery::ListUnnamedCopy() {
  LogFile file;
  file.number = manifest_->cut.next_segment;
  if (file.number == 0) return Status::Ok();
  for (const LogFile& named : files_) {
    if (named.number == file.number) return Status::Ok();
  }
  file.path = directory_ + "/" + SegmentFileName(file.number) + ".tmp";
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(file.path, &exists));
  if (exists) files_.push_back(std::move(file));
  return Status::Ok();
}

// Opens the file and checks that it is a segment of this store.
Status Recovery::OpenFile(LogFile* file) {
  const OpenMode mode = options_.read_only ? OpenMode::kRead : OpenMode::kReadWrite;
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(file->path, mode, &file->file));
  CRABKV_RETURN_IF_ERROR(file->file->Size(&file->size));
  char bytes[SegmentHeader::kBytes];
  uint64_t got = 0;
  CRABKV_RETURN_IF_ERROR(file->file->ReadAt(0, sizeof(bytes), bytes, &got));
  CRABKV_RETURN_IF_ERROR(DecodeSegmentHeader(std::string_view(bytes, got), file->path, &file->header));
  if (!(file->header.store_id == manifest_->store_id)) {
    return Status::Error(Code::kFormat, file->path + " belongs to another store");
  }
  return Status::Ok();
}

Status Recovery::OpenSegment(LogFile* file) {
  CRABKV_RETURN_IF_ERROR(OpenFile(file));
  if (file->compacted == nullptr && file->number == manifest_->cut.segment)
    file->size = std::min(file->size, manifest_->cut.offset);
  if (file->header.number != file->number) {
    return Status::Corruption(file->path, 24,
                              "the file is segment " + std::to_string(file->header.number) + " by its header");
  }
  if (file->compacted == nullptr) {
    if (file->header.kind != SegmentKind::kLog) return Status::Error(Code::kFormat, file->path + " is no log segment");
    if (file->listed == nullptr) return Status::Ok();
    if (file->header.salt != file->listed->salt || file->size < file->listed->bytes) {
      return Status::Corruption(file->path, 0, "is not the log segment that the MANIFEST lists");
    }
    file->size = file->listed->bytes;
    return Status::Ok();
  }
  const CompactedSegment& listed = *file->compacted;
  if (file->header.kind != SegmentKind::kCompacted || file->header.salt != listed.salt || file->size != listed.bytes) {
    return Status::Corruption(file->path, 0, "is not the compacted segment that the MANIFEST lists");
  }
  return Status::Ok();
}

Status Recovery::Walk() {
  for (;;) {
    bool hint_damaged = false;
    BeginWalk();
    CRABKV_RETURN_IF_ERROR(TakeSegments(&hint_damaged));
    if (!hint_damaged) return Status::Ok();
  }
}

void Recovery::BeginWalk() {
  durable_lsn_ = std::max(manifest_->epoch_first_lsn - 1, manifest_->compacted_lsn());
  if (manifest_->clean) durable_lsn_ = std::max(durable_lsn_, manifest_->clean_last_lsn);
  clock_ms_ = manifest_->clock_ms;
  end_ = Place();
  last_type_ = FrameType::kStart;
  epoch_ = 0;
  durable_ = Place();
  unproven_.clear();
  counts_ = OpenCounts();
  progress_ = OpenProgress();
  for (const LogFile& file : files_) progress_.bytes_total += file.size;
}

// `bytes` more of the files are done with, in which there were so many records.
void Recovery::TellProgress(uint64_t bytes, uint64_t records) {
  constexpr uint64_t kNsInMs = 1'000'000;
  constexpr uint64_t kStepBytes = 1 << 20;  // as long as a look at the clock is worth while
  const uint64_t steps = progress_.bytes_done / kStepBytes;
  progress_.bytes_done += bytes;
  progress_.records += records;
  if (on_progress_ == nullptr || progress_.bytes_done / kStepBytes == steps) return;
  const uint64_t now_ns = env_->MonotonicNs();
  if (now_ns - began_ns_ < kOpenProgressAfterMs * kNsInMs || now_ns - told_ns_ < kOpenProgressEveryMs * kNsInMs) return;
  told_ns_ = now_ns;
  on_progress_(progress_);
}

// By their hints where they have some. Before a segment is read the index must be as the ones before it left it.
Status Recovery::TakeSegments(bool* hint_damaged) {
  bool ended = false;
  for (size_t i = 0; i < files_.size() && !ended; i++) {
    if (files_[i].compacted != nullptr) CRABKV_RETURN_IF_ERROR(CheckCompactedStart(i));
    HintUse use = HintUse::kMissing;
    CRABKV_RETURN_IF_ERROR(TakeByHint(i, &use));
    if (use != HintUse::kTaken) {
      *hint_damaged = !LoadHints();
      if (*hint_damaged) return Status::Ok();
      CRABKV_RETURN_IF_ERROR(ReadSegment(i, use, &ended));
    }
    if (files_[i].compacted != nullptr) PassCompacted(i);
  }
  *hint_damaged = !LoadHints();
  FinishReplay();
  return ended || *hint_damaged ? Status::Ok() : CheckEnd("the log ends here");
}

Status Recovery::ReadSegment(size_t index, HintUse why, bool* ended) {
  const uint64_t began_ns = env_->MonotonicNs();
  read_bytes_ = 0;
  CRABKV_RETURN_IF_ERROR(files_[index].compacted == nullptr ? WalkSegment(index, ended) : WalkCompacted(index));
  counts_.read_ns += env_->MonotonicNs() - began_ns;
  if (files_[index].segment != nullptr) {
    counts_.segments++;
    if (why == HintUse::kMissing) counts_.hints_missing++;
    if (why == HintUse::kWrong) counts_.hints_wrong++;
    if (why == HintUse::kUnproven) counts_.hints_unproven++;
  }
  TellProgress(files_[index].size - std::min(files_[index].size, read_bytes_), 0);
  return Status::Ok();
}

void Recovery::FinishReplay() {
  const uint64_t began_ns = env_->MonotonicNs();
  replay_.Finish();
  counts_.read_ns += env_->MonotonicNs() - began_ns;
}

Status Recovery::AddSegment(LogFile* file) {
  file->behind = end_;
  uint64_t capacity = PadTo8(std::max<uint64_t>(file->size, 8));
  if (file->compacted == nullptr) capacity = std::max(capacity, StandardSegmentCapacity(options_));
  file->segment = segments_->Add(std::make_unique<Segment>(file->number, file->header.salt, capacity, file->path));
  return file->segment == nullptr ? Status::Error(Code::kTooLarge, "more segments than a store may have")
                                  : Status::Ok();
}

// Takes the segment's frames; `*ended` when the log ends in it or before it.
Status Recovery::WalkSegment(size_t index, bool* ended) {
  LogFile& file = files_[index];
  FrameReader reader(file.file.get(), file.path, file.header.salt, SegmentHeader::kBytes, file.size);
  std::string why;
  for (;;) {
    Frame frame;
    FrameReader::Result result;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
    const bool first = frame.offset == SegmentHeader::kBytes;
    if (result == FrameReader::Result::kFrame && first != (frame.header.type == FrameType::kStart)) {
      result = FrameReader::Result::kBad;
      why = first ? "the segment does not begin with a START frame" : "a START frame in the middle of a segment";
    }
    if (result == FrameReader::Result::kFrame && Continues(frame, &why)) {
      if (file.segment == nullptr) CRABKV_RETURN_IF_ERROR(AddSegment(&file));
      end_.file = index;
      CRABKV_RETURN_IF_ERROR(TakeFrame(&file, frame));
      if (frame.header.type != FrameType::kSeal) continue;
      return Status::Ok();
    }
    if (result == FrameReader::Result::kEnd) why = "the log ends here";
    // Nothing of this segment: the log ended in the one before, or this one was made ahead. Else it may go on in the
    // next.
    bool starts = false;
    if (index + 1 < files_.size() && files_[index + 1].compacted != nullptr) {
      // What the log has behind a compacted segment was durable: see CompactedSegment::min_lsn.
      starts = end_.lsn + 1 == files_[index + 1].compacted->min_lsn;
    } else if (index + 1 < files_.size() && end_.file == index && end_.offset != 0) {
      CRABKV_RETURN_IF_ERROR(StartsAfterWalk(index + 1, &starts));
    }
    if (starts) return Status::Ok();
    *ended = true;
    return CheckEnd(why);
  }
}

// Whether the segment's first frame says that it continues the log where the walk stands.
Status Recovery::StartsAfterWalk(size_t index, bool* starts) {
  LogFile& file = files_[index];
  FrameReader reader(file.file.get(), file.path, file.header.salt, SegmentHeader::kBytes, file.size);
  Frame frame;
  FrameReader::Result result;
  std::string why;
  CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
  *starts = result == FrameReader::Result::kFrame && frame.header.type == FrameType::kStart && Continues(frame, &why);
  return Status::Ok();
}

bool Recovery::Continues(const Frame& frame, std::string* why) const {
  const FrameHeader& header = frame.header;
  if (const char* misplaced = WhyMisplaced(header.type, SegmentKind::kLog); misplaced != nullptr) {
    *why = misplaced;
    return false;
  }
  *why = "a frame before this one is missing";
  if (header.previous_crc != end_.crc || header.epoch < epoch_) return false;
  if (header.type == FrameType::kStart) {
    const StartPayload start = DecodeStart(frame.payload.data());
    if (end_.offset == 0) return start.previous_number == 0;
    const StartPayload expected = StartBehind(end_);
    return start.previous_number == expected.previous_number && start.previous_salt == expected.previous_salt &&
           start.previous_last_lsn == expected.previous_last_lsn;
  }
  if (header.count == 0) return header.base_lsn > end_.lsn;
  const bool skips = (header.flags & kFrameSkipsLsns) != 0;
  return header.base_lsn == end_.lsn + 1 || (skips && header.base_lsn > end_.lsn + 1);
}

Status Recovery::TakeFrame(LogFile* file, const Frame& frame) {
  const FrameHeader& header = frame.header;
  if (header.epoch > manifest_->epoch) {
    return Status::Corruption(file->path, frame.offset,
                              "a frame of epoch " + std::to_string(header.epoch) + ", but the MANIFEST knows only " +
                                  std::to_string(manifest_->epoch));
  }
  epoch_ = header.epoch;
  clock_ms_ = std::max(clock_ms_, header.clock_ms);
  durable_lsn_ = std::max(durable_lsn_, header.durable_lsn);
  last_type_ = header.type;
  end_.offset = frame.offset + header.frame_bytes();
  end_.crc = header.crc;
  if (header.count != 0) {
    end_.lsn = header.last_lsn();
    unproven_.push_back(end_);
    ApplyRecords(*file, frame);
    file->segment->last_lsn.store(end_.lsn, std::memory_order_relaxed);
  }
  file->segment->written.store(end_.offset, std::memory_order_relaxed);
  PassProven();
  return Status::Ok();
}

void Recovery::PassProven() {
  while (!unproven_.empty() && unproven_.front().lsn <= durable_lsn_) {
    durable_ = unproven_.front();
    unproven_.pop_front();
  }
}

void Recovery::ApplyRecords(const LogFile& file, const Frame& frame) {
  ForEachRecord(frame.payload, [&](const RecordHeader& record, uint64_t at) {
    const std::string_view key = frame.payload.substr(at + RecordHeader::kBytes, record.key_bytes);
    file.segment->counts.Count(record);
    Location location;
    if (record.type == RecordType::kPut) {
      location =
          Location::Make(file.segment->handle, frame.offset + FrameHeader::kBytes + at, record.record_bytes(), false);
    }
    replay_.Add(HashKey(manifest_->hash_seed, key), record.type, location, record.expires_at_ms);
  });
  counts_.records += frame.header.count;
  read_bytes_ += frame.header.frame_bytes();
  TellProgress(frame.header.frame_bytes(), frame.header.count);
}

// Searches everything behind the walk's end for a valid frame header that `accept`s.
Status Recovery::FindBehindEnd(bool (*accept)(const FrameHeader&, uint64_t), uint64_t argument, bool* found,
                               std::string* where) {
  *found = false;
  for (size_t i = end_.file; i < files_.size() && !*found; i++) {
    LogFile& file = files_[i];
    uint64_t size = 0;
    CRABKV_RETURN_IF_ERROR(file.file->Size(&size));
    if (file.compacted == nullptr && file.number == manifest_->cut.segment)
      size = std::min(size, manifest_->cut.offset);
    const uint64_t from = i == end_.file && end_.offset != 0 ? end_.offset : SegmentHeader::kBytes;
    uint64_t at = 0;
    CRABKV_RETURN_IF_ERROR(FindFrameHeader(
        file.file.get(), file.header.salt, from, size, [&](const FrameHeader& h) { return accept(h, argument); }, found,
        &at));
    if (*found) *where = file.path + " at offset " + std::to_string(at);
  }
  return Status::Ok();
}

// The walk stopped: is that the end of the log, or is something proven durable missing?
Status Recovery::CheckEnd(const std::string& why) {
  const uint64_t missing = end_.lsn + 1;
  const std::string path = files_.empty() ? directory_ : files_[end_.file].path;
  const uint64_t offset = std::max(end_.offset, SegmentHeader::kBytes);
  if (durable_lsn_ >= missing) {
    return Status::Corruption(path, offset,
                              why + "; records up to " + std::to_string(durable_lsn_) + " were durable, and " +
                                  std::to_string(missing) + " is missing");
  }
  bool found = false;
  std::string where;
  CRABKV_RETURN_IF_ERROR(FindBehindEnd(
      [](const FrameHeader& header, uint64_t lsn) { return header.durable_lsn >= lsn; }, missing, &found, &where));
  if (!found) return Status::Ok();
  return Status::Corruption(path, offset,
                            why + "; " + where + " proves that record " + std::to_string(missing) + " was durable");
}

Status Recovery::CheckCleanEnd() {
  if (!manifest_->clean) return Status::Ok();
  if (end_.lsn == manifest_->clean_last_lsn && end_.crc == manifest_->clean_last_crc) return Status::Ok();
  const std::string path = files_.empty() ? directory_ : files_[end_.file].path;
  return Status::Corruption(path, std::max(end_.offset, SegmentHeader::kBytes),
                            "the store was closed cleanly, but the log does not end as it did then");
}

}  // namespace crabkv
