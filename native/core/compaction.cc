#include "native/core/compaction.h"

#include <algorithm>

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

// Feeds that began since the segments were looked at have their say; those that begin from here on know the new floor.
bool Compaction::PassFeeds(uint64_t floor) const {
  uint64_t taken = 0;
  for (const Segment* input : inputs_) taken = std::max(taken, input->last_lsn.load(std::memory_order_relaxed));
  return target_.move_feed_floor(taken, floor);
}

Status Compaction::Commit(bool* broken) {
  ManifestState next = *target_.manifest;
  next.compacted = neighbours_before_;
  next.compacted.insert(next.compacted.end(), finished_.begin(), finished_.end());
  next.compacted.insert(next.compacted.end(), neighbours_behind_.begin(), neighbours_behind_.end());
  // The opening's cut was made, and synced, before there was anything to compact; its segment may be gone now.
  next.cut = LogCut();
  if (!PassFeeds(next.compacted_lsn())) return Status::Error(Code::kAborted, "a feed needs what would be compacted");
  // When it is not known which MANIFEST a power loss leaves, the files that either of them lists stay.
  const Status status = Manifest::Write(target_.env, target_.directory, next, broken);
  if (!status.ok() && !*broken) {
    target_.move_feed_floor(0, target_.manifest->compacted_lsn());
    return status;
  }
  for (auto& writer : writers_) writer->Keep();
  CRABKV_RETURN_IF_ERROR(status);
  *broken = false;
  // Only these: everybody reads the hash seed.
  target_.manifest->compacted = std::move(next.compacted);
  target_.manifest->cut = next.cut;
  return Status::Ok();
}

void Compaction::Switch() {
  target_.index->BeginMoves(forwarding_, [this] { target_.segments->Replace(inputs_, outputs_); });
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
