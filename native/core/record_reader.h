// Reads one record where the index says it lies, from a segment's mapping or a group's buffer: copies it out, then
// checks the copy's CRC, so that what is returned is what was checked. Any thread; the caller holds a pin on what it
// reads from.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/core/format.h"
#include "native/core/read_buffer.h"
#include "native/core/segment.h"
#include "native/core/slot_table.h"
#include "native/core/status.h"

namespace crabkv {

// The bytes from a record's first one on.
struct RecordSource {
  const char* data = nullptr;
  uint64_t available = 0;
  bool mapped = false;  // a fault may hit
};

// Appends the raw value of the PUT of `key` to `value` and fills `header`. kCorruption when the bytes fail their check
// or are of another key; kIo when the page could not be read. On failure `value` is as before.
Status ReadRecord(const RecordSource& source, const Segment& segment, Location location, std::string_view key,
                  ReadBuffer* value, RecordHeader* header);

// Appends the key of the record. Fails as ReadRecord does.
Status ReadRecordKey(const RecordSource& source, const Segment& segment, Location location, ReadBuffer* key);

}  // namespace crabkv
