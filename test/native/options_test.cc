// The core checks its options again, whatever TypeScript has checked before: one out of bounds names itself.
#include "native/core/options.h"

#include <functional>

#include "test/native/harness.h"

namespace crabkv::test {
namespace {

struct Bounds {
  const char* name;
  std::function<void(Options*, uint64_t)> set;
  uint64_t low;
  uint64_t high;
};

template <typename T>
Bounds Field(const char* name, T Options::*field, uint64_t low, uint64_t high) {
  return {name, [field](Options* options, uint64_t value) { options->*field = static_cast<T>(value); }, low, high};
}

std::vector<Bounds> AllBounds() {
  return {
      Field("shards", &Options::shard_count, 1, 4096),
      Field("sync.everyMs", &Options::sync_every_ms, 1, 60000),
      Field("segmentBytes", &Options::segment_bytes, 64 << 10, 1 << 30),
      Field("keyBytesMax", &Options::key_bytes_max, 1, 1 << 20),
      Field("valueBytesMax", &Options::value_bytes_max, 1, 512 << 20),
      Field("batchOperationsMax", &Options::batch_operations_max, 1, 1 << 24),
      Field("batchBytesMax", &Options::batch_bytes_max, 4096, 1 << 30),
      Field("pendingBytesMax", &Options::pending_bytes_max, 256 << 10, uint64_t{16} << 30),
      Field("readerQueueMax", &Options::reader_queue_max, 1, 1 << 24),
      Field("compaction.deadRatio", &Options::compaction_dead_percent, 1, 99),
      Field("compaction.minBytes", &Options::compaction_log_bytes_min, 0, uint64_t{1} << 50),
      Field("compaction.ioShare", &Options::compaction_io_percent, 1, 100),
  };
}

TEST(An_option_out_of_its_bounds_is_refused_by_name_and_its_bounds_are_not) {
  EXPECT_OK(ValidateOptions(Options()));
  for (const Bounds& bounds : AllBounds()) {
    const Context context(bounds.name);
    const auto validate = [&](uint64_t value) {
      Options options;
      bounds.set(&options, value);
      return ValidateOptions(options);
    };
    EXPECT_OK(validate(bounds.low));
    EXPECT_OK(validate(bounds.high));
    EXPECT_CODE(validate(bounds.high + 1), Code::kInvalidArgument);
    EXPECT(validate(bounds.high + 1).message().find(bounds.name) != std::string::npos);
    if (bounds.low > 0) EXPECT_CODE(validate(bounds.low - 1), Code::kInvalidArgument);
  }
}

TEST(A_table_of_slots_is_whole_and_names_shards_that_are_there) {
  Options options;
  options.shard_count = 2;
  options.slot_to_shard.assign(kSlotCount, 1);
  EXPECT_OK(ValidateOptions(options));
  options.slot_to_shard[7] = 2;
  EXPECT_CODE(ValidateOptions(options), Code::kInvalidArgument);
  options.slot_to_shard.assign(kSlotCount - 1, 0);
  EXPECT_CODE(ValidateOptions(options), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crabkv::test
