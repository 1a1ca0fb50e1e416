#include "native/core/log_check.h"

#include <algorithm>

#include "native/core/batch_filter.h"

namespace crabkv {

namespace {
std::string Lsns(uint64_t first, uint64_t last) {
  if (first == last) return "LSN " + std::to_string(first) + " is missing";
  return "LSNs " + std::to_string(first) + " to " + std::to_string(last) + " are missing";
}

void NoteKey(Fault* fault, std::string_view key) {
  fault->key_count++;
  if (fault->keys.size() == Fault::kKeysMax) return;
  std::string shown(key.substr(0, Fault::kKeyBytesMax));
  // A record that was overwritten in the same damage is one key.
  if (std::find(fault->keys.begin(), fault->keys.end(), shown) == fault->keys.end()) {
    fault->keys.push_back(std::move(shown));
  } else {
    fault->key_count--;
  }
}
}  // namespace

Status LogCheck::Run(bool open_ended) {
  first_ = report_->faults.size();
  for (size_t i = 0; i < segments_.size(); i++) {
    const CheckedSegment& segment = segments_[i];
    CRABKV_RETURN_IF_ERROR(ResolveTail(segment));
    report_->files++;
    CRABKV_RETURN_IF_ERROR(segment.compacted ? CheckCompacted(i) : CheckLogSegment(i));
  }
  if (manifest_ != nullptr) {
    report_->clock_ms = std::max(report_->clock_ms, manifest_->clock_ms);
    durable_lsn_ = std::max({durable_lsn_, manifest_->epoch_first_lsn - 1, manifest_->compacted_lsn()});
    if (manifest_->clean) durable_lsn_ = std::max(durable_lsn_, manifest_->clean_last_lsn);
  }
  if (tail_) CRABKV_RETURN_IF_ERROR(NoteDamage(*tail_, tail_index_, UINT64_MAX));
  CheckEnd(open_ended);
  report_->last_lsn = end_.lsn;
  if (!open_ended && manifest_ != nullptr) DropUnfinished();
  return Status::Ok();
}

Status LogCheck::Step(uint64_t bytes) {
  report_->bytes += bytes;
  if (step_(bytes)) return Status::Ok();
  return Status::Error(Code::kAborted, "the check was given up");
}

Fault* LogCheck::Note(const CheckedSegment& segment, uint64_t offset, std::string what) {
  report_->fault_count++;
  if (report_->faults.size() == VerifyReport::kFaultsMax) return &(ignored_ = Fault());
  Fault fault;
  fault.file = segment.name;
  fault.offset = offset;
  fault.what = std::move(what);
  report_->faults.push_back(std::move(fault));
  at_lsn_.push_back(end_.lsn + 1);
  return &report_->faults.back();
}

void LogCheck::TakeRecords(size_t index, const Frame& frame) {
  report_->frames++;
  report_->clock_ms = std::max(report_->clock_ms, frame.header.clock_ms);
  if (frame.header.count == 0) return;
  ForEachRecord(frame.payload, [&](const RecordHeader& record, uint64_t at) {
    report_->records++;
    const std::string_view key = frame.payload.substr(at + RecordHeader::kBytes, record.key_bytes);
    sink_(index, frame.offset + FrameHeader::kBytes + at, record, key);
  });
}

// What of the region can still be read is handed on; the keys of the rest are noted.
Status LogCheck::NoteDamage(const DamageReader::Piece& piece, size_t index, uint64_t lsn_max) {
  const CheckedSegment& segment = segments_[index];
  Fault* fault = Note(segment, piece.begin, piece.why);
  fault->bytes = piece.end - piece.begin;
  Region region{piece.begin, piece.end, end_.lsn + 1, lsn_max};
  if (segment.compacted) {
    region.lsn_min = segment.compacted->min_lsn;
    region.lsn_max = segment.compacted->max_lsn;
  } else if (lsn_max == UINT64_MAX) {
    // No more records than fit; without a bound any bytes could be one.
    region.lsn_max = end_.lsn + (piece.end - piece.begin) / RecordHeader::kBytes + 1;
  } else if (lsn_max > end_.lsn) {
    fault->first_lsn = end_.lsn + 1;
    fault->last_lsn = lsn_max;
  }
  const uint64_t records_before = report_->records;
  uint64_t first_lsn = end_.lsn + 1;
  if (piece.has_header) {
    region.begin += FrameHeader::kBytes;
    if (!segment.compacted) first_lsn = region.lsn_min = piece.header.base_lsn;
  }
  BatchFilter filter(first_lsn);
  const auto take = [&] {
    for (const auto& held : filter.whole()) {
      report_->records++;
      sink_(index, held.offset, held.record, held.key);
    }
    for (const std::string& key : filter.lost()) NoteKey(fault, key);
  };
  CRABKV_RETURN_IF_ERROR(
      FindRecords(segment.file, segment.salt, region,
                  [&](const RecordHeader& record, uint64_t offset, std::string_view key, bool valid) {
                    if (!valid) return NoteKey(fault, key);
                    if (segment.compacted) {
                      report_->records++;
                      counts_.Count(record);
                      return sink_(index, offset, record, key);
                    }
                    filter.Add(record, offset, key);
                    take();
                  }));
  filter.Finish();
  take();
  damaged_ = true;
  const uint64_t taken = report_->records - records_before;
  if (piece.has_header) {
    fault->data_lost = taken < piece.header.count;
  } else if (!segment.compacted && lsn_max != UINT64_MAX) {
    fault->data_lost = lsn_max > end_.lsn && taken < lsn_max - end_.lsn;
  }
  return Status::Ok();
}

// Damage at the end of the segment before: no fault where the log went on from the last frame before it.
Status LogCheck::ResolveTail(const CheckedSegment& next) {
  if (!tail_) return Status::Ok();
  uint64_t last_lsn = UINT64_MAX;
  bool went_on = false;
  if (next.compacted) {
    last_lsn = next.compacted->min_lsn - 1;
    went_on = last_lsn == end_.lsn;
  } else {
    DamageReader reader(next.file, next.name, next.salt, next.limit);
    DamageReader::Result result;
    DamageReader::Piece piece;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &piece));
    if (result == DamageReader::Result::kFrame && piece.frame.header.type == FrameType::kStart) {
      last_lsn = DecodeStart(piece.frame.payload.data()).previous_last_lsn;
      went_on = last_lsn == end_.lsn && piece.frame.header.previous_crc == end_.crc;
    }
  }
  if (!went_on) CRABKV_RETURN_IF_ERROR(NoteDamage(*tail_, tail_index_, last_lsn));
  tail_.reset();
  return Status::Ok();
}

