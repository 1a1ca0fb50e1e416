// The copying step of a compaction: reads the inputs and decides, record by record, what may still be needed
// (native/FORMAT.md, Compaction).
#include <algorithm>
#include <array>

#include "native/core/compaction.h"

namespace crabkv {

Status Compaction::Copy() {
  CRABKV_RETURN_IF_ERROR(NextOutput());
  for (size_t i = 0; i < inputs_.size(); i++) {
    if (!inputs_[i]->has_frames()) continue;
    bool passed = false;
    if (wholly_dead_[i]) CRABKV_RETURN_IF_ERROR(PassOver(inputs_[i], &passed));
    if (!passed) CRABKV_RETURN_IF_ERROR(CopySegment(i));
  }
  return FinishOutput(last_lsn_);
}

// Where the log goes on behind the run, if this is the run's last log segment.
void Compaction::NoteLogEnd(const Segment& segment, const FrameHeader& last) {
  span_.last_log = segment.number;
  span_.last_log_salt = segment.salt;
  span_.last_log_crc = last.crc;
  span_.last_log_epoch = last.epoch;
  if (span_.first_log == 0) span_.first_log = segment.number;
}

// The run goes on with a segment that took the place of log segments itself.
void Compaction::NoteCompacted(const CompactedSegment& old) {
  if (span_.first_log == 0) span_.first_log = old.first_log;
  span_.last_log = old.last_log;
  span_.last_log_salt = old.last_log_salt;
  span_.last_log_crc = old.last_log_crc;
  span_.last_log_epoch = old.last_log_epoch;
  if (span_.min_lsn == 0) span_.min_lsn = old.min_lsn;
}

void Compaction::NoteStart(const Frame& start) {
  const uint64_t previous = DecodeStart(start.payload.data()).previous_last_lsn;
  if (span_.min_lsn == 0) span_.min_lsn = previous + 1;
  last_lsn_ = std::max(last_lsn_, previous);
}

// A segment of which the index points at nothing, and that has no markers: only where the log stands at its beginning
// and end matters, so the rest is not read. Not `*passed` when its end can't be found without reading: it has no SEAL.
Status Compaction::PassOver(const Segment* segment, bool* passed) {
  const SealPayload& counts = segment->counts;
  if (segment->compacted != nullptr) {
    NoteCompacted(*segment->compacted);
    last_lsn_ = segment->compacted->max_lsn;
  } else {
    uint64_t size = 0;
    CRABKV_RETURN_IF_ERROR(segment->file->Size(&size));
    char bytes[Trailer::kBytes];
    uint64_t got = 0;
    if (size < SegmentHeader::kBytes + Trailer::kBytes) return Status::Ok();
    CRABKV_RETURN_IF_ERROR(segment->file->ReadAt(size - Trailer::kBytes, Trailer::kBytes, bytes, &got));
    Trailer trailer;
    if (!DecodeTrailer(std::string_view(bytes, got), segment->salt, &trailer)) return Status::Ok();
    FrameReader starts(segment->file.get(), segment->path, segment->salt, SegmentHeader::kBytes, size);
    FrameReader ends(segment->file.get(), segment->path, segment->salt, trailer.seal_offset, size);
    Frame start;
    Frame seal;
    FrameReader::Result result;
    std::string why;
    CRABKV_RETURN_IF_ERROR(starts.Next(&result, &start, &why));
    if (result != FrameReader::Result::kFrame || start.header.type != FrameType::kStart) return Status::Ok();
    CRABKV_RETURN_IF_ERROR(ends.Next(&result, &seal, &why));
    if (result != FrameReader::Result::kFrame || seal.header.type != FrameType::kSeal) return Status::Ok();
    NoteStart(start);
    NoteLogEnd(*segment, seal.header);
    last_lsn_ = std::max(last_lsn_, segment->last_lsn.load(std::memory_order_acquire));
  }
  report_.records_dropped += counts.puts;
  *passed = true;
  return Status::Ok();
}

Status Compaction::CopySegment(size_t i) {
  Segment* segment = inputs_[i];
  // Behind what readers may see of it, a segment of the log has its SEAL, or what is left of an attempt to write one.
  uint64_t limit = 0;
  CRABKV_RETURN_IF_ERROR(segment->file->Size(&limit));
  const uint64_t written = segment->written.load(std::memory_order_acquire);
  FrameReader reader(segment->file.get(), segment->path, segment->salt, SegmentHeader::kBytes, limit);
  if (segment->compacted != nullptr) NoteCompacted(*segment->compacted);
  for (;;) {
    const uint64_t before = reader.offset();
    Frame frame;
    FrameReader::Result result;
    std::string why;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
    if (result != FrameReader::Result::kFrame && reader.offset() < written) {
      return Status::Corruption(segment->path, reader.offset(), why);
    }
    if (result != FrameReader::Result::kFrame) break;
    report_.bytes_read += reader.offset() - before;
    if (!target_.go_on(reader.offset() - before)) return Status::Error(Code::kClosed, "the compaction was given up");
    if (segment->is_log()) NoteLogEnd(*segment, frame.header);
    if (frame.header.type == FrameType::kStart) NoteStart(frame);
    if (frame.header.count != 0) CRABKV_RETURN_IF_ERROR(CopyFrame(segment, first_ + i, frame));
    if (frame.header.type == FrameType::kSeal) break;
  }
  if (segment->compacted != nullptr) last_lsn_ = segment->compacted->max_lsn;
  return Status::Ok();
}

// What is known to be dead is passed over. The rest is looked up, some records at a time, whose index entries are asked
// for together: to decide is mostly to wait for them.
Status Compaction::CopyFrame(Segment* segment, size_t rank, const Frame& frame) {
  Status status;
  std::array<Candidate, kLookedUpTogether> candidates;
  size_t count = 0;
  uint64_t last_lsn = last_lsn_;
  ForEachRecord(frame.payload, [&](const RecordHeader& record, uint64_t at) {
    if (!status.ok()) return;
    last_lsn = record.lsn;
    if (record.type == RecordType::kPut && segment->dead.Has(frame.offset + FrameHeader::kBytes + at)) {
      report_.records_dropped++;
      return;
    }
    if (count == candidates.size()) {
      status = CopyRecords(segment, rank, frame, candidates.data(), count);
      count = 0;
    }
    const std::string_view key = frame.payload.substr(at + RecordHeader::kBytes, record.key_bytes);
    candidates[count] = {record, at, HashKey(target_.manifest->hash_seed, key)};
    target_.index->PrefetchSlot(candidates[count++].hash);
  });
  if (status.ok()) status = CopyRecords(segment, rank, frame, candidates.data(), count);
  // Only now is all below it decided: an output that ends may not have passed a record that is still to come.
  if (status.ok()) last_lsn_ = last_lsn;
  return status;
}

Status Compaction::CopyRecords(Segment* segment, size_t rank, const Frame& frame, const Candidate* candidates,
                               size_t count) {
  for (size_t i = 0; i < count; i++) target_.index->Prefetch(candidates[i].hash);
  for (size_t i = 0; i < count; i++) {
    CRABKV_RETURN_IF_ERROR(CopyRecord(segment, rank, frame, candidates[i]));
  }
  return Status::Ok();
}

Status Compaction::CopyRecord(Segment* segment, size_t rank, const Frame& frame, const Candidate& candidate) {
  RecordHeader record = candidate.record;
  const uint64_t key_at = candidate.at + RecordHeader::kBytes;
  const std::string_view key = frame.payload.substr(key_at, record.key_bytes);
  const std::string_view stored = frame.payload.substr(key_at + record.key_bytes, record.stored_bytes);
  const uint64_t offset = frame.offset + FrameHeader::kBytes + candidate.at;
  const Location here = Location::Make(segment->handle, offset, record.record_bytes(), false);
  if (!Keeps(candidate.hash, here, rank, &record)) {
    report_.records_dropped++;
    last_lsn_ = record.lsn;
    return Status::Ok();
  }
  if (writers_.back()->bytes() >= target_.options->segment_bytes) {
    CRABKV_RETURN_IF_ERROR(FinishOutput(last_lsn_));
    CRABKV_RETURN_IF_ERROR(NextOutput());
  }
  record.flags |= kRecordMoved;
  uint64_t new_offset = 0;
  const Status status = writers_.back()->Add(record, key, stored, &new_offset);
  if (writes_hints_) hints_.back().Add(candidate.hash, record, new_offset);
  last_lsn_ = record.lsn;
  report_.records_kept++;
  if (record.type != RecordType::kPut) return status;
  // The handle is known when the output is opened: until then, which output it is.
  forwarding_->Add(candidate.hash, here,
                   Location::Make(static_cast<uint32_t>(writers_.size()), new_offset, record.record_bytes(), false));
  return status;
}

Compaction::Place Compaction::PlaceOf(Location location) const {
  const auto rank = ranks_.find(location.segment_handle());
  return {rank == ranks_.end() ? SIZE_MAX : rank->second, location.offset()};
}

// Whether the record may still be needed. A PUT gets the deadline that its key has now.
bool Compaction::Keeps(const KeyHash& hash, Location here, size_t rank, RecordHeader* record) {
  Index::SlotLatch latch(target_.index, hash.slot);
  const Location current = target_.index->Find(hash);
  switch (record->type) {
    case RecordType::kPut:
      if (!current.SameRecord(here)) return false;
      record->expires_at_ms = target_.index->DeadlineOf(hash, current);
      return true;
    case RecordType::kDelete:
      // A key that is there has been put since, and that put hides what is older just as well.
      return !current && record->lsn > horizon_below_;
    case RecordType::kExpire:
      return KeepsExpire(hash, {rank, here.offset()}, *record, current);
    case RecordType::kInvalid:
      break;
  }
  return true;
}

// REQUIRES: the slot's latch. A change of deadline is needed as long as the PUT that it is for does not carry it.
bool Compaction::KeepsExpire(const KeyHash& hash, Place here, const RecordHeader& record, Location current) {
  if (!current || record.lsn <= horizon_below_) return false;
  if (target_.index->DeadlineOf(hash, current) != record.expires_at_ms) return false;
  const Place put = PlaceOf(current);
  // Behind it, the PUT is another; in this run, its copy carries the deadline.
  return put < here && put.rank < first_;
}

Status Compaction::NextOutput() {
  writers_.push_back(std::make_unique<CompactedWriter>(target_.env, target_.directory, (*target_.next_number)++,
                                                       target_.manifest->store_id));
  hints_.emplace_back();
  return writers_.back()->Begin();
}

Status Compaction::FinishOutput(uint64_t max_lsn) {
  CompactedSegment segment = span_;
  if (!finished_.empty()) segment.min_lsn = finished_.back().max_lsn + 1;
  segment.max_lsn = max_lsn;
  CRABKV_RETURN_IF_ERROR(writers_.back()->Finish(&segment));
  finished_.push_back(segment);
  report_.bytes_written += segment.bytes;
  return Status::Ok();
}

}  // namespace crabkv
