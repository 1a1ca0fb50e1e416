// Which shard has what: for the router, whose policy is TypeScript's.
#include <string>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

// shardOf(handle, key): number.
napi_value ShardOf(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  std::string_view key;
  if (handle == nullptr || !ReadKey(call.environment(), call[1], kAnyKey, &key)) return nullptr;
  napi_value shard;
  return napi_create_uint32(env, handle->store().ShardOf(key), &shard) == napi_ok ? shard : nullptr;
}

// reportSlots(handle, loads, shards): fills a Float64Array and a Uint16Array, a number for each slot.
napi_value ReportSlots(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Span<double> loads;
  Span<uint16_t> shards;
  if (handle == nullptr || !ReadFloat64Array(env, call[1], "loads", &loads) ||
      !ReadUint16Array(env, call[2], "shards", &shards)) {
    return nullptr;
  }
  if (loads.length != kSlotCount || shards.length != kSlotCount) {
    return ThrowRangeError(env, "loads and shards must have " + std::to_string(kSlotCount) + " entries");
  }
  SlotReport report;
  handle->store().ReportSlots(&report);
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    loads.data[slot] = report.operations_second[slot];
    shards.data[slot] = report.shards[slot];
  }
  return nullptr;
}

// moveSlot(handle, slot, from, to): whether it was moved.
napi_value MoveSlot(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  uint64_t slot = 0;
  uint64_t from = 0;
  uint64_t to = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "slot", kSlotCount - 1, &slot) ||
      !ReadInteger(env, call[2], "from", handle->options().shard_count - 1, &from) ||
      !ReadInteger(env, call[3], "to", handle->options().shard_count - 1, &to)) {
    return nullptr;
  }
  bool moved = false;
  const Status status = handle->store().MoveSlot(static_cast<uint32_t>(slot), static_cast<uint32_t>(from),
                                                 static_cast<uint32_t>(to), &moved);
  if (!status.ok()) return ThrowStatus(call.environment(), status);
  napi_value value;
  return napi_get_boolean(env, moved, &value) == napi_ok ? value : nullptr;
}

}  // namespace crabkv::addon