Status LogCheck::CheckLogSegment(size_t index) {
  const CheckedSegment& segment = segments_[index];
  DamageReader reader(segment.file, segment.name, segment.salt, segment.limit);
  for (;;) {
    DamageReader::Result result;
    DamageReader::Piece piece;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &piece));
    if (result == DamageReader::Result::kEnd) return Status::Ok();
    CRABKV_RETURN_IF_ERROR(Step(piece.end - piece.begin));
    if (tail_) {
      // More follows, so this was no tail.
      const bool frame = result == DamageReader::Result::kFrame;
      CRABKV_RETURN_IF_ERROR(NoteDamage(*tail_, tail_index_, frame ? piece.frame.header.base_lsn - 1 : UINT64_MAX));
      tail_.reset();
    }
    if (result == DamageReader::Result::kDamage) {
      tail_ = std::move(piece);
      tail_index_ = index;
      continue;
    }
    CheckFrame(segment, piece.frame);
    TakeRecords(index, piece.frame);
    if (piece.frame.header.type == FrameType::kSeal) return Status::Ok();
  }
}

void LogCheck::CheckFrame(const CheckedSegment& segment, const Frame& frame) {
  const FrameHeader& header = frame.header;
  uint64_t missing_to = 0;
  const std::string why =
      header.type == FrameType::kStart ? WhyNotStarting(frame, &missing_to) : WhyNotContinuing(frame, &missing_to);
  if (!why.empty()) {
    Fault* fault = Note(segment, frame.offset, why);
    fault->data_lost = missing_to > end_.lsn;
    if (fault->data_lost) {
      fault->first_lsn = end_.lsn + 1;
      fault->last_lsn = missing_to;
    }
  }
  if (manifest_ != nullptr && header.epoch > manifest_->epoch) {
    Note(segment, frame.offset,
         "a frame of epoch " + std::to_string(header.epoch) + ", but the MANIFEST knows only " +
             std::to_string(manifest_->epoch))
        ->data_lost = false;
  }
  const bool skipped = damaged_ || !why.empty();
  damaged_ = false;
  durable_lsn_ = std::max(durable_lsn_, header.durable_lsn);
  end_.begun = true;
  end_.number = segment.number;
  end_.salt = segment.salt;
  end_.crc = header.crc;
  end_.epoch = std::max(end_.epoch, header.epoch);
  if (header.count != 0) end_.lsn = std::max(end_.lsn, header.last_lsn());
  // Behind what is missing, the log goes on where the frame says.
  if (header.type == FrameType::kStart && manifest_ == nullptr) end_.lsn = header.base_lsn - 1;
  if (skipped) end_.lsn = std::max(end_.lsn, header.base_lsn - 1);
  last_ = {&segment, frame.offset + header.frame_bytes()};
}

