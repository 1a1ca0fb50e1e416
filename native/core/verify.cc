#include "native/core/verify.h"

#include "native/core/checked_directory.h"
#include "native/core/store_impl.h"

namespace crabkv {

namespace {
void IgnoreRecord(size_t, uint64_t, const RecordHeader&, std::string_view) {}
}  // namespace

Status VerifyDirectory(Env* env, const std::string& directory, const StepDone& step, VerifyReport* report) {
  CheckedDirectory checked;
  CRABKV_RETURN_IF_ERROR(OpenToCheck(env, directory, &checked, report));
  const RecordSink sink = IgnoreRecord;
  return LogCheck(checked.segments, checked.manifest_if_any(), step, sink, report).Run(false);
}

// The MANIFEST on disk against the files. A compaction may replace both meanwhile, so what it seems to lack is looked
// up again.
Status StoreImpl::VerifyManifest(VerifyReport* report) const {
  report->files++;
  for (int round = 0;; round++) {
    ManifestState found;
    const Status status = Manifest::Load(env_, path_, &found);
    std::string what = status.ok() ? "" : status.message();
    std::string file = Manifest::kFileName;
    if (status.Is(Code::kIo)) return status;
    for (size_t i = 0; i < found.compacted.size() && what.empty(); i++) {
      bool exists = false;
      file = CompactedFileName(found.compacted[i].number);
      CRABKV_RETURN_IF_ERROR(env_->Exists(path_ + "/" + file, &exists));
      if (!exists) what = "is missing, but the MANIFEST lists it";
    }
    if (what.empty()) return Status::Ok();
    if (round < 3) continue;
    Fault fault;
    fault.file = file;
    fault.offset = status.ok() || status.offset() == Status::kNoOffset ? 0 : status.offset();
    fault.what = what;
    report->faults.push_back(std::move(fault));
    report->fault_count++;
    return Status::Ok();
  }
}

// What this store has open, as of one moment: segments that take no more frames as a whole, the last one as far as it
// is written.
Status StoreImpl::Verify(const StepDone& step, VerifyReport* report) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  CRABKV_RETURN_IF_ERROR(VerifyManifest(report));
  const std::vector<SegmentPin> pins = segments_.PinWithFrames();
  ManifestState state;
  state.epoch = epoch_;
  std::vector<CheckedSegment> segments;
  for (const SegmentPin& pin : pins) {
    Segment& segment = *pin.get();
    // What lies before a segment with frames takes no more of them.
    if (!segments.empty() && segments.back().file != nullptr) {
      CRABKV_RETURN_IF_ERROR(segments.back().file->Size(&segments.back().limit));
    }
    CheckedSegment checked;
    checked.name = segment.path.substr(segment.path.rfind('/') + 1);
    checked.number = segment.number;
    checked.salt = segment.salt;
    checked.file = segment.file.get();
    checked.limit = segment.written.load(std::memory_order_acquire);
    if (segment.compacted != nullptr) {
      checked.compacted = *segment.compacted;
      state.compacted.push_back(*segment.compacted);
    }
    segments.push_back(std::move(checked));
  }
  CRABKV_RETURN_IF_ERROR(VerifyHeaders(segments, report));
  const RecordSink sink = IgnoreRecord;
  return LogCheck(segments, &state, step, sink, report).Run(true);
}

Status StoreImpl::VerifyHeaders(const std::vector<CheckedSegment>& segments, VerifyReport* report) const {
  for (const CheckedSegment& segment : segments) {
    char bytes[SegmentHeader::kBytes];
    uint64_t got = 0;
    CRABKV_RETURN_IF_ERROR(segment.file->ReadAt(0, sizeof(bytes), bytes, &got));
    SegmentHeader header;
    const Status decoded = DecodeSegmentHeader(std::string_view(bytes, got), segment.name, &header);
    if (decoded.ok() && header.salt == segment.salt) continue;
    report->fault_count++;
    if (report->faults.size() == VerifyReport::kFaultsMax) continue;
    Fault fault;
    fault.file = segment.name;
    fault.what = decoded.ok() ? "its header is that of another segment" : decoded.message();
    report->faults.push_back(std::move(fault));
  }
  return Status::Ok();
}

}  // namespace crabkv
