// Reading a segment past its damage: the frames that check out, the regions between them, and what records can still be
// made out in such a region. One thread; may block; allocates no more than a record.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "native/core/frame_reader.h"

namespace crabkv {

class DamageReader {
 public:
  enum class Result { kFrame, kDamage, kEnd };
  struct Piece {
    uint64_t begin = 0;  // in the file
    uint64_t end = 0;
    Frame frame;      // kFrame
    std::string why;  // kDamage
    // kDamage of one frame's payload only: that frame's header.
    bool has_header = false;
    FrameHeader header;
  };

  DamageReader(File* file, std::string path, uint64_t salt, uint64_t limit)
      : file_(file), path_(std::move(path)), salt_(salt), limit_(limit) {
    ReadFrom(SegmentHeader::kBytes);
  }

  // The next frame that checks out, or the region up to it (or, when nothing more does, to the file's end). kEnd when
  // nothing was written behind the last piece.
  Status Next(Result* result, Piece* piece);

 private:
  void ReadFrom(uint64_t offset) { reader_ = std::make_unique<FrameReader>(file_, path_, salt_, offset, limit_); }
  Status ReadHeader(uint64_t offset, FrameHeader* header, bool* valid) const;

  File* const file_;
  const std::string path_;
  const uint64_t salt_;
  const uint64_t limit_;
  std::unique_ptr<FrameReader> reader_;
};

// A part of a segment in which to look for records with an LSN from `lsn_min` to `lsn_max`.
struct Region {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t lsn_min = 0;
  uint64_t lsn_max = 0;
};
// `valid`: the record's CRC holds; else it only looks like one, and nothing about it is sure.
using RecordVisit = std::function<void(const RecordHeader& record, uint64_t offset, std::string_view key, bool valid)>;
Status FindRecords(File* file, uint64_t salt, const Region& region, const RecordVisit& visit);

}  // namespace crabkv
