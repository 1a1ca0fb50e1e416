#include "native/core/checked_directory.h"

#include <algorithm>

#include "native/core/coding.h"

namespace crabkv {

namespace {

// The LSNs of a segment, where only the segments tell.
struct Span {
  size_t index = 0;
  uint64_t compacted_number = 0;  // 0: of the log
  uint64_t min_lsn = 0;
  uint64_t max_lsn = 0;  // UINT64_MAX: not known
};

// Whether compacted segments that were made later have all of its LSNs.
bool IsReplaced(const Span& span, const std::vector<Span>& sorted) {
  uint64_t next = span.min_lsn;
  for (const Span& other : sorted) {
    if (other.compacted_number > span.compacted_number && other.min_lsn <= next && next <= other.max_lsn) {
      next = other.max_lsn + 1;
    }
  }
  return span.max_lsn != UINT64_MAX && next > span.max_lsn && next > span.min_lsn;
}

// Of the first frame that checks out; 0 when none does.
Status FirstLsn(const CheckedSegment& segment, uint64_t* lsn) {
  DamageReader reader(segment.file, segment.name, segment.salt, segment.limit);
  *lsn = 0;
  for (;;) {
    DamageReader::Result result;
    DamageReader::Piece piece;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &piece));
    if (result == DamageReader::Result::kEnd) return Status::Ok();
    if (result == DamageReader::Result::kDamage) continue;
    *lsn = piece.frame.header.base_lsn;
    return Status::Ok();
  }
}

class Opening {
 public:
  Opening(Env* env, const std::string& directory, CheckedDirectory* checked, VerifyReport* report)
      : env_(env), directory_(directory), checked_(checked), report_(report) {}

  Status Run();

 private:
  Status List();
  Status Lock();
  Status LoadManifest();
  void ChooseLogs();
  void ChooseCompacted();
  Status Open(CheckedSegment* segment);
  Status CheckHeader(size_t index, bool* usable);
  Status SaltFromFrames(CheckedSegment* segment, std::string_view header_bytes, bool* known) const;
  Status SaltFromOthers(size_t index, bool* known);
  Status OrderByLsn();
  void Note(const std::string& file, uint64_t offset, std::string what, bool data_lost = true);

  Env* const env_;
  const std::string directory_;
  CheckedDirectory* const checked_;
  VerifyReport* const report_;
  std::vector<std::string> names_;
  std::vector<uint64_t> logs_;
  std::vector<uint64_t> compacted_;
  Status manifest_status_;
  bool any_header_ = false;  // of this format
};

void Opening::Note(const std::string& file, uint64_t offset, std::string what, bool data_lost) {
  report_->fault_count++;
  if (report_->faults.size() == VerifyReport::kFaultsMax) return;
  Fault fault;
  fault.file = file;
  fault.offset = offset;
  fault.what = std::move(what);
  fault.data_lost = data_lost;
  report_->faults.push_back(std::move(fault));
}

Status Opening::List() {
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(directory_, &exists));
  if (!exists) return Status::Error(Code::kMissing, "no store in " + directory_);
  CRABKV_RETURN_IF_ERROR(env_->ListDirectory(directory_, &names_));
  for (const std::string& name : names_) {
    uint64_t number = 0;
    if (ParseSegmentFileName(name, &number)) logs_.push_back(number);
    if (ParseCompactedFileName(name, &number)) compacted_.push_back(number);
  }
  std::sort(logs_.begin(), logs_.end());
  std::sort(compacted_.begin(), compacted_.end());
  return Status::Ok();
}

// An owner holds LOCK, so where there is none nobody is there; nothing is made.
Status Opening::Lock() {
  if (std::find(names_.begin(), names_.end(), "LOCK") == names_.end()) return Status::Ok();
  return env_->LockFile(directory_ + "/LOCK", LockMode::kShared, &checked_->lock);
}

Status Opening::LoadManifest() {
  ManifestState& manifest = checked_->manifest;
  manifest_status_ = Manifest::Load(env_, directory_, &manifest);
  const bool segments = !logs_.empty() || !compacted_.empty();
  if (manifest_status_.Is(Code::kIo)) return manifest_status_;
  if (!manifest_status_.ok() && !manifest_status_.Is(Code::kCorruption) && !segments) return manifest_status_;
  checked_->has_manifest = manifest_status_.ok();
  report_->files++;
  if (manifest_status_.ok()) return Status::Ok();
  const bool missing = manifest_status_.Is(Code::kMissing);
  const uint64_t offset = manifest_status_.offset() == Status::kNoOffset ? 0 : manifest_status_.offset();
  Note(Manifest::kFileName, offset,
       (missing ? "is missing" : manifest_status_.message()) +
           std::string("; which segments belong to the store, and how, can't be checked without it"));
  manifest = ManifestState();
  return Status::Ok();
}

