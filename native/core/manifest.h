// The MANIFEST: who the store is, which opening wrote last, and whether it ended cleanly. It does not list log
// segments, only compacted ones; that of a backup, which nothing is ever added to, lists all. The file is written anew
// (temporary name, sync, rename, directory sync) by every opening for writing and every compaction, so nothing in it is
// believed only because a page cache shows it; a clean close appends one edit. Edits carry their own CRC and that of
// the edit before. Not thread-safe: used by opening, then by the compactor thread, then by closing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

// A segment that compaction wrote. Those of a store and its log segments own disjoint spans of LSNs; in LSN order they
// are the store.
struct CompactedSegment {
  uint64_t number = 0;  // names the file
  uint64_t salt = 0;
  uint64_t min_lsn = 0;  // the span it owns; records in it keep their LSNs, gaps allowed
  uint64_t max_lsn = 0;
  // When its compaction started every change up to this LSN was in the index: it holds no record that one of them had
  // made void.
  uint64_t horizon = 0;
  uint64_t bytes = 0;  // of the file
  // The log segments whose place it took (with others of the same span): these are void, and where the last one ended
  // is what the log goes on behind.
  uint64_t first_log = 0;
  uint64_t last_log = 0;
  uint64_t last_log_salt = 0;
  uint32_t last_log_crc = 0;  // header CRC of its last frame
  uint32_t last_log_epoch = 0;
};

// A log segment of a backup: what lies behind `bytes`, and what is not listed, is no part of it.
struct ListedLog {
  uint64_t number = 0;
  uint64_t salt = 0;
  uint64_t bytes = 0;
};

struct ManifestState {
  StoreId store_id;
  uint64_t hash_seed[2] = {0, 0};
  uint32_t epoch = 0;
  uint64_t epoch_first_lsn = 1;  // everything below was durable when the epoch began
  LogCut cut;
  bool clean = false;  // closed in this epoch, at:
  uint64_t clean_last_lsn = 0;
  uint32_t clean_last_crc = 0;              // header CRC of the log's last frame
  uint64_t clock_ms = 0;                    // the store's clock at the last edit
  std::vector<CompactedSegment> compacted;  // in LSN order
  // Chosen at random when the store was restored from a backup, 0 if it never was: two stores of one id that have gone
  // on from the same backup differ in it.
  uint64_t lineage = 0;
  // A backup: closed cleanly, and never written to, because its files may be those of the store that it was made of.
  bool is_backup = false;
  uint64_t backup_wall_ms = 0;  // when it was made
  std::vector<ListedLog> logs;  // of a backup only, in LSN order

  // Every LSN up to this one was durable when a compaction relied on it, and changes up to it may be missing from the
  // log.
  uint64_t compacted_lsn() const { return compacted.empty() ? 0 : compacted.back().max_lsn; }
  // Whether a compacted segment took the place of this log segment.
  bool Covers(uint64_t log_number) const;
  // Whether the file is a part of the store, and then, for those of a backup, `*listed`; else null.
  bool HasLog(uint64_t log_number, const ListedLog** listed) const;
};

// Whether a store that stands there can be written to: kFormat where a number is so high that no store has got there,
// of which the next ones would begin again at 0. `last_log`: its last log segment.
Status CheckNumbersLeft(const std::string& directory, const ManifestState& state, uint64_t last_lsn, uint64_t last_log);

class Manifest {
 public:
  static constexpr char kFileName[] = "MANIFEST";

  // kMissing when there is none.
  static Status Load(Env* env, const std::string& directory, ManifestState* state);
  // Replaces the file by one that says `state`: of a backup with its clean end, of a store without.
  // After a failure `*unsure`, if given, says whether the new one may be there nevertheless.
  static Status Write(Env* env, const std::string& directory, const ManifestState& state, bool* unsure = nullptr);
  // Adds the clean end of `state` to a file that Write made.
  static Status AppendClean(Env* env, const std::string& directory, const ManifestState& state);
};

}  // namespace crabkv