// Empty when the START frame continues the log where it stands. After damage the CRC that it names is of a frame that
// could not be read.
std::string LogCheck::WhyNotStarting(const Frame& frame, uint64_t* missing_to) const {
  if (frame.offset != SegmentHeader::kBytes) return "a START frame in the middle of a segment";
  if (manifest_ == nullptr) return "";
  const StartPayload start = DecodeStart(frame.payload.data());
  *missing_to = start.previous_last_lsn;
  if (!end_.begun) {
    if (start.previous_number == 0) return "";
    return "segment " + std::to_string(start.previous_number) + ", which came before this one, is missing";
  }
  if (start.previous_number != end_.number || start.previous_salt != end_.salt) {
    return "segment " + std::to_string(start.previous_number) + ", which came before this one, is missing";
  }
  if (damaged_) return "";
  if (start.previous_last_lsn > end_.lsn) return Lsns(end_.lsn + 1, start.previous_last_lsn);
  if (start.previous_last_lsn < end_.lsn || frame.header.previous_crc != end_.crc || frame.header.epoch < end_.epoch) {
    return "it does not continue what comes before it";
  }
  return "";
}

std::string LogCheck::WhyNotContinuing(const Frame& frame, uint64_t* missing_to) const {
  const FrameHeader& header = frame.header;
  if (const char* misplaced = WhyMisplaced(header.type, SegmentKind::kLog); misplaced != nullptr) return misplaced;
  if (header.count != 0 && header.base_lsn <= end_.lsn) return "its LSNs were given out before";
  if (damaged_) return "";
  if (frame.offset == SegmentHeader::kBytes) {
    *missing_to = header.base_lsn - 1;
    return "the segment does not begin with a START frame";
  }
  const bool skips = (header.flags & kFrameSkipsLsns) != 0;
  if (header.count != 0 && header.base_lsn != end_.lsn + 1 && !skips) {
    *missing_to = header.base_lsn - 1;
    return Lsns(end_.lsn + 1, header.base_lsn - 1);
  }
  if (header.previous_crc != end_.crc || header.epoch < end_.epoch) return "a frame before this one is missing";
  return "";
}

Status LogCheck::CheckCompacted(size_t index) {
  const CheckedSegment& segment = segments_[index];
  const CompactedSegment& listed = *segment.compacted;
  if (manifest_ != nullptr && listed.min_lsn != end_.lsn + 1 && !damaged_) {
    const bool gap = listed.min_lsn > end_.lsn + 1;
    Fault* fault = Note(segment, 0, gap ? Lsns(end_.lsn + 1, listed.min_lsn - 1) : "it overlaps what comes before it");
    if (gap) {
      fault->first_lsn = end_.lsn + 1;
      fault->last_lsn = listed.min_lsn - 1;
    }
  }
  end_.lsn = std::max(end_.lsn, listed.min_lsn - 1);
  DamageReader reader(segment.file, segment.name, segment.salt, segment.limit);
  const size_t faults_before = report_->faults.size();
  counts_ = SealPayload();
  uint32_t previous_crc = 0;
  bool sealed = false;
  bool damaged = false;
  for (DamageReader::Result result = DamageReader::Result::kFrame; !sealed;) {
    DamageReader::Piece piece;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &piece));
    if (result == DamageReader::Result::kEnd) break;
    CRABKV_RETURN_IF_ERROR(Step(piece.end - piece.begin));
    if (result == DamageReader::Result::kDamage) {
      CRABKV_RETURN_IF_ERROR(NoteDamage(piece, index, listed.max_lsn));
      damaged = true;
      continue;
    }
    CheckCompactedFrame(segment, piece.frame, damaged_ ? piece.frame.header.previous_crc : previous_crc);
    damaged_ = false;
    previous_crc = piece.frame.header.crc;
    TakeRecords(index, piece.frame);
    if (piece.frame.header.count != 0) {
      ForEachRecord(piece.frame.payload, [&](const RecordHeader& record, uint64_t) { counts_.Count(record); });
    }
    sealed = piece.frame.header.type == FrameType::kSeal;
    if (sealed && !damaged) CRABKV_RETURN_IF_ERROR(CheckSeal(segment, piece.frame));
    if (sealed && damaged && SealAgrees(piece.frame)) {
      for (size_t i = faults_before; i < report_->faults.size(); i++) report_->faults[i].data_lost = false;
    }
  }
  if (!sealed && !damaged) Note(segment, segment.limit, "the segment ends without a SEAL");
  damaged_ = false;
  end_ = {true, listed.last_log, listed.last_log_salt, listed.max_lsn, listed.last_log_crc, listed.last_log_epoch};
  last_ = {&segment, segment.limit};
  return Status::Ok();
}

