#include "native/core/record_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "native/core/compression.h"
#include "native/core/crc32c.h"
#include "native/core/guarded_read.h"
#include "native/core/options.h"

namespace crabkv {

namespace {
// What the leaf copies, and how far it came. Trivially destructible: a fault abandons it.
struct Copy {
  const RecordSource* source;
  std::string_view key;
  uint64_t room;  // at `value`
  char* value;
  char header_bytes[RecordHeader::kBytes];
  RecordHeader header;
  bool valid;  // the header makes sense and the key is ours

  void Run() {
    valid = false;
    if (source->available < RecordHeader::kBytes) return;
    std::memcpy(header_bytes, source->data, RecordHeader::kBytes);
    if (!DecodeRecordHeader(header_bytes, source->available, &header)) return;
    if (header.key_bytes != key.size() || header.stored_bytes > room) return;
    const char* tail = source->data + RecordHeader::kBytes;
    if (!key.empty() && std::memcmp(tail, key.data(), key.size()) != 0) return;
    if (header.stored_bytes != 0) std::memcpy(value, tail + key.size(), header.stored_bytes);
    valid = true;
  }
};

bool CheckCopy(const Copy& copy, uint64_t salt) {
  uint32_t crc = Crc32c(copy.header_bytes + 4, 28);
  crc = Crc32cExtend(crc, copy.key.data(), copy.key.size());
  crc = Crc32cExtend(crc, copy.value, copy.header.stored_bytes);
  return FinishRecordCrc(crc, copy.header.lsn, salt) == copy.header.crc;
}

Status Decompress(const Copy& copy, uint64_t begin, const Segment& segment, Location location, ReadBuffer* value) {
  const ReadBuffer stored = [&] {
    ReadBuffer bytes;
    std::memcpy(bytes.Extend(copy.header.stored_bytes), copy.value, copy.header.stored_bytes);
    return bytes;
  }();
  value->Shrink(begin);
  if (copy.header.raw_bytes > kRecordBytesMax ||
      !DecompressSnappy(stored.view(), copy.header.raw_bytes, value->Extend(copy.header.raw_bytes))) {
    value->Shrink(begin);
    return Status::Corruption(segment.path, location.offset(), "the value can't be decompressed");
  }
  return Status::Ok();
}
}  // namespace

Status ReadRecord(const RecordSource& source, const Segment& segment, Location location, std::string_view key,
                  ReadBuffer* value, RecordHeader* header) {
  const uint64_t begin = value->size();
  Copy copy;
  copy.source = &source;
  copy.key = key;
  // The index knows the record's size to within 7 %, never too small: one copy does, and a damaged length can't ask for
  // more.
  copy.room = location.approximate_bytes();
  copy.value = value->Extend(copy.room);
  bool read = true;
  if (source.mapped) {
    const uint64_t reach = std::min(source.available, copy.room + RecordHeader::kBytes + key.size());
    read = RunGuarded(source.data, source.data + reach, [&copy] { copy.Run(); });
  } else {
    copy.Run();
  }
  Status status;
  if (!read) {
    status = Status::FromErrno(EIO, "read", segment.path);
  } else if (!copy.valid) {
    status =
        Status::Corruption(segment.path, location.offset(), "the record's header is damaged, or it is of another key");
  } else if (!CheckCopy(copy, segment.salt) || copy.header.type != RecordType::kPut) {
    status = Status::Corruption(segment.path, location.offset(), "the record fails its CRC");
  }
  if (!status.ok()) {
    value->Shrink(begin);
    return status;
  }
  *header = copy.header;
  if ((copy.header.flags & kRecordCodecMask) == static_cast<uint8_t>(Codec::kNone)) {
    value->Shrink(begin + copy.header.stored_bytes);
    return Status::Ok();
  }
  return Decompress(copy, begin, segment, location, value);
}

Status ReadRecordKey(const RecordSource& source, const Segment& segment, Location location, ReadBuffer* key) {
  ReadBuffer record;
  const uint64_t bytes = std::min(source.available, location.approximate_bytes());
  char* copy = record.Extend(bytes);
  if (source.mapped) {
    if (!GuardedCopy(copy, source.data, bytes)) return Status::FromErrno(EIO, "read", segment.path);
  } else {
    std::memcpy(copy, source.data, bytes);
  }
  RecordHeader header;
  if (!DecodeRecordHeader(copy, bytes, &header) || !CheckRecord(header, copy, segment.salt)) {
    return Status::Corruption(segment.path, location.offset(), "the record fails its CRC");
  }
  // The empty key is one, and an empty buffer has no address to copy to.
  if (header.key_bytes != 0) std::memcpy(key->Extend(header.key_bytes), copy + RecordHeader::kBytes, header.key_bytes);
  return Status::Ok();
}

}  // namespace crabkv
