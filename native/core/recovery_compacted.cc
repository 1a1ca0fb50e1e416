// Recovery's part about compacted segments: which files the MANIFEST voids, where compacted segments stand among those
// of the log, and reading them. Everything in them was durable before the MANIFEST listed them, so whatever fails a
// check is damage.
#include <algorithm>

#include "native/core/recovery.h"

namespace crabkv {

// What a compaction left that was given up, or ended before it had removed its inputs. REQUIRES: the MANIFEST has been
// written anew: the one that was found may be in the page cache only, and a power cut bring back one that lists what is
// removed here.
Status Recovery::RemoveVoid() {
  std::vector<std::string> names;
  CRABKV_RETURN_IF_ERROR(env_->ListDirectory(directory_, &names));
  for (const std::string& name : names) {
    RemoveHint(name);
    uint64_t number = 0;
    bool is_void = ParseSegmentFileName(name, &number) && manifest_->Covers(number);
    if (ParseCompactedFileName(name, &number)) {
      const auto& listed = manifest_->compacted;
      is_void =
          std::none_of(listed.begin(), listed.end(), [&](const auto& segment) { return segment.number == number; });
    }
    if (!is_void) continue;
    // A file of that name which is not ours is refused, as everywhere, rather than removed; a damaged one nobody
    // misses.
    LogFile file;
    file.path = directory_ + "/" + name;
    if (const Status opened = OpenFile(&file); !opened.ok() && !opened.Is(Code::kCorruption)) return opened;
    file.file.reset();
    CRABKV_RETURN_IF_ERROR(env_->Remove(file.path));
  }
  return Status::Ok();
}

// REQUIRES: files_ has the log segments, by number.
Status Recovery::PlaceCompacted() {
  for (const CompactedSegment& listed : manifest_->compacted) {
    LogFile file;
    file.number = listed.number;
    file.path = directory_ + "/" + CompactedFileName(listed.number);
    file.compacted = &listed;
    bool exists = false;
    CRABKV_RETURN_IF_ERROR(env_->Exists(file.path, &exists));
    if (!exists) return Status::Corruption(file.path, 0, "is missing, but the MANIFEST lists it");
    // Those of one span of log segments are listed in their order.
    const auto behind = std::find_if(files_.begin(), files_.end(), [&](const LogFile& other) {
      return other.compacted == nullptr && other.number > listed.last_log;
    });
    files_.insert(behind, std::move(file));
  }
  return Status::Ok();
}

Status Recovery::CheckCompactedStart(size_t index) const {
  const LogFile& file = files_[index];
  const uint64_t min_lsn = file.compacted->min_lsn;
  if (end_.lsn + 1 == min_lsn) return Status::Ok();
  return Status::Corruption(
      file.path, 0,
      "begins with LSN " + std::to_string(min_lsn) + ", but what is before it ends with " + std::to_string(end_.lsn));
}

Status Recovery::WalkCompacted(size_t index) {
  LogFile& file = files_[index];
  CRABKV_RETURN_IF_ERROR(AddSegment(&file));
  FrameReader reader(file.file.get(), file.path, file.header.salt, SegmentHeader::kBytes, file.size);
  for (FrameType last = FrameType::kBlock; last != FrameType::kSeal;) {
    Frame frame;
    FrameReader::Result result;
    std::string why = "the segment ends without a SEAL";
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
    if (result != FrameReader::Result::kFrame) return Status::Corruption(file.path, reader.offset(), why);
    last = frame.header.type;
    if (const char* misplaced = WhyMisplaced(last, SegmentKind::kCompacted); misplaced != nullptr) {
      return Status::Corruption(file.path, frame.offset, misplaced);
    }
    if (frame.header.count != 0) ApplyRecords(file, frame);
  }
  return Status::Ok();
}

// The walk stands behind it.
void Recovery::PassCompacted(size_t index) {
  const LogFile& file = files_[index];
  const CompactedSegment& listed = *file.compacted;
  file.segment->compacted = std::make_unique<CompactedSegment>(listed);
  file.segment->written.store(file.size, std::memory_order_relaxed);
  file.segment->last_lsn.store(listed.max_lsn, std::memory_order_relaxed);
  end_ = {index, file.size, listed.max_lsn, listed.last_log_crc};
  epoch_ = listed.last_log_epoch;
  last_type_ = FrameType::kSeal;
  durable_ = end_;
  unproven_.clear();
}

}  // namespace crabkv
