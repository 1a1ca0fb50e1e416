#include "native/core/options.h"

#include <string>

namespace crabkv {

namespace {
Status Within(const char* name, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return Status::Ok();
  return Status::Error(Code::kInvalidArgument, std::string(name) + " is " + std::to_string(value) +
                                                   "; it must be from " + std::to_string(low) + " to " +
                                                   std::to_string(high));
}
}  // namespace

Status ValidateOptions(const Options& o) {
  CRABKV_RETURN_IF_ERROR(Within("shards", o.shard_count, 1, 4096));
  CRABKV_RETURN_IF_ERROR(Within("sync.everyMs", o.sync_every_ms, 1, 60000));
  CRABKV_RETURN_IF_ERROR(Within("segmentBytes", o.segment_bytes, 64 << 10, uint64_t{1} << 30));
  CRABKV_RETURN_IF_ERROR(Within("keyBytesMax", o.key_bytes_max, 1, kKeyBytesMax));
  CRABKV_RETURN_IF_ERROR(Within("valueBytesMax", o.value_bytes_max, 1, 512u << 20));
  CRABKV_RETURN_IF_ERROR(Within("batchOperationsMax", o.batch_operations_max, 1, 1 << 24));
  CRABKV_RETURN_IF_ERROR(Within("batchBytesMax", o.batch_bytes_max, 4096, uint64_t{1} << 30));
  CRABKV_RETURN_IF_ERROR(Within("pendingBytesMax", o.pending_bytes_max, 256 << 10, uint64_t{16} << 30));
  CRABKV_RETURN_IF_ERROR(Within("readerQueueMax", o.reader_queue_max, 1, 1 << 24));
  CRABKV_RETURN_IF_ERROR(Within("compaction.deadRatio", o.compaction_dead_percent, 1, 99));
  CRABKV_RETURN_IF_ERROR(Within("compaction.minBytes", o.compaction_log_bytes_min, 0, uint64_t{1} << 50));
  CRABKV_RETURN_IF_ERROR(Within("compaction.ioShare", o.compaction_io_percent, 1, 100));
  if (o.slot_to_shard.empty()) return Status::Ok();
  if (o.slot_to_shard.size() != kSlotCount) {
    return Status::Error(Code::kInvalidArgument, "the slot table must have " + std::to_string(kSlotCount) + " entries");
  }
  for (uint16_t shard : o.slot_to_shard) {
    if (shard >= o.shard_count)
      return Status::Error(Code::kInvalidArgument, "the slot table names a shard that is not there");
  }
  return Status::Ok();
}

}  // namespace crabkv
