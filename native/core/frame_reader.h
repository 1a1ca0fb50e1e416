// Reads the frames of one segment in file order, each checked whole: header, payload, every record. For recovery, scans
// and dumps; random reads of single records are record_reader.h. Not thread-safe. Reads the file in large pieces; never
// allocates more than the file holds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/core/env.h"
#include "native/core/format.h"

namespace crabkv {

struct Frame {
  FrameHeader header;
  uint64_t offset = 0;       // in the segment
  std::string_view payload;  // valid until the next call
};

class FrameReader {
 public:
  enum class Result {
    kFrame,  // a valid frame
    kEnd,    // the file ends here, or nothing but zeros can be seen: no frame was written here
    kBad,    // something is here and is not a valid frame
  };

  // Reads up to `limit` bytes of the file.
  FrameReader(File* file, const std::string& path, uint64_t salt, uint64_t offset, uint64_t limit)
      : file_(file), path_(path), salt_(salt), offset_(offset), limit_(limit) {}

  // The frame at offset(); on kFrame moves behind it. `*why` says what is wrong on kBad.
  Status Next(Result* result, Frame* frame, std::string* why);
  uint64_t offset() const { return offset_; }
  // More of the file may be read by now.
  void Extend(uint64_t limit) { limit_ = limit; }

 private:
  // Makes [offset, offset + length) available in the buffer; less at the limit.
  Status Fill(uint64_t offset, uint64_t length, std::string_view* bytes);

  File* const file_;
  const std::string path_;
  const uint64_t salt_;
  uint64_t offset_;
  uint64_t limit_;
  std::vector<char> buffer_;
  uint64_t buffer_offset_ = 0;  // of buffer_[0] in the file
  uint64_t buffer_bytes_ = 0;
};

// Copies the value of the record that `bytes` begin with, decompressed, to `to`, which has room for record.raw_bytes.
// False when it can't be decompressed.
bool CopyValue(const RecordHeader& record, std::string_view bytes, char* to);

// Calls visit(record header, record offset in the payload) for each record of a payload that FrameReader checked.
template <typename Visit>
void ForEachRecord(std::string_view payload, Visit visit) {
  for (uint64_t at = 0; at < payload.size();) {
    RecordHeader record;
    CRABKV_ASSERT(DecodeRecordHeader(payload.data() + at, payload.size() - at, &record));
    visit(record, at);
    at += record.record_bytes();
  }
}

// The first valid frame header at or behind `offset` (at multiples of 8) that satisfies `accept`; false when there is
// none. For finding what a damaged log proves; the payloads are not looked at.
template <typename Accept>
Status FindFrameHeader(File* file, uint64_t salt, uint64_t offset, uint64_t limit, Accept accept, bool* found,
                       uint64_t* found_offset) {
  constexpr uint64_t kPiece = 1 << 20;
  *found = false;
  if (offset >= limit) return Status::Ok();
  std::vector<char> piece(std::min(kPiece + FrameHeader::kBytes, limit - offset));
  for (uint64_t begin = offset; begin < limit; begin += kPiece) {
    uint64_t got = 0;
    const uint64_t wanted = limit - begin < piece.size() ? limit - begin : piece.size();
    CRABKV_RETURN_IF_ERROR(file->ReadAt(begin, wanted, piece.data(), &got));
    for (uint64_t at = 0; at < kPiece && at + FrameHeader::kBytes <= got; at += 8) {
      FrameHeader header;
      if (DecodeFrameHeader(std::string_view(piece.data() + at, FrameHeader::kBytes), salt, &header) &&
          accept(header)) {
        *found = true;
        *found_offset = begin + at;
        return Status::Ok();
      }
    }
    if (got < wanted) break;
  }
  return Status::Ok();
}

}  // namespace crabkv
