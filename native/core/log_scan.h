// A walk over the live entries of a store in log order: reads the segments from the first to where the log ended when
// the scan was made, and shows a record if the index, as it was then, points at it. Sequential reading, exact, each key
// once. One thread at a time; may block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "native/core/frame_reader.h"
#include "native/core/index.h"
#include "native/core/store_impl.h"

namespace crabkv {

class LogScan final : public Scan {
 public:
  LogScan(StoreImpl* store, ScanOptions options);
  ~LogScan() override;
  Status Next(uint32_t entries_max, uint64_t bytes_max, ReadBuffer* chunk, uint32_t* entries, bool* done) override;

 private:
  void WaitUntilWritten();
  // Opens the reader of the next segment with something to show; `*done` when there is none.
  void NextSegment(bool* done);
  Status NextFrame(bool* done);
  bool Shows(const RecordHeader& record, std::string_view key);
  Status Emit(const RecordHeader& record, uint64_t at, ReadBuffer* chunk);

  StoreImpl* const store_;
  const ScanOptions options_;
  std::unique_ptr<IndexSnapshot> snapshot_;
  std::vector<SegmentPin> pins_;
  // Where the log ended: nothing at or behind this place is shown.
  uint64_t end_group_ = 0;
  const Segment* end_segment_ = nullptr;  // null for a log that takes no writes
  uint64_t end_offset_ = 0;
  bool written_ = false;  // up to there

  size_t next_pin_ = 0;
  Segment* segment_ = nullptr;
  std::unique_ptr<FrameReader> reader_;
  Frame frame_;
  uint64_t at_ = 0;           // in frame_.payload
  uint64_t bytes_read_ = 0;   // by this call of Next
  uint64_t deadline_ms_ = 0;  // of the record that Shows accepted
};

}  // namespace crabkv
