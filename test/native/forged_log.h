// A store's log and MANIFEST, to be changed as no writer would change them, with every checksum and every link right
// but for what the test makes wrong: checksums alone do not find that.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "native/core/format.h"
#include "native/core/manifest.h"
#include "test/native/mem_env.h"

namespace crabkv::test {

struct ForgedFrame {
  FrameHeader header;
  std::string payload;
  bool linked = true;  // false: header.previous_crc stays as it is
};

struct ForgedSegment {
  std::string path;
  SegmentHeader header;
  std::vector<ForgedFrame> frames;
  uint64_t bytes = 0;          // of the file: what the frames leave is zeros
  uint64_t trailer_shift = 0;  // how far the trailer's word of SEAL is off
};

class ForgedLog {
 public:
  // Of the store in kDirectory, closed cleanly.
  explicit ForgedLog(MemEnv* env);
  // Writes all of it back.
  void Save();

  // The n-th of its frames of this type.
  static ForgedFrame* Find(ForgedSegment* segment, FrameType type, size_t n = 0);
  // Has `change` work on each record of the frame, and makes its CRC right again.
  static void ChangeRecords(ForgedSegment* segment, ForgedFrame* frame,
                            const std::function<void(RecordHeader*)>& change);
  // Gives the records of the frame the LSNs from `base_lsn` on.
  static void Renumber(ForgedSegment* segment, ForgedFrame* frame, uint64_t base_lsn);

  ManifestState manifest;
  std::vector<ForgedSegment> segments;  // those that compaction wrote come first
  bool ends_at_end = true;              // the MANIFEST names the CRC of the last frame

 private:
  MemEnv* const env_;
};

}  // namespace crabkv::test
