// The directory of a backup, while one is made in it. What its MANIFEST lists is never touched before a new MANIFEST
// has taken that one's place, so that whenever it ends there is the old backup, the new one, or none. One thread; may
// block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/core/env.h"
#include "native/core/manifest.h"
#include "native/core/store.h"

namespace crabkv {

// A segment that is to be in the backup.
struct BackupSegment {
  std::string name;      // of the file, there as here
  std::string path;      // here
  File* file = nullptr;  // open
  uint64_t salt = 0;
  uint64_t bytes = 0;  // of the file, what the backup is to have
  bool is_log = true;
  uint64_t number = 0;
  bool unchanging = false;  // the file has these bytes and no others, for good: it may be shared
};

class BackupTarget {
 public:
  // Says what the directory is for, to people and to the next backup.
  static constexpr char kMarkerName[] = "BACKUP";

  // `source` is the store's directory.
  BackupTarget(Env* env, std::string source, std::string path);
  // Removes what was made, if it did not come to a new MANIFEST.
  ~BackupTarget();

  // Makes the directory, or looks at what is there: nothing, a part of a backup, or a backup of this store from before.
  // kInvalidArgument when it has no name, or is the store's directory or inside of it; kExists when it is something
  // else; kLocked when somebody reads it; kCorruption when its MANIFEST is damaged; kIo, kDiskFull.
  Status Prepare(const ManifestState& store);
  // kExists when the backup there is of a later state, or of another copy of the store. REQUIRES: Prepare.
  Status CheckPast(const ManifestState& next) const;
  // The segment is there, synced, but for its name. kAborted when `step` gives up.
  Status Add(const BackupSegment& segment, const StepDone& step, BackupReport* report);
  // The backup is there, and durable. After a failure the new one may be there, too: then nothing is removed.
  Status Commit(const ManifestState& next);

 private:
  struct Listed {
    std::string name;
    uint64_t salt = 0;
    uint64_t bytes = 0;
  };

  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }
  Status Inspect(const ManifestState& store);
  Status LoadPrevious(const ManifestState& store);
  Status WriteMarker();
  static std::vector<Listed> FilesOf(const ManifestState& state);
  Status RemoveUnlisted(const std::vector<Listed>& kept, bool despite_errors);
  Status HasAlready(const BackupSegment& segment, const Listed& listed, bool* has);
  Status Link(const BackupSegment& segment, bool* linked);
  void Discard();

  Env* const env_;
  const std::string source_;
  const std::string path_;
  std::unique_ptr<DirectoryLock> lock_;
  bool created_ = false;       // the directory is ours
  bool has_previous_ = false;  // there was a backup
  ManifestState previous_;
  std::vector<Listed> listed_;  // by previous_
  bool marked_ = false;
  bool can_link_ = true;
  bool owns_ = false;   // what is there is ours to change
  bool keeps_ = false;  // what was made stays
};

}  // namespace crabkv
