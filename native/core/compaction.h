// One compaction: the records of a run of segments that are still needed go into new segments, which take the run's
// place. The order of what reaches the disk is what makes it safe (native/FORMAT.md, Compaction):
//   copy      what the index points at, and the markers that may still be needed; what is wholly dead is not even read
//   sync      the log, through everything that a decision to drop relied on; the outputs; their names
//   commit    a MANIFEST that lists the outputs and voids the inputs
//   switch    in memory, under all latches: outputs take the inputs' place, and old places are translated
//   move      the index, entry by entry, wherever it still points at what was copied
//   remove    the inputs' files
//   hints     of the outputs, for the next opening, unless there is no time for that
// One thread; may block. Up to the commit it can be given up at any moment.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/core/commit_log.h"
#include "native/core/compacted_writer.h"
#include "native/core/dead_records.h"
#include "native/core/frame_reader.h"
#include "native/core/hint_writer.h"
#include "native/core/index.h"
#include "native/core/manifest.h"

namespace crabkv {

// What a compaction works on. Everything outlives it.
struct CompactionTarget {
  Env* env = nullptr;
  std::string directory;
  const Options* options = nullptr;
  ManifestState* manifest = nullptr;
  SegmentTable* segments = nullptr;
  Index* index = nullptr;
  CommitLog* log = nullptr;
  DeadRecords* dead = nullptr;
  uint64_t* next_number = nullptr;  // of compacted segments
  // Makes `floor` Store::FeedFloor. False, and nothing has changed, when a feed has still to show changes up to
  // `taken`.
  std::function<bool(uint64_t taken, uint64_t floor)> move_feed_floor;
  // Called between steps with the bytes read since the last call; false to give up.
  std::function<bool(uint64_t)> go_on;
};

class Compaction {
 public:
  // `pins`: all segments in LSN order; the run is `count` of them from `first`, all followed by one with frames.
  Compaction(const CompactionTarget& target, const std::vector<SegmentPin>& pins, size_t first, size_t count,
             bool writes_hints);

  ~Compaction();
  // kClosed when given up, kBusy when writes were undone meanwhile (try again), kAborted when a feed that has begun
  // meanwhile needs what would be taken (look again). On any error nothing has changed, except that *broken says: the
  // MANIFEST could not be written for sure, so no other compaction may run.
  Status Run(bool* broken);
  const CompactionReport& report() const { return report_; }
  // The inputs after Run: without a place, their files removed; to be removed from the table when nobody holds them.
  const std::vector<Segment*>& inputs() const { return inputs_; }

 private:
  // What a decision needs to know of a place in the log.
  struct Place {
    size_t rank = 0;  // of the segment in LSN order
    uint64_t offset = 0;
    bool operator<(const Place& other) const { return rank != other.rank ? rank < other.rank : offset < other.offset; }
  };

  // A record of a frame, to be decided on.
  struct Candidate {
    RecordHeader record;
    uint64_t at = 0;  // in the frame's payload
    KeyHash hash;
  };
  static constexpr size_t kLookedUpTogether = 64;

  void Begin();
  // --- compaction_copy.cc
  Status Copy();
  Status PassOver(const Segment* segment, bool* passed);
  Status CopySegment(size_t i);
  Status CopyFrame(Segment* segment, size_t rank, const Frame& frame);
  Status CopyRecords(Segment* segment, size_t rank, const Frame& frame, const Candidate* candidates, size_t count);
  Status CopyRecord(Segment* segment, size_t rank, const Frame& frame, const Candidate& candidate);
  bool Keeps(const KeyHash& hash, Location here, size_t rank, RecordHeader* record);
  bool KeepsExpire(const KeyHash& hash, Place here, const RecordHeader& record, Location current);
  Place PlaceOf(Location location) const;
  Status NextOutput();
  Status FinishOutput(uint64_t max_lsn);
  void NoteStart(const Frame& start);
  void NoteLogEnd(const Segment& segment, const FrameHeader& last);
  void NoteCompacted(const CompactedSegment& old);
  // --- compaction.cc again
  Status MakeDurable();
  Status OpenOutputs();
  bool PassFeeds(uint64_t floor) const;
  Status Commit(bool* broken);
  void Switch();
  void MoveIndex();
  void RemoveFiles();
  void WriteHints();

  const CompactionTarget target_;
  const size_t first_;
  const bool writes_hints_;
  std::vector<Segment*> inputs_;
  std::vector<bool> wholly_dead_;  // of each: nothing of it is needed, which stays so
  // The other compacted segments, in their order: spans without an LSN have none by themselves.
  std::vector<CompactedSegment> neighbours_before_;
  std::vector<CompactedSegment> neighbours_behind_;
  std::unordered_map<uint32_t, size_t> ranks_;  // by handle; newer segments are not in it
  uint64_t horizon_ = 0;
  uint64_t horizon_below_ = UINT64_MAX;  // markers up to this LSN make nothing void in older segments
  uint64_t rollbacks_ = 0;               // when it began
  uint64_t last_lsn_ = 0;                // of the last record or segment read
  CompactedSegment span_;                // what the outputs have in common

  std::vector<std::unique_ptr<CompactedWriter>> writers_;
  std::vector<HintWriter> hints_;  // of each output
  std::vector<CompactedSegment> finished_;
  std::vector<Segment*> outputs_;
  bool switched_ = false;
  std::shared_ptr<Forwarding> forwarding_;
  CompactionReport report_;
};

}  // namespace crabkv
