#include "native/core/hint_keeper.h"

#include <algorithm>

#include "native/core/frame_reader.h"

namespace crabkv {

namespace {
// Reading a segment of small records takes about a tenth of a second; at this pace of writing nobody notices.
constexpr uint64_t kQuietRecordsSecond = 20'000;
}  // namespace

bool ReadForHint(const Segment& segment, const uint64_t hash_seed[2], const std::function<bool(uint64_t)>& go_on,
                 SegmentSummary* summary, HintWriter* writer, bool* given_up) {
  uint64_t size = 0;
  *given_up = false;
  if (!segment.file->Size(&size).ok()) return false;
  FrameReader reader(segment.file.get(), segment.path, segment.salt, SegmentHeader::kBytes, size);
  while (summary->last_type != FrameType::kSeal || summary->end_offset == 0) {
    Frame frame;
    FrameReader::Result result;
    std::string why;
    if (!reader.Next(&result, &frame, &why).ok() || result != FrameReader::Result::kFrame) break;
    const FrameHeader& header = frame.header;
    if (summary->end_offset != 0 && header.previous_crc != summary->last_crc) return false;
    summary->Take(header, frame.offset);
    const std::string_view records = header.count == 0 ? std::string_view() : frame.payload;
    ForEachRecord(records, [&](const RecordHeader& record, uint64_t at) {
      const std::string_view key = records.substr(at + RecordHeader::kBytes, record.key_bytes);
      summary->counts.Count(record);
      writer->Add(HashKey(hash_seed, key), record, frame.offset + FrameHeader::kBytes + at);
    });
    if (!writer->fits()) return false;
    *given_up = !go_on(header.frame_bytes());
    if (*given_up) return false;
  }
  return summary->end_offset != 0 && summary->segment_bytes() == size;
}

void HintKeeper::WriteOne(Segment* segment, const std::function<bool(uint64_t)>& go_on, bool* given_up) {
  SegmentSummary summary;
  HintWriter writer;
  segment->hint_settled = true;
  if (!ReadForHint(*segment, manifest_->hash_seed, go_on, &summary, &writer, given_up)) {
    if (*given_up) segment->hint_settled = false;
    return;
  }
  HintIdentity identity;
  identity.kind = segment->is_log() ? SegmentKind::kLog : SegmentKind::kCompacted;
  identity.number = segment->number;
  identity.salt = segment->salt;
  identity.segment_bytes = summary.segment_bytes();
  std::copy_n(manifest_->hash_seed, 2, identity.hash_seed);
  uint64_t bytes = 0;
  // What fails, fails: the disk may be full, and opening does without.
  const Status ignored = writer.Write(env_, directory_, identity, summary, &bytes);
  static_cast<void>(ignored);
  segment->hint_bytes.store(bytes, std::memory_order_relaxed);
}

void HintKeeper::Write(const std::function<bool(uint64_t)>& go_on) {
  missing_ = false;
  const std::vector<SegmentPin> pins = segments_->PinAll();
  // What lies before a segment with frames takes no more of them.
  size_t open = 0;
  for (size_t i = 0; i < pins.size(); i++) {
    if (pins[i].get()->is_log() && pins[i].get()->has_frames()) open = i;
  }
  bool given_up = false;
  for (size_t i = 0; i < pins.size() && !given_up; i++) {
    Segment* const segment = pins[i].get();
    if (segment->is_log() && i >= open) continue;
    const bool settled = segment->hint_settled || segment->hint_bytes.load(std::memory_order_relaxed) != 0;
    if (settled || segment->written.load(std::memory_order_acquire) < HintWriter::kSegmentBytesMin) continue;
    WriteOne(segment, go_on, &given_up);
  }
  if (given_up) missing_ = true;
}

// By the records written since the last look, at least kLookMs ago.
bool HintKeeper::IsQuiet() {
  const uint64_t now_ns = env_->MonotonicNs();
  const uint64_t elapsed_ns = now_ns - looked_ns_;
  if (elapsed_ns >= kLookMs * 1'000'000) {
    const uint64_t lsn = log_->last_lsn();
    if (looked_ns_ != 0) records_second_ = (lsn - looked_lsn_) * 1'000'000'000 / elapsed_ns;
    looked_ns_ = now_ns;
    looked_lsn_ = lsn;
  }
  return records_second_.has_value() && *records_second_ < kQuietRecordsSecond;
}

void HintKeeper::WriteWhileQuiet(const std::function<bool(uint64_t)>& go_on) {
  if (!missing_ || !IsQuiet()) return;
  Write([&](uint64_t bytes) { return go_on(bytes) && IsQuiet(); });
}

}  // namespace crabkv
