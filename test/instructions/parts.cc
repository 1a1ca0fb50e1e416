// The parts of a put and a get by themselves: records, checksums, and the index.
#include <string>
#include <vector>

#include "native/core/crc32c.h"
#include "native/core/format.h"
#include "native/core/index.h"
#include "test/instructions/workload.h"

namespace crabkv::instructions {
namespace {

constexpr uint64_t kSalt = 0x1234567890abcdef;
constexpr uint64_t kSeed[2] = {7, 11};

std::string KeyOf(uint32_t i) {
  char key[17];
  std::snprintf(key, sizeof(key), "key:%012u", i);
  return key;
}

}  // namespace

// 20,000 records of 16 + 100 bytes into one buffer, and out of it again.
WORKLOAD(encode) {
  constexpr uint32_t kRecords = 20'000;
  const std::string value(100, 'v');
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < kRecords; i++) keys.push_back(KeyOf(i));
  const uint64_t record_bytes = RecordBytes(16, value.size());
  std::vector<char> buffer(record_bytes * kRecords);
  uint32_t good = 0;
  Counted([&] {
    char* to = buffer.data();
    for (uint32_t i = 0; i < kRecords; i++) {
      RecordHeader header;
      header.type = RecordType::kPut;
      header.flags = kRecordEndOfBatch;
      header.key_bytes = static_cast<uint32_t>(keys[i].size());
      header.stored_bytes = header.raw_bytes = static_cast<uint32_t>(value.size());
      header.lsn = i + 1;
      header.crc = FinishRecordCrc(RecordBodyCrc(header, keys[i], value), header.lsn, kSalt);
      to += EncodeRecord(header, keys[i], value, to);
    }
    const char* from = buffer.data();
    for (uint64_t left = buffer.size(); left > 0; left -= record_bytes, from += record_bytes) {
      RecordHeader header;
      if (DecodeRecordHeader(from, left, &header) && CheckRecord(header, from, kSalt)) good++;
    }
  });
  CHECK(good == kRecords);
}

// Texts as long as a header, a record, a page and more, 4,000 of each.
WORKLOAD(crc) {
  const std::string text(4096 + 8, 'c');
  uint32_t sum = 0;
  Counted([&] {
    for (int i = 0; i < 4000; i++) {
      for (const size_t length : {24, 56, 116, 156, 1064, 4101}) sum ^= Crc32cExtend(sum, text.data() + i % 8, length);
    }
  });
  CHECK(sum != 0);
}

// 100,000 keys hashed, put into an index, looked up and moved, as the latch protocol wants it.
WORKLOAD(index) {
  constexpr uint32_t kKeys = 100'000;
  SegmentTable segments;
  CHECK(segments.Add(std::make_unique<Segment>(1, kSalt, uint64_t{64} << 20, "")) != nullptr);
  Index index(16, {}, &segments);
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < kKeys; i++) keys.push_back(KeyOf(i));
  uint32_t found = 0;
  Counted([&] {
    for (uint32_t round = 0; round < 2; round++) {
      for (uint32_t i = 0; i < kKeys; i++) {
        const KeyHash hash = HashKey(kSeed, keys[i]);
        const Index::SlotLatch latch(&index, hash.slot);
        const uint64_t lsn = round * kKeys + i + 1;
        index.Apply(hash, Location::Make(1, lsn * 8, 160, false), 0, lsn, lsn - 1);
      }
    }
    for (uint32_t i = 0; i < kKeys; i++) {
      const KeyHash hash = HashKey(kSeed, keys[i]);
      const Index::SlotLatch latch(&index, hash.slot);
      if (index.Find(hash).offset() == uint64_t{kKeys + i + 1} * 8) found++;
    }
  });
  CHECK(found == kKeys);
}

}  // namespace crabkv::instructions
