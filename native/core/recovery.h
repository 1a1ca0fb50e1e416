// Opening a log: from the files of a directory to an index and the place where the log goes on. The rules and why they
// are right are in native/FORMAT.md (Recovery); in short:
//   1. Walk the frames in order, checking everything, building the index.
//   2. Where the walk stops before the end of what is proven durable, that is corruption. Elsewhere the log simply ends
//   there.
//   3. After an unclean end, frames that are not proven durable are written again into a new segment and synced before
//   anything
//      else relies on them: a page cache may show what the disk does not have.
// One thread, before the store exists. May block.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "native/core/commit_log.h"
#include "native/core/env.h"
#include "native/core/frame_reader.h"
#include "native/core/hint_loader.h"
#include "native/core/index.h"
#include "native/core/index_replay.h"
#include "native/core/manifest.h"
#include "native/core/options.h"
#include "native/core/store.h"

namespace crabkv {

// How an opening came by its index.
struct OpenCounts {
  uint64_t records = 0;          // read from segments
  uint64_t segments = 0;         // read so
  uint64_t read_ns = 0;          // which took this long
  uint64_t hinted_keys = 0;      // entries of hints
  uint64_t hinted_segments = 0;  // taken by their hints
  uint64_t hints_ns = 0;         // which took this long
  // Why segments were read: they have no hint (the log's last one never has); theirs is damaged, or of another segment
  // or state; or some of what they hold is not proven durable.
  uint64_t hints_missing = 0;
  uint64_t hints_wrong = 0;
  uint64_t hints_unproven = 0;
};

struct RecoveryResult {
  LogStart log;
  uint64_t clock_ms = 0;
  bool clean = false;
  OpenCounts counts;
  uint64_t rewritten_bytes = 0;
};

class Recovery {
 public:
  Recovery(Env* env, std::string directory, const Options& options, SegmentTable* segments, Index* index,
           OnOpenProgress on_progress = nullptr)
      : env_(env),
        directory_(std::move(directory)),
        options_(options),
        segments_(segments),
        index_(index),
        on_progress_(std::move(on_progress)),
        began_ns_(env->MonotonicNs()),
        replay_(env, index),
        hints_(env, index) {}

  // Brings `manifest` (as loaded) and the directory into the state of a new epoch, unless the store is opened
  // read-only.
  Status Run(ManifestState* manifest, RecoveryResult* result);

 private:
  // A place between two frames.
  struct Place {
    size_t file = 0;      // index in files_
    uint64_t offset = 0;  // 0: before the log's first frame
    uint64_t lsn = 0;     // of the last record before it
    uint32_t crc = 0;     // header CRC of the frame before it
  };
  struct LogFile {
    uint64_t number = 0;
    std::string path;
    std::unique_ptr<File> file;
    uint64_t size = 0;
    SegmentHeader header;
    Segment* segment = nullptr;                   // in the table; null for a file without frames
    const CompactedSegment* compacted = nullptr;  // null for a log segment
    uint64_t hint_bytes = 0;                      // of its hint file, if that is good
    bool hint_damaged = false;                    // which the head did not show
    const ListedLog* listed = nullptr;            // of a backup
    Place behind;                                 // where the log stood before this segment's first frame
  };

  // Whether a segment was taken by its hint, and if not, why.
  enum class HintUse : uint8_t { kTaken, kMissing, kWrong, kUnproven };

  // --- What is there.
  Status FinishInterruptedCut();
  Status ListSegments();
  Status PlaceCompacted();
  Status ListUnnamedCopy();
  Status OpenFile(LogFile* file);
  Status OpenSegment(LogFile* file);
  // --- The walk.
  Status Walk();
  void BeginWalk();
  Status TakeSegments(bool* hint_damaged);
  Status ReadSegment(size_t index, HintUse why, bool* ended);
  Status AddSegment(LogFile* file);
  void FinishReplay();
  void TellProgress(uint64_t bytes, uint64_t records);
  Status CheckCompactedStart(size_t index) const;
  Status WalkCompacted(size_t index);
  void PassCompacted(size_t index);
  Status WalkSegment(size_t index, bool* ended);
  bool Continues(const Frame& frame, std::string* why) const;
  Status TakeFrame(LogFile* file, const Frame& frame);
  void PassProven();
  void ApplyRecords(const LogFile& file, const Frame& frame);
  StartPayload StartBehind(const Place& place) const;
  uint64_t LastSegmentNumber() const;
  Status StartsAfterWalk(size_t index, bool* starts);
  Status CheckEnd(const std::string& why);
  Status FindBehindEnd(bool (*accept)(const FrameHeader&, uint64_t), uint64_t argument, bool* found,
                       std::string* where);
  Status CheckCleanEnd();
  // --- Hints.
  uint64_t ProvenLsn();
  bool HintFits(const LogFile& file, const SegmentSummary& summary, bool* unproven);
  Status TakeByHint(size_t index, HintUse* use);
  void PassLogSegment(size_t index, const SegmentSummary& summary);
  bool LoadHints();
  void RemoveHint(const std::string& name);
  // --- Going on.
  Status CutBeforeShared();
  Status ResumeClean(RecoveryResult* result);
  Status Rewrite(RecoveryResult* result);
  Status RewriteFrames(LogFile* from, uint64_t begin, uint64_t end, class SegmentCopy* copy);
  void ForgetBehind(const Place& place);
  Status SetAsideBehindEnd();
  Status SetAsideTail(const LogFile& file, uint64_t offset);
  Status ApplyCut(const LogCut& cut, bool again);
  Status CutSegment(const LogCut& cut, bool again);
  Status CommitEpoch(const LogCut& cut);
  Status NewSegment(uint64_t number, uint64_t capacity, LogFile* made);
  Status RemoveUnused();
  Status RemoveVoid();
  void LowerHorizons();
  Status AttachFiles();

  Env* const env_;
  const std::string directory_;
  const Options& options_;
  SegmentTable* const segments_;
  Index* const index_;
  const OnOpenProgress on_progress_;
  const uint64_t began_ns_;
  uint64_t told_ns_ = 0;
  OpenProgress progress_;
  uint64_t read_bytes_ = 0;  // of the segment that is being read

  ManifestState* manifest_ = nullptr;
  std::vector<LogFile> files_;  // in LSN order
  // The walk's state.
  Place end_;  // behind the last valid frame
  FrameType last_type_ = FrameType::kStart;
  uint32_t epoch_ = 0;
  uint64_t durable_lsn_ = 0;    // proven so far
  Place durable_;               // behind the last frame with records that are all proven durable
  std::deque<Place> unproven_;  // behind each later frame with records
  uint64_t clock_ms_ = 0;
  OpenCounts counts_;
  IndexReplay replay_;         // of what was read
  HintLoader hints_;           // taken, and not in the index yet
  uint64_t hinted_bytes_ = 0;  // of their segments
  uint64_t hinted_keys_ = 0;
  uint64_t proven_lsn_ = 0;          // see ProvenLsn; 0: not looked up
  Segment* copy_segment_ = nullptr;  // where Rewrite copies to
};

}  // namespace crabkv
