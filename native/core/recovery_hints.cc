// Recovery's part about hints: taking a segment without reading its records, where its hint vouches for them. A hint
// decides nothing: what is proven durable, where the log goes on and whether it is whole comes from the first and the
// last frame of the segment, and what can't be decided by these is left to reading it.
#include <algorithm>

#include "native/core/recovery.h"

namespace crabkv {

namespace {
// The one frame at `offset`, if there is a valid one.
bool ReadFrame(FrameReader* reader, Frame* frame) {
  FrameReader::Result result;
  std::string why;
  return reader->Next(&result, frame, &why).ok() && result == FrameReader::Result::kFrame;
}
}  // namespace

// Every START names an LSN that was durable when it was written, whether or not the walk gets there: the search behind
// the log's end takes any valid frame's word for it, too.
uint64_t Recovery::ProvenLsn() {
  if (proven_lsn_ != 0) return proven_lsn_;
  proven_lsn_ = durable_lsn_;
  for (const LogFile& file : files_) {
    if (file.compacted != nullptr) continue;
    FrameReader reader(file.file.get(), file.path, file.header.salt, SegmentHeader::kBytes, file.size);
    Frame frame;
    if (ReadFrame(&reader, &frame)) proven_lsn_ = std::max(proven_lsn_, frame.header.durable_lsn);
  }
  return proven_lsn_;
}

// Whether the segment begins where the walk stands, ends as the hint says, and is durable as a whole: what is not may
// have to be written again, record by record.
bool Recovery::HintFits(const LogFile& file, const SegmentSummary& summary, bool* unproven) {
  if (summary.segment_bytes() != file.size || summary.last_frame_offset < SegmentHeader::kBytes) return false;
  FrameReader ends(file.file.get(), file.path, file.header.salt, summary.last_frame_offset, summary.end_offset);
  Frame last;
  if (!ReadFrame(&ends, &last) || ends.offset() != summary.end_offset || last.header.crc != summary.last_crc ||
      last.header.type != summary.last_type || last.header.epoch != summary.epoch) {
    return false;
  }
  if (file.compacted != nullptr) return summary.last_type == FrameType::kSeal;
  FrameReader starts(file.file.get(), file.path, file.header.salt, SegmentHeader::kBytes, summary.end_offset);
  Frame start;
  std::string why;
  if (!ReadFrame(&starts, &start) || start.header.type != FrameType::kStart || !Continues(start, &why)) return false;
  if (summary.epoch < start.header.epoch || summary.epoch > manifest_->epoch) return false;
  if (summary.last_lsn() == 0) return true;
  if (summary.counts.first_lsn <= end_.lsn || summary.records_end_offset == 0) return false;
  *unproven = summary.last_lsn() > durable_lsn_ && summary.last_lsn() > ProvenLsn();
  return !*unproven;
}

// Takes the segment by its hint, if there is a good one.
Status Recovery::TakeByHint(size_t index, HintUse* use) {
  LogFile& file = files_[index];
  *use = HintUse::kWrong;
  if (file.hint_damaged) return Status::Ok();
  HintIdentity identity;
  identity.kind = file.header.kind;
  identity.number = file.number;
  identity.salt = file.header.salt;
  identity.segment_bytes = file.size;
  std::copy_n(manifest_->hash_seed, 2, identity.hash_seed);
  auto hint = std::make_unique<HintFile>();
  bool missing = false;
  bool unproven = false;
  if (!hint->Open(env_, directory_, identity, &missing)) {
    if (missing) *use = HintUse::kMissing;
    return Status::Ok();
  }
  if (!HintFits(file, hint->head.summary, &unproven)) {
    if (!unproven) return Status::Ok();
    *use = HintUse::kUnproven;
    // It will count when the rest of the log vouches for the segment.
    file.hint_bytes = hint->head.file_bytes();
    return Status::Ok();
  }
  CRABKV_RETURN_IF_ERROR(AddSegment(&file));
  file.hint_bytes = hint->head.file_bytes();
  const SegmentSummary& summary = hint->head.summary;
  file.segment->counts = summary.counts;
  if (file.compacted == nullptr) PassLogSegment(index, summary);
  counts_.hinted_segments++;
  counts_.hinted_keys += hint->head.entries();
  hinted_bytes_ += file.size;
  hinted_keys_ += hint->head.entries();
  hints_.Add(std::move(hint), file.segment->handle);
  *use = HintUse::kTaken;
  return Status::Ok();
}

// What TakeFrame does, for all of the segment's frames at once.
void Recovery::PassLogSegment(size_t index, const SegmentSummary& summary) {
  Segment* const segment = files_[index].segment;
  epoch_ = summary.epoch;
  clock_ms_ = std::max(clock_ms_, summary.clock_ms);
  last_type_ = summary.last_type;
  durable_lsn_ = std::max({durable_lsn_, summary.durable_lsn, summary.last_lsn()});
  if (summary.last_lsn() != 0) {
    unproven_.push_back({index, summary.records_end_offset, summary.last_lsn(), summary.records_end_crc});
    segment->last_lsn.store(summary.last_lsn(), std::memory_order_relaxed);
  }
  PassProven();
  end_ = {index, summary.end_offset, std::max(end_.lsn, summary.last_lsn()), summary.last_crc};
  segment->written.store(end_.offset, std::memory_order_relaxed);
}

// Brings the index up to where the walk stands. False when a hint turned out to be damaged: then all that was found is
// given up, and the walk is to begin anew without that hint.
bool Recovery::LoadHints() {
  if (hints_.empty()) return true;
  FinishReplay();
  const uint64_t began_ns = env_->MonotonicNs();
  uint32_t bad = 0;
  const bool loaded =
      hints_.Load([this] { TellProgress(hinted_bytes_ / kHintRanges, hinted_keys_ / kHintRanges); }, &bad);
  hinted_bytes_ = hinted_keys_ = 0;
  counts_.hints_ns += env_->MonotonicNs() - began_ns;
  if (loaded) return true;
  for (LogFile& file : files_) {
    if (file.segment != nullptr && file.segment->handle == bad) file.hint_damaged = true;
    file.segment = nullptr;
    file.hint_bytes = 0;
  }
  index_->Clear();
  segments_->Clear();
  return false;
}

// A hint that is of no use any more, or was of none. They are caches: what stays costs space, and the next opening
// tries again.
void Recovery::RemoveHint(const std::string& name) {
  SegmentKind kind;
  uint64_t number = 0;
  if (!ParseHintFileName(name, &kind, &number)) return;
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const LogFile& file) {
    return file.header.kind == kind && file.number == number && file.hint_bytes != 0;
  });
  if (found != files_.end()) return;
  const Status ignored = env_->Remove(directory_ + "/" + name);
  static_cast<void>(ignored);
}

}  // namespace crabkv
