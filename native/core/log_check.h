// The walk of a verification: goes through segments in LSN order, past all damage, notes what fails a check as a fault,
// and hands on every record that checks out. Recovery (recovery.h) stops where this goes on; what it would refuse is a
// fault here, and what it would cut off as an unfinished write is none. One thread; may block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "native/core/damage.h"
#include "native/core/manifest.h"
#include "native/core/verify.h"

namespace crabkv {

struct CheckedSegment {
  std::string name;  // of the file
  uint64_t number = 0;
  uint64_t salt = 0;
  std::unique_ptr<File> owned;  // null when `file` is somebody else's
  File* file = nullptr;
  uint64_t limit = 0;                         // what to read
  std::optional<CompactedSegment> compacted;  // without a MANIFEST: as far as its header tells
};

// The record at an offset of segments[segment]. The key is borrowed for the call.
using RecordSink =
    std::function<void(size_t segment, uint64_t offset, const RecordHeader& record, std::string_view key)>;

class LogCheck {
 public:
  // `manifest` null: there is none to be had, and how the segments belong together is not checked. `report` may have
  // faults already.
  LogCheck(const std::vector<CheckedSegment>& segments, const ManifestState* manifest, const StepDone& step,
           const RecordSink& sink, VerifyReport* report)
      : segments_(segments), manifest_(manifest), step_(step), sink_(sink), report_(report) {}

  // kAborted, kIo. `open_ended`: the last segment is still written to, so it may end anywhere between two frames.
  Status Run(bool open_ended);

 private:
  // Where the log stands.
  struct End {
    bool begun = false;
    uint64_t number = 0;
    uint64_t salt = 0;
    uint64_t lsn = 0;
    uint32_t crc = 0;
    uint32_t epoch = 0;
  };
  struct Place {
    const CheckedSegment* segment = nullptr;
    uint64_t offset = 0;
  };

  Status CheckLogSegment(size_t index);
  Status CheckCompacted(size_t index);
  void CheckCompactedFrame(const CheckedSegment& segment, const Frame& frame, uint32_t previous_crc);
  bool SealAgrees(const Frame& frame) const;
  Status CheckSeal(const CheckedSegment& segment, const Frame& frame);
  void CheckFrame(const CheckedSegment& segment, const Frame& frame);
  std::string WhyNotContinuing(const Frame& frame, uint64_t* missing_to) const;
  std::string WhyNotStarting(const Frame& frame, uint64_t* missing_to) const;
  Status ResolveTail(const CheckedSegment& next);
  Status NoteDamage(const DamageReader::Piece& piece, size_t index, uint64_t lsn_max);
  void TakeRecords(size_t index, const Frame& frame);
  void CheckEnd(bool open_ended);
  void DropUnfinished();
  Fault* Note(const CheckedSegment& segment, uint64_t offset, std::string what);
  Status Step(uint64_t bytes);

  const std::vector<CheckedSegment>& segments_;
  const ManifestState* const manifest_;
  const StepDone& step_;
  const RecordSink& sink_;
  VerifyReport* const report_;

  End end_;
  bool damaged_ = false;  // between end_ and what comes next
  uint64_t durable_lsn_ = 0;
  // Damage behind a log segment's last frame: none if the log demonstrably went on before it.
  std::optional<DamageReader::Piece> tail_;
  size_t tail_index_ = 0;
  Place last_;
  SealPayload counts_;  // of the records found in a compacted segment
  // The LSN missing at each of the report's faults, from first_ on.
  size_t first_ = 0;
  std::vector<uint64_t> at_lsn_;
  Fault ignored_;  // stands for those beyond kFaultsMax
};

}  // namespace crabkv
