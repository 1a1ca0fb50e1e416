// A backup of an open store: the log is made to go on in a new segment, and everything before that, which nothing
// changes any more, goes into another directory, by link where that can be (native/FORMAT.md, Backups). Runs on the
// compactor's thread, so that no compaction removes a file meanwhile; writers and readers do not notice. May block.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "native/core/backup_target.h"
#include "native/core/clock.h"
#include "native/core/commit_log.h"
#include "native/core/index.h"
#include "native/core/manifest.h"
#include "native/core/segment_table.h"
#include "native/core/store.h"

namespace crabkv {

// What a backup is made of. Everything outlives it.
struct BackupSource {
  Env* env = nullptr;
  std::string directory;
  const ManifestState* manifest = nullptr;
  SegmentTable* segments = nullptr;
  Index* index = nullptr;
  CommitLog* log = nullptr;
  Clock* clock = nullptr;
};

// For others to see how far it is.
struct BackupProgress {
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> bytes_done{0};
};

class Backup {
 public:
  Backup(const BackupSource& source, const std::string& target, BackupProgress* progress)
      : source_(source), target_(source.env, source.directory, target), progress_(progress) {}
  ~Backup();

  // See Store::StartBackup. kAborted when `step` gives up.
  Status Run(const StepDone& step, BackupReport* report);

 private:
  Status EndSegment();
  Status WhyNoNewSegment() const;
  Status ChooseSegments();
  Status NoteEnd(const Segment& open);
  Status DescribeLog(const Segment& segment, BackupSegment* described) const;
  ManifestState NextManifest() const;

  const BackupSource source_;
  BackupTarget target_;
  BackupProgress* const progress_;

  std::vector<SegmentPin> pins_;
  std::vector<BackupSegment> segments_;  // in LSN order
  uint64_t last_lsn_ = 0;                // of the backup
  uint32_t last_crc_ = 0;                // header CRC of its last frame
};

}  // namespace crabkv
