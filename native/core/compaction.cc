#include "native/core/compaction.h"

#include <algorithm>
#include <array>

namespace crabkv {

Compaction::Compaction(const CompactionTarget& target, const std::vector<SegmentPin>& pins, size_t first, size_t count,
                       bool writes_hints)
    : target_(target), first_(first), writes_hints_(writes_hints) {
  for (size_t i = 0; i < pins.size(); i++) {
    Segment* segment = pins[i].get();
    ranks_[segment->handle] = i;
    const uint64_t horizon = segment->compacted == nullptr ? 0 : segment->compacted->horizon;
    if (i < first && segment->has_frames()) horizon_below_ = std::min(horizon_below_, horizon);
    if (i >= first && i < first + count) {
      inputs_.push_back(segment);
    } else if (segment->compacted != nullptr) {
      (i < first ? neighbours_before_ : neighbours_behind_).push_back(*segment->compacted);
    }
  }
  forwarding_ = std::make_shared<Forwarding>(inputs_);
}

Compaction::~Compaction() {
  if (switched_) return;
  for (Segment* output : outputs_) {
    if (output != nullptr) target_.segments->Remove(output);
  }
}

Status Compaction::Run(bool* broken) {
  *broken = false;
  Begin();
  CRABKV_RETURN_IF_ERROR(Copy());
  CRABKV_RETURN_IF_ERROR(MakeDurable());
  CRABKV_RETURN_IF_ERROR(OpenOutputs());
  CRABKV_RETURN_IF_ERROR(Commit(broken));
  Switch();
  MoveIndex();
  RemoveFiles();
  if (writes_hints_) WriteHints();
  return Status::Ok();
}

void Compaction::Begin() {
  rollbacks_ = target_.log->rollbacks();
  target_.dead->Collect();
  // Every change with a lower LSN has been applied: that happens under the latches under which the LSN is given out.
  target_.index->UnderAllLatches([this] {
    uint64_t group = 0;
    LogPosition end;
    target_.log->queue().Position(&group, &end);
    horizon_ = end.next_lsn - 1;
    for (const Segment* input : inputs_) {
      const bool holds_nothing = input->live_bytes.load(std::memory_order_relaxed) == 0;
      wholly_dead_.push_back(holds_nothing && input->counts.marker_bytes() == 0);
    }
  });
  span_.horizon = horizon_;
}

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

// Everything that a decision relied on becomes durable, or else a power loss would take the newer version of a key
// whose older one was dropped. What was undone meanwhile may have been relied on, too.
Status Compaction::MakeDurable() {
  uint64_t group = 0;
  CRABKV_RETURN_IF_ERROR(target_.log->RequestDurable(&group));
  if (group != 0) CRABKV_RETURN_IF_ERROR(target_.log->WaitFor(group, true));
  CRABKV_RETURN_IF_ERROR(target_.log->failure());
  if (target_.log->rollbacks() != rollbacks_)
    return Status::Error(Code::kBusy, "writes were undone during a compaction");
  return target_.env->SyncDirectory(target_.directory);
}

Status Compaction::OpenOutputs() {
  for (size_t i = 0; i < finished_.size(); i++) {
    CompactedSegment& compacted = finished_[i];
    // Those that were finished before the run's last log segment was known.
    compacted.first_log = span_.first_log;
    compacted.last_log = span_.last_log;
    compacted.last_log_salt = span_.last_log_salt;
    compacted.last_log_crc = span_.last_log_crc;
    compacted.last_log_epoch = span_.last_log_epoch;
    auto segment =
        std::make_unique<Segment>(compacted.number, compacted.salt, PadTo8(compacted.bytes), writers_[i]->path());
    std::unique_ptr<File> file;
    CRABKV_RETURN_IF_ERROR(target_.env->OpenFile(segment->path, OpenMode::kRead, &file));
    CRABKV_RETURN_IF_ERROR(AttachFile(segment.get(), std::move(file)));
    segment->compacted = std::make_unique<CompactedSegment>(compacted);
    segment->counts = writers_[i]->counts();
    segment->file_bytes.store(compacted.bytes, std::memory_order_relaxed);
    segment->last_lsn.store(compacted.max_lsn, std::memory_order_relaxed);
    segment->resident.Add(0, compacted.bytes);  // it was just written
    segment->written.store(compacted.bytes, std::memory_order_release);
    outputs_.push_back(target_.segments->AddUnplaced(std::move(segment)));
    if (outputs_.back() == nullptr) return Status::Error(Code::kTooLarge, "more segments than a store may have");
  }
  forwarding_->Finish(
      [this](Location output) { return output.InSegment(outputs_[output.segment_handle() - 1]->handle); });
  return Status::Ok();
}

Status Compaction::Commit(bool* broken) {
  ManifestState next = *target_.manifest;
  next.compacted = neighbours_before_;
  next.compacted.insert(next.compacted.end(), finished_.begin(), finished_.end());
  next.compacted.insert(next.compacted.end(), neighbours_behind_.begin(), neighbours_behind_.end());
  // The opening's cut was made, and synced, before there was anything to compact; its segment may be gone now.
  next.cut = LogCut();
  // When it is not known which MANIFEST a power loss leaves, the files that either of them lists stay.
  const Status status = Manifest::Write(target_.env, target_.directory, next, broken);
  if (!status.ok() && !*broken) return status;
  for (auto& writer : writers_) writer->Keep();
  CRABKV_RETURN_IF_ERROR(status);
  *broken = false;
  // Only these: everybody reads the hash seed.
  target_.manifest->compacted = std::move(next.compacted);
  target_.manifest->cut = next.cut;
  return Status::Ok();
}

void Compaction::Switch() {
  target_.index->BeginMoves(forwarding_, [this] {
    target_.segments->Replace(inputs_, outputs_);
    target_.feed_floor->store(target_.manifest->compacted_lsn(), std::memory_order_release);
  });
  switched_ = true;
}

void Compaction::MoveIndex() {
  const std::vector<Forwarding::Move>& moves = forwarding_->moves();
  // Some at a time, as when they were copied.
  for (size_t begin = 0; begin < moves.size(); begin += kLookedUpTogether) {
    const size_t end = std::min(moves.size(), begin + kLookedUpTogether);
    for (size_t i = begin; i < end; i++) target_.index->PrefetchSlot(moves[i].key());
    for (size_t i = begin; i < end; i++) target_.index->Prefetch(moves[i].key());
    for (size_t i = begin; i < end; i++) {
      const KeyHash hash = moves[i].key();
      Index::SlotLatch latch(target_.index, hash.slot);
      target_.index->Move(hash, moves[i].from, moves[i].to);
    }
  }
  // Changes that were made before their key moved remember the old place; what is not settled of them may be undone.
  uint64_t group = 0;
  target_.index->UnderAllLatches([&] {
    LogPosition end;
    target_.log->queue().Position(&group, &end);
  });
  target_.log->Kick();
  const Status fate = target_.log->WaitFor(group, false);
  static_cast<void>(fate);
  target_.index->EndMoves();
  forwarding_.reset();
}

// A segment that never got a frame is not a file of the log: its number was given out again.
void Compaction::RemoveFiles() {
  report_.segments_out = outputs_.size();
  for (Segment* input : inputs_) {
    if (!input->has_frames()) continue;
    report_.segments_in++;
    // The next opening removes what is void.
    Status ignored = target_.env->Remove(input->path);
    if (input->hint_bytes.load(std::memory_order_relaxed) != 0) {
      const SegmentKind kind = input->is_log() ? SegmentKind::kLog : SegmentKind::kCompacted;
      ignored = target_.env->Remove(target_.directory + "/" + HintFileName(kind, input->number));
    }
    static_cast<void>(ignored);
  }
}

// All is done: what fails here, or is cut short, is made up for later (hint_keeper.h).
void Compaction::WriteHints() {
  for (size_t i = 0; i < outputs_.size() && target_.go_on(0); i++) {
    Segment* const output = outputs_[i];
    HintIdentity identity;
    identity.kind = SegmentKind::kCompacted;
    identity.number = output->number;
    identity.salt = output->salt;
    identity.segment_bytes = finished_[i].bytes;
    std::copy_n(target_.manifest->hash_seed, 2, identity.hash_seed);
    uint64_t bytes = 0;
    output->hint_settled = true;
    if (!hints_[i].fits() || finished_[i].bytes < HintWriter::kSegmentBytesMin) continue;
    const Status ignored = hints_[i].Write(target_.env, target_.directory, identity, writers_[i]->summary(), &bytes);
    static_cast<void>(ignored);
    output->hint_bytes.store(bytes, std::memory_order_relaxed);
  }
}

}  // namespace crabkv
