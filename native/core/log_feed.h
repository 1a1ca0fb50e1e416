// The changes of a store in log order, from a position on and then as they are acknowledged: reads the frames of the
// log up to what the writer thread says is written (in SyncMode::kAlways that is after the sync, see
// CommitLog::Finish), and goes on there the next time. Holds one segment; nothing while it is not asked, so a slow
// reader costs the writers nothing but that segment. One thread at a time; may block.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "native/core/frame_reader.h"
#include "native/core/store_impl.h"

namespace crabkv {

class LogFeed final : public Scan {
 public:
  LogFeed(StoreImpl* store, FeedOptions options);
  Status Next(uint32_t entries_max, uint64_t bytes_max, ReadBuffer* chunk, uint32_t* entries, bool* done) override;
  ~LogFeed() override;
  uint64_t version() const override { return version_.load(std::memory_order_relaxed); }
  // How far behind it may be, in bytes of log. Any thread, as version().
  uint64_t behind_max() const { return behind_max_.load(std::memory_order_relaxed); }

 private:
  void BeginAtEnd();
  void BeginAfter(uint64_t version);
  Status CheckPosition() const;
  // Bytes of the log between the position and the acknowledged end.
  uint64_t BytesBehind() const;
  bool NextSegment();
  // Moves to the next frame, which may have nothing to show; `*found` is false when there is none yet.
  Status NextFrame(bool* found);
  Status Emit(const RecordHeader& record, ReadBuffer* chunk) const;
  void PauseAtEnd();

  StoreImpl* const store_;
  const FeedOptions options_;
  std::atomic<uint64_t> version_{0};  // everything up to it was shown, or was not to be
  bool beyond_log_ = false;           // it was to begin after a version that the log does not have
  // How far behind it may be. What was in the log before it began does not count until it has caught up once.
  std::atomic<uint64_t> behind_max_{0};

  std::optional<SegmentPin> pin_;  // of the segment being read; none before the log's first
  uint64_t offset_ = 0;            // in it, behind the frame being shown
  uint64_t came_from_ = 0;         // number of the segment before it, if that was read; 0 if not
  std::unique_ptr<FrameReader> reader_;
  Frame frame_;
  uint64_t at_ = 0;          // in frame_.payload
  uint64_t bytes_read_ = 0;  // by this call of Next
};

}  // namespace crabkv
