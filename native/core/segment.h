// An open segment: its file, its mapping, and what is counted about it. The file's path from nothing to full:
// CreateSegmentFile (under a temporary name, synced, renamed), frames by the writer thread, sealed, synced, then only
// read. Ownership: SegmentTable. Readers hold a pin (taken under a shard's latch) while they use the mapping.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "native/core/env.h"
#include "native/core/format.h"
#include "native/core/residency.h"
#include "native/core/slot_table.h"

namespace crabkv {

struct Segment {
  Segment(uint64_t number_in, uint64_t salt_in, uint64_t capacity_in, std::string path_in)
      : number(number_in), salt(salt_in), capacity(capacity_in), path(std::move(path_in)), resident(capacity_in) {}

  const uint64_t number;
  const uint64_t salt;
  const uint64_t capacity;  // the file never grows beyond; as long as the mapping
  const std::string path;
  uint32_t handle = 0;  // set once, by SegmentTable::Add

  // Set once, before `written` first rises above 0.
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;

  // Bytes [0, written) are in the file: readable through the mapping.
  std::atomic<uint64_t> written{0};
  std::atomic<uint64_t> file_bytes{0};  // with the space made ahead; for statistics
  std::atomic<int64_t> live_bytes{0};   // estimate, by size class
  std::atomic<int64_t> pins{0};
  std::atomic<uint64_t> last_lsn{0};  // of the last record written
  ResidencyBitmap resident;

  // What SEAL tells. Writer thread (and recovery before it).
  SealPayload counts;
};

// Makes the file `path` with just a segment header: written under a temporary name, synced, renamed, the directory
// synced; so a file under a segment's name always has a valid header. May block.
Status CreateSegmentFile(Env* env, const std::string& directory, const SegmentHeader& header,
                         std::unique_ptr<File>* file);

// From handle (in the index's locations) to segment. Handles are given out in order from 1 and are not reused while the
// store is open. Add: one thread at a time. Get: any thread, no lock.
class SegmentTable {
 public:
  SegmentTable() = default;
  ~SegmentTable();
  SegmentTable(const SegmentTable&) = delete;
  SegmentTable& operator=(const SegmentTable&) = delete;

  // Takes ownership; sets segment->handle. Null when every handle is used up.
  Segment* Add(std::unique_ptr<Segment> segment);
  Segment* Get(uint32_t handle) const {
    return chunks_[handle / kChunk]
        .load(std::memory_order_acquire)
        ->segments[handle % kChunk]
        .load(std::memory_order_acquire);
  }
  uint32_t last_handle() const { return last_.load(std::memory_order_acquire); }
  // In handle order, which is log order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (uint32_t handle = 1; handle <= last_handle(); handle++) visit(Get(handle));
  }

 private:
  static constexpr uint32_t kChunk = 1024;
  static constexpr uint32_t kChunks = (Location::kSegmentHandleMax + 1) / kChunk;
  struct Chunk {
    std::atomic<Segment*> segments[kChunk] = {};
  };
  std::atomic<Chunk*> chunks_[kChunks] = {};
  std::atomic<uint32_t> last_{0};
};

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