void LogCheck::CheckCompactedFrame(const CheckedSegment& segment, const Frame& frame, uint32_t previous_crc) {
  const FrameHeader& header = frame.header;
  if (const char* misplaced = WhyMisplaced(header.type, SegmentKind::kCompacted); misplaced != nullptr) {
    Note(segment, frame.offset, misplaced);
  } else if (header.previous_crc != previous_crc) {
    Note(segment, frame.offset, "a frame before this one is missing");
  }
  if (header.count == 0) return;
  const CompactedSegment& listed = *segment.compacted;
  bool inside = true;
  ForEachRecord(frame.payload, [&](const RecordHeader& record, uint64_t) {
    inside = inside && record.lsn >= listed.min_lsn && record.lsn <= listed.max_lsn;
  });
  if (!inside) Note(segment, frame.offset, "a record's LSN is outside of what the segment owns");
}

// Whether all the records that it counts were found.
bool LogCheck::SealAgrees(const Frame& frame) const {
  const SealPayload seal = DecodeSeal(frame.payload.data());
  return seal.puts == counts_.puts && seal.deletes == counts_.deletes && seal.expires == counts_.expires;
}

Status LogCheck::CheckSeal(const CheckedSegment& segment, const Frame& frame) {
  if (!SealAgrees(frame)) Note(segment, frame.offset, "its SEAL counts other records");
  const uint64_t behind = frame.offset + frame.header.frame_bytes();
  char bytes[Trailer::kBytes];
  uint64_t got = 0;
  CRABKV_RETURN_IF_ERROR(segment.file->ReadAt(behind, sizeof(bytes), bytes, &got));
  Trailer trailer;
  if (!DecodeTrailer(std::string_view(bytes, got), segment.salt, &trailer) || trailer.seal_offset != frame.offset) {
    Note(segment, behind, "its trailer fails its CRC")->data_lost = false;
  }
  return Status::Ok();
}

// Whether the log ends where the MANIFEST and the frames say that it does.
void LogCheck::CheckEnd(bool open_ended) {
  if (manifest_ == nullptr || open_ended) return;
  CheckedSegment nothing;
  nothing.name = Manifest::kFileName;
  const CheckedSegment& segment = last_.segment == nullptr ? nothing : *last_.segment;
  if (durable_lsn_ > end_.lsn) {
    // Damage behind the last frame is that fault already.
    if (tail_ && tail_->begin >= last_.offset) {
      if (report_->faults.size() > first_ && report_->faults.back().last_lsn == 0) {
        report_->faults.back().first_lsn = end_.lsn + 1;
        report_->faults.back().last_lsn = durable_lsn_;
      }
      return;
    }
    Fault* fault = Note(segment, last_.offset,
                        "the log ends here, but it was durable farther: " + Lsns(end_.lsn + 1, durable_lsn_));
    fault->first_lsn = end_.lsn + 1;
    fault->last_lsn = durable_lsn_;
  } else if (manifest_->clean && (end_.lsn != manifest_->clean_last_lsn || end_.crc != manifest_->clean_last_crc)) {
    Note(segment, last_.offset, "the store was closed cleanly, but the log does not end as it did then")->data_lost =
        false;
    at_lsn_.back() = 0;
  }
}

// What fails a check where nothing was durable any more is a write that a crash left unfinished: opening cuts it off.
void LogCheck::DropUnfinished() {
  for (size_t i = at_lsn_.size(); i-- > 0;) {
    if (at_lsn_[i] <= durable_lsn_) continue;
    Fault& fault = report_->faults[first_ + i];
    report_->unfinished_file = fault.file;
    report_->unfinished_offset = fault.offset;
    report_->last_lsn = std::min(report_->last_lsn, at_lsn_[i] - 1);
    report_->faults.erase(report_->faults.begin() + static_cast<std::ptrdiff_t>(first_ + i));
    report_->fault_count--;
  }
}

}  // namespace crabkv
