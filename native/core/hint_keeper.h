// Gives segments their hints after the fact, by reading them again: log segments that the log has gone on behind, and
// compacted ones that lost theirs, or were written while there was no time for it. Only while the log is quiet, so that
// it costs the writers nothing, and for a moment when the store closes. Compactor thread; closing, after it.
#pragma once

#include <functional>
#include <optional>

#include "native/core/commit_log.h"
#include "native/core/hint_writer.h"
#include "native/core/manifest.h"
#include "native/core/segment_table.h"

namespace crabkv {

class HintKeeper {
 public:
  // Between two looks at whether the log is quiet.
  static constexpr uint64_t kLookMs = 100;

  // All of these outlive it. `log` is what has to be quiet.
  HintKeeper(Env* env, std::string directory, const ManifestState* manifest, SegmentTable* segments,
             const CommitLog* log)
      : env_(env), directory_(std::move(directory)), manifest_(manifest), segments_(segments), log_(log) {}

  // There may be new segments.
  void Look() { missing_ = true; }
  // Whether some segment may lack its hint.
  bool missing() const { return missing_; }
  // Whether the log is known to grow fast.
  bool LogIsBusy() { return !IsQuiet() && records_second_.has_value(); }
  // Writes what is missing if the log is quiet, for as long as it stays so and `go_on`, called with the bytes read
  // since the last call, says so.
  void WriteWhileQuiet(const std::function<bool(uint64_t)>& go_on);
  // Writes what is missing, whatever the log does.
  void Write(const std::function<bool(uint64_t)>& go_on);

 private:
  bool IsQuiet();
  void WriteOne(Segment* segment, const std::function<bool(uint64_t)>& go_on, bool* given_up);

  Env* const env_;
  const std::string directory_;
  const ManifestState* const manifest_;
  SegmentTable* const segments_;
  const CommitLog* const log_;
  bool missing_ = true;
  std::optional<uint64_t> records_second_;  // written between the last two looks
  uint64_t looked_ns_ = 0;
  uint64_t looked_lsn_ = 0;
};

// What there is to know of the segment's frames and keys, unless `go_on` says to give up. False when it does, when the
// frames do not reach to the end of the file in one chain, or when there are too many records.
bool ReadForHint(const Segment& segment, const uint64_t hash_seed[2], const std::function<bool(uint64_t)>& go_on,
                 SegmentSummary* summary, HintWriter* writer, bool* given_up);

}  // namespace crabkv
