// Commit groups from the first record to their release: callers reserve log space and LSNs with one atomic step while
// they hold their shards' latches, copy their records in, and publish; the writer thread seals groups, writes them in
// order and releases them. Positions are assigned when a group opens, so a record's place in the log is known before it
// is written, and readers find it in the group's buffer until then.
//
// Reserve, Publish, FindPending, Position: any thread. TakeSealed, Release, Reopen: writer thread. Nothing here waits
// for the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "native/core/format.h"
#include "native/core/segment_maker.h"
#include "native/core/segment_table.h"
#include "native/core/status.h"

namespace crabkv {

struct Group {
  // Set while the group is not open, before `number` names it.
  Segment* segment = nullptr;
  uint64_t file_offset = 0;  // of the frame header
  uint64_t base_lsn = 0;
  bool skips_lsns = false;
  uint64_t capacity = 0;   // of the buffer, frame header included
  char* buffer = nullptr;  // the frame as it will lie in the file

  std::atomic<uint64_t> number{0};       // 0: not in use; readers find nothing here
  std::atomic<uint64_t> reservation{0};  // sealed bit, records, payload bytes: see kSealed
  std::atomic<uint64_t> published{0};    // payload bytes copied in
  std::atomic<uint32_t> pins{0};         // readers in the buffer

  static constexpr uint64_t kReleasing = UINT64_MAX;  // a number that no group has
  static constexpr uint64_t kSealed = uint64_t{1} << 63;
  static uint64_t BytesOf(uint64_t reservation) { return reservation & 0xffffffff; }
  static uint64_t RecordsOf(uint64_t reservation) { return (reservation >> 32) & 0x7fffffff; }
  uint64_t bytes() const { return BytesOf(reservation.load(std::memory_order_acquire)); }
  uint64_t records() const { return RecordsOf(reservation.load(std::memory_order_acquire)); }
};

struct Reservation {
  Group* group = nullptr;
  char* to = nullptr;  // where the records go
  uint64_t bytes = 0;
  uint64_t group_number = 0;
  uint64_t lsn = 0;     // of the first record
  uint64_t offset = 0;  // of the first record in the segment
  Segment* segment = nullptr;
  bool grew_large = false;  // this reservation took the group past the size at which the writer should be woken
};

// Where the next frame goes.
struct LogPosition {
  Segment* segment = nullptr;
  uint64_t offset = 0;
  uint64_t next_lsn = 1;
};

// A record in a group's buffer, held there.
class PendingRecord {
 public:
  PendingRecord() = default;
  PendingRecord(Group* group, const char* data, uint64_t available)
      : group_(group), data_(data), available_(available) {}
  ~PendingRecord() {
    if (group_ != nullptr) group_->pins.fetch_sub(1, std::memory_order_seq_cst);
  }
  PendingRecord(PendingRecord&& other) noexcept { *this = std::move(other); }
  PendingRecord& operator=(PendingRecord&& other) noexcept {
    std::swap(group_, other.group_);
    std::swap(data_, other.data_);
    std::swap(available_, other.available_);
    return *this;
  }
  PendingRecord(const PendingRecord&) = delete;
  PendingRecord& operator=(const PendingRecord&) = delete;
  explicit operator bool() const { return group_ != nullptr; }
  const char* data() const { return data_; }
  uint64_t available() const { return available_; }

 private:
  Group* group_ = nullptr;
  const char* data_ = nullptr;
  uint64_t available_ = 0;
};

class GroupQueue {
 public:
  struct Limits {
    uint64_t segment_bytes;
    uint64_t group_bytes;  // of a standard group's buffer
    uint64_t pending_bytes_max;
  };
  static constexpr uint64_t kWakeBytes = 256 << 10;
  // Room behind a segment's last group for SEAL and trailer.
  static constexpr uint64_t kSealBytes = FrameHeader::kBytes + SealPayload::kBytes + Trailer::kBytes;
  // What precedes the first group of a segment.
  static constexpr uint64_t kFirstOffset = SegmentHeader::kBytes + FrameHeader::kBytes + StartPayload::kBytes;

