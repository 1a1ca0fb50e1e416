// What a store can be told at open, with every bound by name and its default. TypeScript validates first
// (src/options.ts, the same names in camelCase); ValidateOptions checks again.
#pragma once

#include <cstdint>
#include <vector>

#include "native/core/status.h"

namespace crabkv {

enum class SyncMode : uint8_t {
  kAlways = 0,    // acknowledged after fdatasync
  kInterval = 1,  // acknowledged after write; fdatasync at least every sync_every_ms while there is something to sync
  kOs = 2,        // acknowledged after write; only sealed segments are synced, in the background
};

enum class Codec : uint8_t { kNone = 0, kSnappy = 1 };

inline constexpr uint32_t kSlotCount = 16384;

// Of any store: what key_bytes_max may be, so that reads and deletes take every key that was written under another.
inline constexpr uint32_t kKeyBytesMax = 1 << 20;

struct Options {
  // --- Who does what. A shard is a latch and a set of slots; slot_to_shard has kSlotCount entries below shard_count,
  // or is empty for slot % shard_count.
  uint32_t shard_count = 16;  // 1..4096
  std::vector<uint16_t> slot_to_shard;

  // --- Durability.
  SyncMode sync = SyncMode::kAlways;
  uint32_t sync_every_ms = 100;  // kInterval only; 1..60000

  // --- Opening.
  bool create_if_missing = true;
  bool error_if_exists = false;
  bool read_only = false;

  // --- Compaction. See compaction_plan.h.
  bool auto_compaction = true;
  uint32_t compaction_dead_percent = 33;        // of the log, from which on it is compacted; 1..99
  uint64_t compaction_log_bytes_min = 1 << 20;  // of the log, below which it is left alone
  uint32_t compaction_io_percent = 50;          // of the time that a compaction may take; 1..100

  // --- Format of new records.
  Codec compression = Codec::kNone;

  // --- Bounds.
  uint64_t segment_bytes = uint64_t{64} << 20;       // soft size of a segment; 64 KiB..1 GiB
  uint32_t key_bytes_max = 64 << 10;                 // of what is put; up to kKeyBytesMax
  uint32_t value_bytes_max = 16 << 20;               // up to 512 MiB
  uint32_t batch_operations_max = 1 << 20;           // operations of one batch
  uint64_t batch_bytes_max = uint64_t{64} << 20;     // encoded bytes of one batch; up to 1 GiB
  uint64_t pending_bytes_max = uint64_t{256} << 20;  // written by nobody yet, all groups together; beyond it kBusy
  uint32_t reader_queue_max = 65536;                 // reads waiting for the disk; beyond it kBusy
};

Status ValidateOptions(const Options& options);

}  // namespace crabkv
