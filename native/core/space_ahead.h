// Zeroes the active segment ahead of the writer, in windows, off the write path. A write into zeroed space changes no
// metadata, so its sync is a plain flush: on ext4 a 160 KB group syncs in 125 us instead of 636 us, and writes do not
// wait for a sync that is running. Windows grow from 64 KiB to 1 MiB, so that a small disk stays usable. Begin, Claim
// and End: writer thread. MakeNext: preparer thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include "native/core/segment.h"

namespace crabkv {

class SpaceAhead {
 public:
  static constexpr uint64_t kWindowBytesMin = 64 << 10;
  static constexpr uint64_t kWindowBytesMax = 1 << 20;

  // Off (for SyncMode::kOs, where no write waits for a sync and zeroing would be a second write) it only follows the
  // writer.
  explicit SpaceAhead(bool on) : on_(on), zeros_(on ? kWindowBytesMin : 0, '\0') {}

  // The writer goes on in `segment`, whose file has nothing behind `written` yet.
  void Begin(Segment* segment, uint64_t written);
  // The writer is about to write up to `end`. Waits for a window under way that it would meet.
  // True when the next window should be made now.
  bool Claim(uint64_t end);
  // Nothing more is made in the segment; waits for a window under way. (Before truncating, sealing or closing.)
  void End();
  // Makes one window if one is wanted. Failing (a full disk) ends making ahead in this segment.
  void MakeNext();

 private:
  bool WantedLocked() const;
  Status WriteZeros(File* file, uint64_t begin, uint64_t end);

  const bool on_;
  const std::string zeros_;  // small enough to stay in the processor's cache
  std::mutex mutex_;
  std::condition_variable made_;
  Segment* segment_ = nullptr;  // all guarded by mutex_
  uint64_t claimed_ = 0;        // the writer has written, or is writing, below
  uint64_t ready_ = 0;          // zeroed below
  uint64_t making_until_ = 0;   // a window [ready_, making_until_) is being written; 0: none
  uint64_t window_ = kWindowBytesMin;
};

}  // namespace crabkv