  GroupQueue(const Limits& limits, SegmentTable* segments, SegmentMaker* maker);
  ~GroupQueue();

  // The capacity of a segment whose first group takes `frame_bytes`.
  uint64_t SegmentCapacityFor(uint64_t frame_bytes) const;
  // Opens the first group. Before any other call.
  void Start(const LogPosition& position);

  // --- Callers. REQUIRES: the latches of all slots that the records will be applied to.
  // kBusy when too much is pending; kClosed or the failure when stopped. `*retry`: release the latches and try again
  // (changes are being undone, which needs them). On OK the caller copies and must Publish, without waiting for
  // anything.
  Status Reserve(uint64_t records, uint64_t bytes, Reservation* reservation, bool* retry);
  void Publish(const Reservation& reservation) {
    reservation.group->published.fetch_add(reservation.bytes, std::memory_order_release);
  }
  // The bytes from `offset` on, if they are still in a buffer. REQUIRES: a latch under which the location was read.
  PendingRecord FindPending(const Segment* segment, uint64_t offset);
  uint64_t newest_number() const { return newest_.load(std::memory_order_acquire); }
  // The next group goes into a new segment. Returns its number.
  uint64_t EndSegment();
  // Where the next record goes. REQUIRES: all latches. Everything before it is in groups up to `*number`.
  void Position(uint64_t* number, LogPosition* position);
  uint64_t pending_bytes() const;
  Status stopped() const;  // why nothing is taken any more; OK while it is, or will be again
  bool TakeBusyReport();   // someone got kBusy since the last call, and there is room again

  // Whether somebody may know of the group by its number, because it has records, or because it is sealed.
  bool WasGivenOut(uint64_t number) const;
  // Whether the group is open and without records. A group that is not there any more is not empty: it was written.
  bool IsEmpty(uint64_t number) const;

  // --- Writer thread.
  // The group to write next: a sealed one, or the open one after sealing it if it has records (or `even_empty`). Null
  // when there is none. All of its bytes are published on return.
  Group* TakeSealed(uint64_t number, bool even_empty);
  // The group is in the file (Segment::written says so already) or undone: its buffer is reused.
  void Release(Group* group);
  // Nothing opens any more: Reserve answers `status`, or "retry" when it is OK. Seals what is open. Returns the last
  // number.
  uint64_t Stop(const Status& status);
  // After Stop(OK) and the release of all groups: goes on at this place, with the LSN after the last one given out.
  void Reopen(Segment* segment, uint64_t offset);
  Group* At(uint64_t number) { return &ring_[number % kRing]; }

 private:
  static constexpr uint64_t kRing = 64;
  static constexpr size_t kSpareBuffersMax = 3;

  static void Fill(Group* group, uint64_t state_before, Reservation* reservation);
  // Seals `full` and opens the next group; a batch too large for any standard group gets one of its own, reserved here.
  Status Roll(Group* full, uint64_t records, uint64_t bytes, Reservation* reservation);
  void SealLocked(Group* group);
  Segment* NextSegmentLocked(uint64_t frame_bytes);
  void OpenLocked(uint64_t capacity, uint64_t sealed_reservation);
  char* BufferLocked(uint64_t capacity);

  const Limits limits_;
  SegmentTable* const segments_;
  SegmentMaker* const maker_;
  Group ring_[kRing];
  std::atomic<Group*> filling_{nullptr};
  std::atomic<uint64_t> newest_{0};        // number of the newest group
  std::atomic<uint64_t> oldest_{1};        // below: all released
  std::atomic<uint64_t> sealed_bytes_{0};  // in sealed groups that are not released
  std::atomic<bool> busy_reported_{false};

  mutable std::mutex roll_mutex_;
  LogPosition next_;            // guarded by roll_mutex_: of the group after the newest sealed one
  bool next_skips_ = false;     // likewise
  bool end_segment_ = false;    // likewise
  Status stopped_;              // likewise; why filling_ is null, OK while changes are undone
  std::vector<char*> buffers_;  // likewise; spare standard buffers
};

}  // namespace crabkv