void Opening::ChooseLogs() {
  const ManifestState& manifest = checked_->manifest;
  const LogCut& cut = manifest.cut;
  const bool unnamed =
      cut.next_segment != 0 && !std::binary_search(logs_.begin(), logs_.end(), cut.next_segment) &&
      std::find(names_.begin(), names_.end(), SegmentFileName(cut.next_segment) + ".tmp") != names_.end();
  for (const uint64_t number : logs_) {
    const ListedLog* listed = nullptr;
    if (!manifest.HasLog(number, &listed)) continue;
    CheckedSegment segment;
    segment.number = number;
    segment.name = SegmentFileName(number);
    checked_->segments.push_back(std::move(segment));
  }
  for (const ListedLog& listed : manifest.logs) {
    if (std::binary_search(logs_.begin(), logs_.end(), listed.number)) continue;
    Note(SegmentFileName(listed.number), 0, "is missing, but the MANIFEST lists it");
  }
  if (!unnamed) return;
  // An opening that died before it could name the copy of the log's tail.
  CheckedSegment segment;
  segment.number = cut.next_segment;
  segment.name = SegmentFileName(segment.number) + ".tmp";
  checked_->segments.push_back(std::move(segment));
  std::sort(checked_->segments.begin(), checked_->segments.end(),
            [](const CheckedSegment& a, const CheckedSegment& b) { return a.number < b.number; });
}

// Those that the MANIFEST lists, among the log's segments. Without a MANIFEST every one counts.
void Opening::ChooseCompacted() {
  std::vector<CheckedSegment>& segments = checked_->segments;
  if (!checked_->has_manifest) {
    for (const uint64_t number : compacted_) {
      CheckedSegment segment;
      segment.number = number;
      segment.name = CompactedFileName(number);
      segment.compacted.emplace();
      segments.insert(segments.begin(), std::move(segment));
    }
    return;
  }
  for (const CompactedSegment& listed : checked_->manifest.compacted) {
    CheckedSegment segment;
    segment.number = listed.number;
    segment.name = CompactedFileName(listed.number);
    segment.compacted = listed;
    if (!std::binary_search(compacted_.begin(), compacted_.end(), listed.number)) {
      Note(segment.name, 0,
           "is missing, but the MANIFEST lists it, with LSNs " + std::to_string(listed.min_lsn) + " to " +
               std::to_string(listed.max_lsn));
      continue;
    }
    const auto behind = std::find_if(segments.begin(), segments.end(), [&](const CheckedSegment& other) {
      return !other.compacted && other.number > listed.last_log;
    });
    segments.insert(behind, std::move(segment));
  }
}

Status Opening::Open(CheckedSegment* segment) {
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(directory_ + "/" + segment->name, OpenMode::kRead, &segment->owned));
  segment->file = segment->owned.get();
  CRABKV_RETURN_IF_ERROR(segment->file->Size(&segment->limit));
  const LogCut& cut = checked_->manifest.cut;
  if (!segment->compacted && segment->number == cut.segment) segment->limit = std::min(segment->limit, cut.offset);
  for (const ListedLog& listed : checked_->manifest.logs) {
    if (segment->compacted || segment->number != listed.number) continue;
    if (segment->limit < listed.bytes) Note(segment->name, segment->limit, "is shorter than the MANIFEST says");
    segment->limit = std::min(segment->limit, listed.bytes);
  }
  return Status::Ok();
}

// `*usable`: its salt is known and it belongs to the store. REQUIRES: those behind it have been checked.
Status Opening::CheckHeader(size_t index, bool* usable) {
  CheckedSegment* const segment = &checked_->segments[index];
  *usable = false;
  char bytes[SegmentHeader::kBytes];
  uint64_t got = 0;
  CRABKV_RETURN_IF_ERROR(segment->file->ReadAt(0, sizeof(bytes), bytes, &got));
  SegmentHeader header;
  const Status decoded = DecodeSegmentHeader(std::string_view(bytes, got), segment->name, &header);
  if (!decoded.ok()) {
    CRABKV_RETURN_IF_ERROR(SaltFromFrames(segment, std::string_view(bytes, got), usable));
    if (!*usable) CRABKV_RETURN_IF_ERROR(SaltFromOthers(index, usable));
    Note(segment->name, 0, decoded.message(), !*usable);
    return Status::Ok();
  }
  any_header_ = true;
  segment->salt = header.salt;
  const bool known = checked_->has_manifest;
  if (known && !(header.store_id == checked_->manifest.store_id)) {
    Note(segment->name, 32, "belongs to another store");
    return Status::Ok();
  }
  *usable = true;
  const SegmentKind kind = segment->compacted ? SegmentKind::kCompacted : SegmentKind::kLog;
  if (header.number != segment->number || header.kind != kind) {
    Note(segment->name, 20, "the file is segment " + std::to_string(header.number) + " by its header", false);
  }
  if (!segment->compacted) return Status::Ok();
  CompactedSegment& listed = *segment->compacted;
  if (!known) {
    listed.min_lsn = header.min_lsn;
    listed.max_lsn = header.max_lsn;
    return Status::Ok();
  }
  if (header.salt != listed.salt || segment->limit != listed.bytes || header.min_lsn != listed.min_lsn ||
      header.max_lsn != listed.max_lsn) {
    Note(segment->name, 0, "is not the compacted segment that the MANIFEST lists");
  }
  return Status::Ok();
}

