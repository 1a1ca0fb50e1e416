// What a full disk means for a store: a reserve file holds real blocks, so that deletes (and later compaction) can
// still be logged when nothing else can. While the disk is full puts are refused at once; when space is back they work
// again without a reopening. Any thread. Create, GiveUpReserve and Restore wait for the disk; RefusesPut costs one
// statvfs, only while the disk is full.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "native/core/env.h"

namespace crabkv {

class DiskSpace {
 public:
  static constexpr uint64_t kReserveBytes = 256 << 10;
  static constexpr char kFileName[] = "RESERVE";

  DiskSpace(Env* env, std::string directory) : env_(env), directory_(std::move(directory)) {}

  // Before recovery, which writes a little (the MANIFEST, and what was not proven durable): gives it the reserve when
  // there is not much else. Open makes the reserve again if it can.
  void MakeRoomForRecovery();
  // Makes the reserve at open; without space for it the disk counts as full.
  void Open();
  bool full() const { return full_.load(std::memory_order_acquire); }
  bool reserve_missing() const { return !reserved_.load(std::memory_order_relaxed); }
  void MarkFull() { full_.store(true, std::memory_order_release); }
  // True when the disk is full still: puts of `bytes` in all would not leave room for the reserve.
  bool RefusesPut(uint64_t bytes);
  // Frees the reserve's blocks for the write that needs them; false when it is gone already.
  bool GiveUpReserve();
  // Makes the reserve again once there is space. Preparer thread.
  void Restore();
  Status Error() const;

 private:
  Status Create();
  std::string path() const { return directory_ + "/" + kFileName; }

  Env* const env_;
  const std::string directory_;
  std::atomic<bool> full_{false};
  std::mutex mutex_;  // held while the reserve is made or removed
  std::atomic<bool> reserved_{false};
};

}  // namespace crabkv
