// Writes groups into the log as frames: the chain of CRCs, START and SEAL at the borders of segments. Knows where the
// log ends. Writer thread only (and whoever starts and stops it, while it does not run).
#pragma once

#include <atomic>
#include <cstdint>

#include "native/core/clock.h"
#include "native/core/group_queue.h"
#include "native/core/segment.h"
#include "native/core/segment_maker.h"
#include "native/core/space_ahead.h"

namespace crabkv {

class FrameAppender {
 public:
  // Where the log ends when the appender starts.
  struct End {
    Segment* segment = nullptr;  // file open and mapped
    uint64_t offset = 0;
    bool started = false;       // its START frame is written
    StartPayload start;         // what START is to say when it is not
    uint32_t previous_crc = 0;  // header CRC of the last frame
  };

  FrameAppender(Clock* clock, SegmentMaker* maker, SpaceAhead* space, uint32_t epoch)
      : clock_(clock), maker_(maker), space_(space), epoch_(epoch) {}

  void Start(const End& end) { end_ = end; }
  const End& end() const { return end_; }

  // Whether the group lies in another segment than the last frame.
  bool Rotates(const Group& group) const { return group.segment != end_.segment; }
  // Opens the group's segment and makes it the current one; the one before gets its SEAL. After a failure the log ends
  // where it did. `last_lsn` is that of the last record written.
  Status Rotate(Segment* next, uint64_t durable_lsn, uint64_t last_lsn);
  // Writes the group as one frame. After a failure, a part of it may be in the file behind end(): see CutBack.
  Status Append(Group* group, uint64_t durable_lsn);
  // Removes what a failed write left behind the last whole frame.
  Status CutBack();
  Status Sync() { return end_.segment->file->Sync(); }
  // Set by Append: the group asked for more zeroed space.
  bool wants_space() const { return wants_space_; }
  // Bytes of the values written so far, as users gave them and as they lie in the log. Any thread.
  uint64_t raw_value_bytes() const { return raw_value_bytes_.load(std::memory_order_relaxed); }
  uint64_t stored_value_bytes() const { return stored_value_bytes_.load(std::memory_order_relaxed); }

 private:
  Status WriteStart(uint64_t durable_lsn, uint64_t base_lsn);
  Status WriteSeal(uint64_t durable_lsn, uint64_t last_lsn);
  Status WriteFrame(FrameHeader* header, char* frame);
  void FinishDataHeader(Group* group, FrameHeader* header);

  Clock* const clock_;
  SegmentMaker* const maker_;
  SpaceAhead* const space_;
  const uint32_t epoch_;
  End end_;
  bool wants_space_ = false;
  std::atomic<uint64_t> raw_value_bytes_{0};
  std::atomic<uint64_t> stored_value_bytes_{0};
};

// Gives the segment its file and a mapping of its whole capacity.
Status AttachFile(Segment* segment, std::unique_ptr<File> file);

}  // namespace crabkv
