// Writes one compacted segment: header, BLOCK frames of records in LSN order, SEAL and trailer. The file has a
// temporary name until Finish, and means nothing until the MANIFEST lists it. One thread; may block.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "native/core/env.h"
#include "native/core/format.h"
#include "native/core/hint_format.h"
#include "native/core/manifest.h"

namespace crabkv {

class CompactedWriter {
 public:
  CompactedWriter(Env* env, const std::string& directory, uint64_t number, StoreId store_id);
  // Removes the file unless it was finished and kept.
  ~CompactedWriter();

  Status Begin();
  // Appends a record. `header` has LSN, deadline and flags as they are to be; `key` and `stored` are copied. `*offset`
  // is where the record will lie in the file.
  Status Add(RecordHeader header, std::string_view key, std::string_view stored, uint64_t* offset);
  // Writes what is left and syncs, then gives the file its name (the directory is the caller's to sync). `segment` has
  // span, horizon and log range; number, salt and bytes are set here.
  Status Finish(CompactedSegment* segment);
  // The MANIFEST may list it from here on.
  void Keep() { kept_ = true; }

  uint64_t bytes() const { return offset_ + frame_.size(); }
  const SealPayload& counts() const { return summary_.counts; }
  // Of the frames written; of all of them after Finish.
  const SegmentSummary& summary() const { return summary_; }
  const std::string& path() const { return path_; }
  uint64_t number() const { return number_; }
  uint64_t salt() const { return salt_; }

 private:
  Status WriteBlock();
  Status WriteFrame(FrameHeader* header);
  Status WriteSeal(uint64_t last_lsn);

  Env* const env_;
  const std::string path_;
  const uint64_t number_;
  const StoreId store_id_;
  const uint64_t salt_;
  std::unique_ptr<File> file_;
  bool named_ = false;
  bool kept_ = false;
  uint64_t offset_ = 0;    // of the frame being filled
  std::string frame_;      // header and payload of that frame
  uint32_t count_ = 0;     // of its records
  uint64_t base_lsn_ = 0;  // of its first record
  uint32_t payload_crc_ = 0;
  uint32_t previous_crc_ = 0;
  SegmentSummary summary_;
};

}  // namespace crabkv