// The damage may have spared the salt: then the first frame vouches for it.
Status Opening::SaltFromFrames(CheckedSegment* segment, std::string_view header_bytes, bool* known) const {
  constexpr uint64_t kSaltOffset = 48;
  *known = false;
  if (header_bytes.size() < SegmentHeader::kBytes) return Status::Ok();
  if (segment->compacted && !checked_->has_manifest) return Status::Ok();  // nothing else tells its LSNs
  const uint64_t salt = GetU64(header_bytes.data() + kSaltOffset);
  char bytes[FrameHeader::kBytes];
  uint64_t got = 0;
  FrameHeader first;
  CRABKV_RETURN_IF_ERROR(segment->file->ReadAt(SegmentHeader::kBytes, sizeof(bytes), bytes, &got));
  *known = DecodeFrameHeader(std::string_view(bytes, got), salt, &first);
  if (*known) segment->salt = salt;
  return Status::Ok();
}

// A damaged header does not take the segment with it: the MANIFEST, or the segment behind it, names the salt, too.
Status Opening::SaltFromOthers(size_t index, bool* known) {
  CheckedSegment& segment = checked_->segments[index];
  *known = false;
  if (segment.compacted) {
    segment.salt = segment.compacted->salt;
    *known = checked_->has_manifest;
    return Status::Ok();
  }
  for (size_t i = index + 1; i < checked_->segments.size(); i++) {
    const CheckedSegment& next = checked_->segments[i];
    if (next.compacted) {
      if (next.compacted->last_log != segment.number) continue;
      segment.salt = next.compacted->last_log_salt;
      *known = true;
      return Status::Ok();
    }
    if (next.salt == 0) return Status::Ok();
    FrameReader reader(next.file, next.name, next.salt, SegmentHeader::kBytes, next.limit);
    FrameReader::Result result;
    Frame frame;
    std::string why;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
    if (result != FrameReader::Result::kFrame || frame.header.type != FrameType::kStart) return Status::Ok();
    const StartPayload start = DecodeStart(frame.payload.data());
    segment.salt = start.previous_salt;
    *known = start.previous_number == segment.number;
    return Status::Ok();
  }
  return Status::Ok();
}

// Without a MANIFEST: by what the segments say themselves. Those whose place compaction took go, where all of their
// LSNs are in compacted segments made later: a key that was deleted since would come back from them.
Status Opening::OrderByLsn() {
  std::vector<Span> spans(checked_->segments.size());
  for (size_t i = 0; i < spans.size(); i++) {
    const CheckedSegment& segment = checked_->segments[i];
    spans[i].index = i;
    spans[i].max_lsn = UINT64_MAX;
    if (segment.compacted) {
      spans[i].compacted_number = segment.number;
      spans[i].min_lsn = segment.compacted->min_lsn;
      spans[i].max_lsn = segment.compacted->max_lsn;
      continue;
    }
    CRABKV_RETURN_IF_ERROR(FirstLsn(segment, &spans[i].min_lsn));
    if (i == 0 || spans[i - 1].compacted_number != 0) continue;
    // Nothing readable tells where it begins: behind the one before.
    if (spans[i].min_lsn == 0) spans[i].min_lsn = spans[i - 1].min_lsn;
    spans[i - 1].max_lsn = spans[i].min_lsn - 1;
  }
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.min_lsn < b.min_lsn; });
  std::vector<CheckedSegment> ordered;
  for (const Span& span : spans) {
    if (!IsReplaced(span, spans)) ordered.push_back(std::move(checked_->segments[span.index]));
  }
  checked_->segments = std::move(ordered);
  return Status::Ok();
}

Status Opening::Run() {
  CRABKV_RETURN_IF_ERROR(List());
  CRABKV_RETURN_IF_ERROR(Lock());
  CRABKV_RETURN_IF_ERROR(LoadManifest());
  ChooseLogs();
  ChooseCompacted();
  std::vector<CheckedSegment>& segments = checked_->segments;
  std::vector<bool> usable(segments.size());
  for (CheckedSegment& segment : segments) CRABKV_RETURN_IF_ERROR(Open(&segment));
  for (size_t i = segments.size(); i-- > 0;) {
    bool good = false;
    CRABKV_RETURN_IF_ERROR(CheckHeader(i, &good));
    usable[i] = good;
  }
  if (!segments.empty() && !any_header_ && manifest_status_.Is(Code::kFormat)) return manifest_status_;
  for (size_t i = segments.size(); i-- > 0;) {
    if (!usable[i]) segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return checked_->has_manifest ? Status::Ok() : OrderByLsn();
}

}  // namespace

Status OpenToCheck(Env* env, const std::string& directory, CheckedDirectory* checked, VerifyReport* report) {
  return Opening(env, directory, checked, report).Run();
}

}  // namespace crabkv
