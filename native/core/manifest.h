// The MANIFEST: who the store is, which opening wrote last, and whether it ended cleanly. It does not list log
// segments. The file is written anew (temporary name, sync, rename, directory sync) by every opening for writing, so
// nothing in it is believed only because a page cache shows it; a clean close appends one edit. Edits carry their own
// CRC and that of the edit before. Not thread-safe: used by opening and closing only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "native/core/env.h"
#include "native/core/format.h"

namespace crabkv {

// Where the log was cut at the last unclean opening: nothing at or behind (segment, offset) and before `next_segment`
// is part of the log. segment 0: everything before next_segment is void.
struct LogCut {
  uint64_t segment = 0;
  uint64_t offset = 0;
  uint64_t next_segment = 0;  // 0: there was no cut
};

struct ManifestState {
  StoreId store_id;
  uint64_t hash_seed[2] = {0, 0};
  uint32_t epoch = 0;
  uint64_t epoch_first_lsn = 1;  // everything below was durable when the epoch began
  LogCut cut;
  bool clean = false;  // closed in this epoch, at:
  uint64_t clean_last_lsn = 0;
  uint32_t clean_last_crc = 0;  // header CRC of the log's last frame
  uint64_t clock_ms = 0;        // the store's clock at the last edit
};

class Manifest {
 public:
  static constexpr char kFileName[] = "MANIFEST";

  // kMissing when there is none.
  static Status Load(Env* env, const std::string& directory, ManifestState* state);
  // Replaces the file by one that says `state` (without a clean end).
  static Status Write(Env* env, const std::string& directory, const ManifestState& state);
  // Adds the clean end of `state` to a file that Write made.
  static Status AppendClean(Env* env, const std::string& directory, const ManifestState& state);
};

}  // namespace crabkv
