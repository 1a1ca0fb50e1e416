// What a store says about itself, and what is in a segment file.
#include <string>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/object_writer.h"
#include "native/core/dump.h"
#include "native/core/env.h"

namespace crabkv::addon {

// stats(handle): the plain object that src/native.ts describes.
napi_value Stats(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  const StoreStats stats = handle->store().Stats();
  ObjectWriter writer(env);
  writer.Number("keys", stats.keys);
  writer.Number("keysWithDeadline", stats.keys_with_deadline);
  writer.Number("indexBytes", stats.index_bytes);
  writer.Number("segments", stats.segments);
  writer.Number("logBytes", stats.log_bytes);
  writer.Number("liveBytes", stats.live_bytes);
  writer.Number("diskBytes", stats.disk_bytes);
  writer.Number("hintBytes", stats.hint_bytes);
  writer.Number("hintedSegments", stats.hinted_segments);
  writer.Number("lastVersion", stats.last_version);
  writer.Number("acknowledgedVersion", stats.acknowledged_version);
  writer.Number("durableVersion", stats.durable_version);
  writer.Number("epoch", stats.epoch);
  writer.Number("commitGroups", stats.commit_groups);
  writer.Number("committedRecords", stats.committed_records);
  writer.Number("committedBytes", stats.committed_bytes);
  writer.Number("syncs", stats.syncs);
  writer.Number("syncNsTotal", stats.sync_ns_total);
  writer.Number("syncNsMax", stats.sync_ns_max);
  writer.Number("pendingBytes", stats.pending_bytes);
  writer.Number("rawValueBytes", stats.raw_value_bytes);
  writer.Number("storedValueBytes", stats.stored_value_bytes);
  writer.Number("inlineReads", stats.inline_reads);
  writer.Number("coldReads", stats.cold_reads);
  writer.Number("openMs", stats.open_ms);
  writer.Number("openRecords", stats.open_records);
  writer.Number("openReadSegments", stats.open_read_segments);
  writer.Number("openReadNs", stats.open_read_ns);
  writer.Number("openHintedKeys", stats.open_hinted_keys);
  writer.Number("openHintedSegments", stats.open_hinted_segments);
  writer.Number("openHintsNs", stats.open_hints_ns);
  writer.Number("openHintsMissing", stats.open_hints_missing);
  writer.Number("openHintsWrong", stats.open_hints_wrong);
  writer.Number("openHintsUnproven", stats.open_hints_unproven);
  writer.Number("openRewrittenBytes", stats.open_rewritten_bytes);
  writer.Number("slotsMoved", stats.slots_moved);
  writer.Number("feedFloor", stats.feed_floor);
  writer.Flag("compacting", stats.compacting);
  writer.Number("compactions", stats.compactions);
  writer.Number("backupBytes", stats.backup_bytes);
  writer.Number("backupBytesDone", stats.backup_bytes_done);
  writer.Number("compactionReadBytes", stats.compaction_read_bytes);
  writer.Number("compactionWrittenBytes", stats.compaction_written_bytes);
  writer.Number("compactionDroppedRecords", stats.compaction_dropped_records);
  writer.Flag("cleanOpen", stats.clean_open);
  writer.Flag("diskFull", stats.disk_full);
  return writer.object();
}

// failure(handle): the error of the sticky failure, or undefined.
napi_value Failure(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  const Status failure = handle->store().Failure();
  return failure.ok() ? nullptr : call.environment().MakeError(failure);
}

// changeCounters(handle): ArrayBuffer | undefined. The store's change counters, shared and not copied; undefined in
// runtimes that do not allow that (Electron).
napi_value ChangeCountersOf(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  // Lives as long as the ArrayBuffer, which may be longer than the store.
  auto* counters = new std::shared_ptr<ChangeCounters>(handle->store().SharedChangeCounters());
  void* words = const_cast<uint32_t*>((*counters)->words());
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<ChangeCounters>*>(hint); };
  napi_value buffer;
  const size_t bytes = ChangeCounters::kCount * sizeof(uint32_t);
  if (napi_create_external_arraybuffer(env, words, bytes, release, counters, &buffer) == napi_ok) return buffer;
  delete counters;
  return nullptr;
}

// dumpSegment(path, fromOffset, framesMax): {text, next}, next 0 after the last frame. Reads the file on this thread.
napi_value DumpSegment(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  std::string path;
  uint64_t from_offset = 0;
  uint64_t frames_max = 0;
  if (!ReadPath(env, call[0], "path", &path) ||
      !ReadInteger(env, call[1], "fromOffset", (uint64_t{1} << 53) - 1, &from_offset) ||
      !ReadInteger(env, call[2], "framesMax", UINT32_MAX, &frames_max)) {
    return nullptr;
  }
  std::string text;
  uint64_t next_offset = 0;
  const Status status =
      crabkv::DumpSegment(DefaultEnv(), path, from_offset, static_cast<uint32_t>(frames_max), &text, &next_offset);
  if (!status.ok()) return ThrowStatus(call.environment(), status);
  ObjectWriter writer(env);
  writer.Text("text", text);
  writer.Number("next", next_offset);
  return writer.object();
}

}  // namespace crabkv::addon
