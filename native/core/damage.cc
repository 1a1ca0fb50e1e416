#include "native/core/damage.h"

#include <algorithm>

namespace crabkv {

Status DamageReader::ReadHeader(uint64_t offset, FrameHeader* header, bool* valid) const {
  char bytes[FrameHeader::kBytes];
  uint64_t got = 0;
  CRABKV_RETURN_IF_ERROR(file_->ReadAt(offset, sizeof(bytes), bytes, &got));
  *valid = DecodeFrameHeader(std::string_view(bytes, got), salt_, header) && header->frame_bytes() <= limit_ - offset;
  return Status::Ok();
}

Status DamageReader::Next(Result* result, Piece* piece) {
  FrameReader::Result read;
  piece->begin = reader_->offset();
  CRABKV_RETURN_IF_ERROR(reader_->Next(&read, &piece->frame, &piece->why));
  if (read == FrameReader::Result::kFrame) {
    *result = Result::kFrame;
    piece->end = reader_->offset();
    return Status::Ok();
  }
  piece->has_header = false;
  if (read == FrameReader::Result::kBad) {
    CRABKV_RETURN_IF_ERROR(ReadHeader(piece->begin, &piece->header, &piece->has_header));
  }
  if (piece->has_header) {
    piece->end = piece->begin + piece->header.frame_bytes();
  } else {
    // Zeros may be where nothing was written, or where a page was lost.
    bool found = false;
    const auto any = [](const FrameHeader&) { return true; };
    CRABKV_RETURN_IF_ERROR(FindFrameHeader(file_, salt_, piece->begin + 8, limit_, any, &found, &piece->end));
    if (!found) piece->end = limit_;
    if (!found && read == FrameReader::Result::kEnd) {
      *result = Result::kEnd;
      return Status::Ok();
    }
    if (read == FrameReader::Result::kEnd) piece->why = "zeros where frames were";
  }
  *result = Result::kDamage;
  ReadFrom(piece->end);
  return Status::Ok();
}

Status FindRecords(File* file, uint64_t salt, const Region& region, const RecordVisit& visit) {
  constexpr uint64_t kPiece = 1 << 20;
  std::vector<char> piece(kPiece + RecordHeader::kBytes);
  std::vector<char> record;
  for (uint64_t begin = region.begin; begin < region.end;) {
    uint64_t got = 0;
    const uint64_t wanted = std::min<uint64_t>(piece.size(), region.end - begin);
    CRABKV_RETURN_IF_ERROR(file->ReadAt(begin, wanted, piece.data(), &got));
    uint64_t at = 0;
    while (at < kPiece && at + RecordHeader::kBytes <= got) {
      RecordHeader header;
      if (!DecodeRecordHeader(piece.data() + at, region.end - begin - at, &header) || header.lsn < region.lsn_min ||
          header.lsn > region.lsn_max) {
        at += 8;
        continue;
      }
      const uint64_t bytes = header.record_bytes();
      record.resize(bytes);
      uint64_t record_got = 0;
      CRABKV_RETURN_IF_ERROR(file->ReadAt(begin + at, bytes, record.data(), &record_got));
      const bool valid = record_got == bytes && CheckRecord(header, record.data(), salt);
      visit(header, begin + at, std::string_view(record.data() + RecordHeader::kBytes, header.key_bytes), valid);
      at += valid ? bytes : 8;
    }
    if (at == 0) break;  // less than a record's header is left
    begin += at;
  }
  return Status::Ok();
}

}  // namespace crabkv
