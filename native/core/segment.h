// An open segment: its file, its mapping, and what is counted about it. The path of a log segment's file from nothing
// to full: CreateSegmentFile (under a temporary name, synced, renamed), frames by the writer thread, sealed, synced,
// then only read, until compaction has put its records elsewhere. Ownership: SegmentTable. Readers hold a pin (taken
// under a shard's latch, or by SegmentTable) while they use the mapping.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "native/core/dead_marks.h"
#include "native/core/env.h"
#include "native/core/format.h"
#include "native/core/manifest.h"
#include "native/core/residency.h"

namespace crabkv {

struct Segment {
  Segment(uint64_t number_in, uint64_t salt_in, uint64_t capacity_in, std::string path_in)
      : number(number_in),
        salt(salt_in),
        capacity(capacity_in),
        path(std::move(path_in)),
        resident(capacity_in),
        dead(capacity_in) {}

  const uint64_t number;
  const uint64_t salt;
  const uint64_t capacity;  // the file never grows beyond; as long as the mapping
  const std::string path;
  uint32_t handle = 0;  // set once, by SegmentTable
  // Of a segment that compaction wrote; set before others see it.
  std::unique_ptr<const CompactedSegment> compacted;

  // Set before `written` first rises above 0, once for each try to begin the segment.
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;

  // Bytes [0, written) are in the file: readable through the mapping.
  std::atomic<uint64_t> written{0};
  std::atomic<uint64_t> file_bytes{0};  // with the space made ahead; for statistics
  std::atomic<uint64_t> hint_bytes{0};  // of its hint file; 0: it has none
  std::atomic<int64_t> live_bytes{0};   // estimate, by size class
  std::atomic<int64_t> pins{0};
  std::atomic<uint64_t> last_lsn{0};  // of the last record written
  ResidencyBitmap resident;

  // What SEAL tells. Written by the writer thread (and recovery before it); anyone may read it once the log has gone on
  // in a later segment.
  SealPayload counts;

  // Compactor thread: what need not be looked up (dead_records.h).
  DeadMarks dead;
  // Whether it has a hint, or needs no further try to get one. Compactor thread, and closing after it.
  bool hint_settled = false;

  bool is_log() const { return compacted == nullptr; }
  bool has_frames() const { return written.load(std::memory_order_acquire) > SegmentHeader::kBytes; }
};

// Makes the file `path` with just a segment header: written under a temporary name, synced, renamed, the directory
// synced; so a file under a segment's name always has a valid header. May block.
Status CreateSegmentFile(Env* env, const std::string& directory, const SegmentHeader& header,
                         std::unique_ptr<File>* file);

// Keeps a segment mapped. Taking one REQUIRES the latch under which the location was read.
class SegmentPin {
 public:
  struct Adopt {};
  // Takes over a pin that was counted by hand.
  SegmentPin(Adopt, Segment* segment) : segment_(segment) {}
  explicit SegmentPin(Segment* segment) : segment_(segment) { segment_->pins.fetch_add(1, std::memory_order_relaxed); }
  ~SegmentPin() {
    if (segment_ != nullptr) segment_->pins.fetch_sub(1, std::memory_order_release);
  }
  SegmentPin(SegmentPin&& other) noexcept : segment_(other.segment_) { other.segment_ = nullptr; }
  SegmentPin& operator=(SegmentPin&&) = delete;
  SegmentPin(const SegmentPin&) = delete;
  SegmentPin& operator=(const SegmentPin&) = delete;
  Segment* get() const { return segment_; }

 private:
  Segment* segment_;
};

}  // namespace crabkv
